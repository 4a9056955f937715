// The matrix by links and forms alone, as it goes without JavaScript.

import { expect, test } from "../support/test.ts";
import type { Visitor } from "../support/visitor.ts";

test.use({ settings: {} });

/** Opens a row for editing, types a limit and goes on to the review. */
async function review({ page }: Visitor, feature: string, tier: string, limit: string): Promise<void> {
  await page.goto("/admin/matrix");
  await page.locator(`tr[id='${feature}'] a.edit`).click();
  await page.locator(`input[name='limit.${tier}']`).fill(limit);
  await page.locator(`tr[id='${feature}']`).getByRole("button", { name: "Review" }).click();
}

const save = ({ page }: Visitor) => page.getByRole("button", { name: "Save changes" }).click();

test("an admin edits a row, reviews it, saves it and takes it back", async ({ visitor, page }) => {
  await visitor.claimAdmin("root@example.com");
  await expect(visitor.cell("free", "photos")).toHaveText("5");

  await review(visitor, "photos", "free", "5k");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Review changes");
  const changes = page.locator(".changes li");
  await expect(changes).toHaveCount(1);
  await expect(changes).toContainText("Progress photos Free");
  await expect(changes).toContainText("5 → 5,000");
  await expect(changes).toContainText("1 member");
  await page.getByLabel("Reason").fill("spring");
  await save(visitor);

  await expect(page.getByRole("status")).toContainText("1 change is saved.");
  await expect(visitor.cell("free", "photos")).toHaveText("5,000");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("status")).toHaveText("The change was taken back.");
  await expect(visitor.cell("free", "photos")).toHaveText("5");
});

test("what cannot be read comes back beside its field", async ({ visitor, page, faults }) => {
  faults.expect(422, "/admin/matrix/review");
  await visitor.claimAdmin("root@example.com");
  await review(visitor, "photos", "free", "lots");
  const field = page.locator("input[name='limit.free']");
  await expect(field).toHaveValue("lots");
  await expect(field).toHaveAccessibleDescription("Type a number, off, ∞, or nothing for the default.");
});

test("two admins change the same cell, and the second decides", async ({ visitor: ann, another, address, faults }) => {
  faults.expect(409, "/admin/matrix/commit");
  const first = address("ann");
  await ann.claimAdmin(first);
  const ben = await another();
  await ben.becomeAdmin(address("ben"));

  await test.step("and leaves it as it is", async () => {
    await review(ben, "photos", "free", "9");
    await review(ann, "photos", "free", "8");
    await save(ann);
    await save(ben);
    await expect(ben.page.getByRole("heading", { level: 1 })).toHaveText("Somebody else was here");
    await expect(ben.page.locator(".conflicts li")).toContainText(first);
    await expect(ben.page.getByLabel("Theirs: 8")).toBeChecked();
    await ben.page.getByRole("button", { name: "Continue" }).click();
    await expect(ben.page).toHaveURL("/admin/matrix");
    await expect(ben.cell("free", "photos")).toHaveText("8");
  });

  await test.step("and has their own way", async () => {
    await review(ben, "photos", "basic", "70");
    await review(ann, "photos", "basic", "60");
    await save(ann);
    await save(ben);
    await ben.page.getByLabel("Mine: 70").check();
    await ben.page.getByRole("button", { name: "Continue" }).click();
    await expect(ben.page.locator(".changes li")).toContainText("60 → 70");
    await save(ben);
    await expect(ben.page.getByRole("status")).toContainText("1 change is saved.");
    await expect(ben.cell("basic", "photos")).toHaveText("70");
  });
});
