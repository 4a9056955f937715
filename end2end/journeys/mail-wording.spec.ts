// How an admin words a letter, with what becomes of it beside.

import { expect, test } from "../support/test.ts";

const WELCOME = "/admin/mails/templates/welcome/en";

test("the preview follows what is typed, and stays where that is broken", { tag: "@alive" }, async ({
  visitor: root,
  address,
}) => {
  await root.becomeAdmin(address("root"));
  const { page } = root;
  await page.goto(WELCOME);
  await expect(page.locator(".workbench")).toHaveAttribute("data-ready", "true");
  // While the next one loads there are two.
  const letter = page.frameLocator("iframe.preview").first().locator("body");
  await expect(letter).toContainText("Vouchsafe");
  const steps = () => page.evaluate(() => history.length);
  const before = await steps();

  const html = page.getByLabel("HTML", { exact: true });
  await html.fill("<p>Good morning from {{ product }}</p>");
  await expect(letter).toHaveText("Good morning from Vouchsafe");
  await html.press("End");
  await html.pressSequentially("<p>and {{ prod");
  await expect(html).toHaveAccessibleDescription(/^Line 1: .*unexpected/);
  await expect(html).toHaveAttribute("aria-invalid", "true");
  await expect(letter).toHaveText("Good morning from Vouchsafe");
  await html.pressSequentially("uct }}</p>");
  await expect(letter).toContainText("and Vouchsafe");
  await expect(html).toHaveAccessibleDescription(/^Extends the layout/);
  await expect(html).toHaveAttribute("aria-invalid", "false");

  // The other part, and every problem beside its own field.
  await page.getByRole("button", { name: "Preview as text" }).click();
  await page.getByLabel("Subject").fill("Hello from {{ product }}");
  await expect(letter).toContainText("Hello from Vouchsafe");
  await page.getByLabel("Subject").fill("{{ nobody }}");
  await expect(page.getByLabel("Subject")).toHaveAccessibleDescription(/knows no nobody/);
  await expect(html).toHaveAttribute("aria-invalid", "false");
  await expect(page.locator("iframe")).toHaveCount(1);
  expect(await steps(), "the way back leads out of the page at once").toBe(before);
  await page.reload();
  await expect(page.getByLabel("Subject")).not.toHaveValue(/nobody|Hello from/);
});

test("whoever was signed out meanwhile is told so, and keeps what they typed", { tag: "@alive" }, async ({
  visitor: root,
  address,
  faults,
}) => {
  await root.becomeAdmin(address("root"));
  const { page } = root;
  await page.goto(WELCOME);
  await expect(page.locator(".workbench")).toHaveAttribute("data-ready", "true");
  faults.expect(403, "/calls/try_mail_template");
  await page.context().clearCookies();
  await page.getByLabel("HTML", { exact: true }).fill("<p>Good morning</p>");
  await expect(page.locator("#preview-error")).toHaveText(/^You were signed out/);
  await expect(page.getByLabel("HTML", { exact: true })).toHaveValue("<p>Good morning</p>");
});

test("a button shows what is typed", { tag: "@plain" }, async ({ visitor: root, address, faults }) => {
  await root.becomeAdmin(address("root"));
  const { page } = root;
  await page.goto(WELCOME);
  const letter = page.frameLocator("iframe.preview").locator("body");
  await page.getByLabel("HTML", { exact: true }).fill("<p>Good morning from {{ product }}</p>");
  await page.getByLabel("Plain text").fill("Good evening from {{ product }}");
  await page.getByRole("button", { name: "Preview as HTML" }).click();
  await expect(letter).toHaveText("Good morning from Vouchsafe");
  await page.getByRole("button", { name: "Preview as text" }).click();
  await expect(letter).toContainText("Good evening from Vouchsafe");
  faults.expect(422, `${WELCOME}/preview`);
  await page.getByLabel("Plain text").fill("{{ nobody }}");
  await page.getByRole("button", { name: "Preview as text" }).click();
  await expect(letter).toContainText("text, line 1: this letter knows no nobody");
  await expect(page).toHaveURL(WELCOME);
});
