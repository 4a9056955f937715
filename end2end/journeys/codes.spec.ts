import { expect, test } from "../support/test.ts";
import { SETTINGS } from "../support/visitor.ts";

/** A code that is not the right one. */
function wrong(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, "0");
}

test("wrong codes are counted, and the fifth voids the right one", async ({ visitor, page, faults, address }) => {
  faults.expect(422, "/verify");
  const right = await visitor.askForCode(address("ann"));
  for (const left of ["4 more tries", "3 more tries", "2 more tries", "one more try"]) {
    await visitor.enterCode(wrong(right));
    await expect(page.locator("#code-error")).toHaveText(`That code is wrong. You have ${left}.`);
    await expect(page.locator("#code")).toHaveAttribute("aria-invalid", "true");
  }
  const void_ = page.getByRole("alert").filter({ hasText: "tried too often and is void" });
  await visitor.enterCode(wrong(right));
  await expect(void_).toBeVisible();

  // The answer must be a new page, or it could be the old alert that is seen.
  const answer = page.waitForResponse((response) => response.request().method() === "POST");
  await visitor.enterCode(right);
  expect((await answer).status()).toBe(422);
  await expect(void_).toBeVisible();
  await page.goto("/settings");
  await expect(page).toHaveURL("/login?next=%2Fsettings");
});

test("what cannot be a code is no try", async ({ visitor, page, faults, address }) => {
  faults.expect(422, "/verify");
  const right = await visitor.askForCode(address("ann"));
  await page.locator("#code").fill("12345");
  await page.locator("#code").press("Enter");
  await expect(page.locator("#code-error")).toContainText("That is no code");
  await visitor.enterCode(`${right.slice(0, 3)} ${right.slice(3)}`);
  await expect(page).toHaveURL(SETTINGS);
});

test("what is no address is said beside the field, with what was typed", async ({ page, faults }) => {
  faults.expect(422, "/login");
  await page.goto("/login");
  // The browser would object first.
  await page.locator("#email").fill("ann@nowhere");
  await page.getByRole("button", { name: "Send code" }).click();
  await expect(page.locator("#email-error")).toHaveText("The part after the @ has no ending, like .com.");
  await expect(page.locator("#email")).toHaveValue("ann@nowhere");
});

test("another code can be asked for when the time has run down", { tag: "@alive" }, async ({
  visitor,
  page,
  faults,
  address,
}) => {
  faults.expect(429, "/verify/resend");
  await page.clock.install();
  await visitor.askForCode(address("ann"));
  const resend = page.locator("form[action='/verify/resend'] button");
  await expect(resend).toHaveText(/^Send another code in \d+ s$/);
  await expect(resend).toBeDisabled();
  const seconds = async () => Number(/\d+/.exec((await resend.textContent()) ?? "")?.[0]);
  const first = await seconds();
  await page.clock.fastForward("00:30");
  await expect.poll(seconds).toBeLessThan(first - 20);
  await page.clock.fastForward("00:31");
  await expect(resend).toBeEnabled();
  await expect(resend).toHaveText("Send another code");

  // Only the browser's clock was turned: the server still says no.
  await resend.click();
  await expect(page.getByRole("alert")).toHaveText(/^Too soon\. You can ask for another code in \d+ seconds\.$/);
});

test("asking for another code too soon is refused with the time to wait", { tag: "@plain" }, async ({
  visitor,
  page,
  faults,
  address,
}) => {
  faults.expect(429, "/verify/resend");
  await visitor.askForCode(address("ann"));
  await page.getByRole("button", { name: "Send another code" }).click();
  await expect(page.getByRole("alert")).toHaveText(/^Too soon\. You can ask for another code in \d+ seconds\.$/);
});

test("what was typed before the page came alive stays", { tag: "@late" }, async ({ visitor, page, address }) => {
  const code = await visitor.askForCode(address("ann"));
  const field = page.locator("#code");
  await expect(field).not.toHaveAttribute("data-ready");
  await field.fill(code);
  await expect(field).toHaveAttribute("data-ready", "true");
  await expect(field).toHaveValue(code);
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page).toHaveURL(SETTINGS);
});
