import { expect, test } from "../support/test.ts";
import { SETTINGS } from "../support/visitor.ts";

test.describe("the first admin", () => {
  test.use({ settings: {} });

  test("comes in by the link that the program prints, and nobody after them", async ({
    visitor,
    another,
    program,
    faults,
  }) => {
    faults.expect(410, "/admin/claim");
    const link = await program.claimPath();
    await visitor.claimAdmin("root@example.com");
    await expect(visitor.page.locator(".rooms [aria-current='page']")).toHaveText("Tiers and limits");

    const late = await another();
    await late.page.goto(link);
    await expect(late.page.getByRole("heading", { level: 1 })).toHaveText("This link is not good any more");
    await expect(late.page.locator("#email")).toHaveCount(0);
  });
});

test("for a member there is no matrix", async ({ visitor, page, faults, address }) => {
  faults.expect(404, "/admin/matrix");
  await visitor.signIn(address("ann"));
  await expect(page.getByRole("link", { name: "Tiers and limits" })).toHaveCount(0);
  await page.goto("/admin/matrix");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Nothing here");
  await page.getByRole("link", { name: "To the start" }).click();
  await expect(page).toHaveURL(SETTINGS);
});

test("an admin who is not signed in comes to the matrix by way of signing in", async ({
  visitor,
  page,
  program,
  address,
}) => {
  const root = address("root");
  await visitor.signIn(root);
  await program.run("user", "promote", root);
  // Being promoted ends the sessions.
  await page.goto("/admin/matrix");
  await expect(page).toHaveURL("/login?next=%2Fadmin%2Fmatrix");
  await visitor.enterCode(await visitor.sendAddress(root));
  await expect(page).toHaveURL("/admin/matrix");
  await expect(page.getByRole("grid").first()).toBeVisible();
});
