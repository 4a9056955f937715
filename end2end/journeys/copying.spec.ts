import { expect, test } from "../support/test.ts";

test("code and invite link are copied with one click, and the button says so", { tag: "@alive" }, async ({
  visitor,
  page,
  address,
}) => {
  await visitor.signIn(address("ann"));
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const code = (await page.locator(".ticket .code").textContent()) ?? "";

  const copyCode = page.locator(".ticket .copy");
  await expect(copyCode).toHaveText("Copy code");
  await copyCode.click();
  await expect(copyCode).toHaveText("Copied");
  expect(await clipboard()).toBe(code);
  await expect(copyCode).toHaveText("Copy code");

  const copyLink = page.locator(".link .copy");
  await copyLink.focus();
  await page.keyboard.press("Enter");
  await expect(copyLink).toHaveText("Copied");
  expect(await clipboard()).toBe(`${visitor.program.url}/login?ref=${code}`);
});

test("without the script there is no button that does nothing", { tag: "@plain" }, async ({
  visitor,
  page,
  address,
}) => {
  await visitor.signIn(address("ann"));
  await expect(page.locator(".copy").first()).toBeHidden();
  await expect(page.getByLabel("Invite link")).toHaveValue(/\/login\?ref=[A-Z2-9]{8}$/);
});

test("buttons that come late work", { tag: "@late" }, async ({ visitor, page, context, address }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await visitor.signIn(address("ann"));
  await page.getByRole("button", { name: "Copy code" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
});
