import { expect, test } from "../support/test.ts";
import { SETTINGS, type Visitor } from "../support/visitor.ts";

/** The invite link: from the clipboard where the button works, from the field where it does not. */
async function takeInviteLink({ page, islands }: Visitor): Promise<string> {
  if (islands !== "alive") return page.getByLabel("Invite link").inputValue();
  await page.getByRole("button", { name: "Copy link" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
  return page.evaluate(() => navigator.clipboard.readText());
}

/** The line about a trial of 14 days that begins now. */
function trialLine(): string {
  const end = new Date(Date.now() + 14 * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
  return `free · trial · 14 day(s) remaining (expires ${end})`;
}

test("an invited person signs in, has a trial, and counts for who invited them", async ({
  visitor: ann,
  another,
  address,
}) => {
  await ann.signIn(address("ann"));
  const pending = ann.page.locator(".stats div", { hasText: "Pending" }).locator("dd");
  await expect(pending).toHaveText("0");
  const link = await takeInviteLink(ann);
  const code = new URL(link).searchParams.get("ref") ?? "";
  expect(code).toMatch(/^[A-Z2-9]{8}$/);

  const ben = await another();
  const banner = ben.page.getByText("You were invited.");
  await ben.page.goto(link);
  await expect(banner).toBeVisible();
  // As a person pastes it.
  const pasted = ` ${code.slice(0, 4)} ${code.slice(4)} `.toLowerCase();
  const mailed = await ben.askForCode(address("ben"), `/login?ref=${encodeURIComponent(pasted)}`);
  await ben.enterCode(mailed);
  await expect(ben.page).toHaveURL(SETTINGS);
  const [before, line] = [trialLine(), await ben.page.getByText("· trial ·").textContent()];
  expect([before, trialLine()]).toContain(line);

  await ann.page.reload();
  await expect(pending).toHaveText("1");
});

test("a link with a code that cannot be one invites nobody", async ({ page }) => {
  await page.goto("/login?ref=nonsense-and-more");
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(page.getByText("You were invited.")).toHaveCount(0);
});
