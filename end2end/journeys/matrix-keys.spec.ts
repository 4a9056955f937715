// The matrix where it is alive: keys, pending edits, the dialog.

import type { Locator, Page } from "@playwright/test";

import { expect, test } from "../support/test.ts";
import type { Visitor } from "../support/visitor.ts";

test.use({ settings: {} });

/** Presses Tab until something has the focus. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  const isThere = () => target.evaluate((element) => element === document.activeElement);
  for (let press = 0; press < 60 && !(await isThere()); press += 1) await page.keyboard.press("Tab");
  await expect(target).toBeFocused();
}

const bar = ({ page }: Visitor) => page.getByRole("region", { name: "Review changes" });
const dialog = ({ page }: Visitor) => page.getByRole("dialog");

test("a keyboard is all it takes to edit, review, save and undo", { tag: "@alive" }, async ({ visitor, page }) => {
  const { keyboard } = page;
  await visitor.claimAdmin("root@example.com");
  await visitor.openMatrix();
  const weight = visitor.cell("free", "weight_entries");
  const caliper = visitor.cell("free", "caliper_entries");

  await test.step("arrows move within a grid", async () => {
    await tabTo(page, weight);
    await keyboard.press("ArrowRight");
    await expect(visitor.cell("basic", "weight_entries")).toBeFocused();
    await keyboard.press("ArrowDown");
    await expect(visitor.cell("basic", "circumference_entries")).toBeFocused();
    await keyboard.press("End");
    await expect(visitor.cell("selfhosted", "circumference_entries")).toBeFocused();
    await keyboard.press("Control+End");
    await expect(visitor.cell("selfhosted", "photos")).toBeFocused();
    await keyboard.press("Control+Home");
    await expect(weight).toBeFocused();
    await keyboard.press("ArrowUp");
    await expect(weight).toBeFocused();
  });

  await test.step("typing edits, Enter goes on, Escape gives up", async () => {
    await keyboard.type("5k");
    await expect(weight.getByRole("textbox", { name: "Weight entries, Free" })).toHaveValue("5k");
    await keyboard.press("Enter");
    await expect(weight).toHaveText("30 → 5,000");
    await expect(visitor.cell("free", "circumference_entries")).toBeFocused();
    await keyboard.type("77");
    await keyboard.press("Escape");
    await expect(visitor.cell("free", "circumference_entries")).toHaveText("10");
    await expect(bar(visitor)).toContainText("1 change");
  });

  await test.step("Delete asks for the default", async () => {
    await keyboard.press("ArrowDown");
    await keyboard.press("Delete");
    await expect(caliper).toHaveText("10 → ∞ default");
    await expect(bar(visitor)).toContainText("2 changes");
  });

  await test.step("Space turns a switch, Ctrl+Z turns it back", async () => {
    const csv = visitor.cell("free", "export_csv");
    await tabTo(page, csv);
    await keyboard.press("Space");
    await expect(csv).toHaveText("off → on");
    await expect(bar(visitor)).toContainText("3 changes");
    await keyboard.press("Control+z");
    await expect(csv).toHaveText("off");
    await expect(csv).toBeFocused();
    await expect(bar(visitor)).toContainText("2 changes");
  });

  await test.step("the review lists what changes for whom", async () => {
    await tabTo(page, bar(visitor).getByRole("button", { name: "Review" }));
    await keyboard.press("Enter");
    await expect(dialog(visitor).getByRole("heading", { name: "Review changes" })).toBeVisible();
    const changes = dialog(visitor).locator(".changes li");
    await expect(changes).toHaveText([/Weight entries Free.*30 → 5,000.*1 member/, /Caliper entries Free.*1 member/]);
    await keyboard.press("Escape");
    await expect(dialog(visitor)).toBeHidden();
    await expect(bar(visitor)).toContainText("2 changes");
  });

  await test.step("saving is one Enter away, and so is undo", async () => {
    await tabTo(page, bar(visitor).getByRole("button", { name: "Review" }));
    await keyboard.press("Enter");
    await tabTo(page, dialog(visitor).getByLabel("Reason"));
    await keyboard.type("spring");
    await keyboard.press("Enter");
    await expect(page.getByRole("status")).toContainText("2 changes are saved.");
    await expect(weight).toHaveText("5,000");
    await expect(caliper).toHaveText("∞ default");
    await tabTo(page, page.getByRole("button", { name: "Undo" }));
    await keyboard.press("Enter");
    await expect(page.getByRole("status")).toHaveText("The change was taken back.");
    await expect(weight).toHaveText("30");
    await expect(caliper).toHaveText("10");
  });
});

test("what cannot be read is said, and edits can be discarded", { tag: "@alive" }, async ({ visitor, page }) => {
  await visitor.claimAdmin("root@example.com");
  await visitor.openMatrix();
  const photos = visitor.cell("free", "photos");
  await visitor.type("free", "photos", "8");
  await visitor.type("basic", "photos", "lots");
  await expect(page.getByRole("alert")).toHaveText("Type a number, off, ∞, or nothing for the default.");
  await expect(visitor.cell("basic", "photos").getByRole("textbox")).toHaveAttribute("aria-invalid", "true");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("alert")).toBeHidden();

  await expect(photos).toHaveText("5 → 8");
  await bar(visitor).getByRole("button", { name: "Discard" }).click();
  await expect(photos).toHaveText("5");
  await expect(bar(visitor)).toBeHidden();
});

test("nobody leaves pending edits by accident", { tag: "@alive" }, async ({ visitor, page }) => {
  await visitor.claimAdmin("root@example.com");
  await visitor.openMatrix();
  await visitor.type("free", "photos", "8");
  const asked = page.waitForEvent("dialog").then(async (question) => {
    await question.dismiss();
    return question.type();
  });
  // The click is not over before the question is answered.
  await page.getByRole("link", { name: "Settings" }).click();
  expect(await asked).toBe("beforeunload");
  await expect(visitor.cell("free", "photos")).toHaveText("5 → 8");
});

test("a narrow page shows one tier at a time", { tag: "@alive" }, async ({ visitor, page }) => {
  await page.setViewportSize({ width: 360, height: 700 });
  await visitor.claimAdmin("root@example.com");
  await visitor.openMatrix();
  await expect(visitor.cell("free", "photos")).toBeVisible();
  await expect(visitor.cell("basic", "photos")).toBeHidden();
  await page.getByRole("link", { name: "Basic" }).click();
  await expect(visitor.cell("basic", "photos")).toBeVisible();
  await expect(visitor.cell("free", "photos")).toBeHidden();
});

test("two admins change the same cell, and the second decides", { tag: "@alive" }, async ({
  visitor: ann,
  another,
  address,
  faults,
}) => {
  faults.expect(409, "/calls/commit_matrix");
  const first = address("ann");
  await ann.claimAdmin(first);
  const ben = await another();
  await ben.becomeAdmin(address("ben"));

  const openReview = async (who: Visitor) => {
    await bar(who).getByRole("button", { name: "Review" }).click();
    await expect(dialog(who).getByRole("heading", { name: "Review changes" })).toBeVisible();
  };
  const save = (who: Visitor) => dialog(who).getByRole("button", { name: "Save changes" }).click();
  const collide = async (tier: string, [theirs, mine]: [string, string]) => {
    await ann.openMatrix();
    await ben.openMatrix();
    await ann.type(tier, "photos", theirs);
    await openReview(ann);
    await save(ann);
    await expect(ann.page.getByRole("status")).toContainText("1 change is saved.");
    await ben.type(tier, "photos", mine);
    await ben.type("free", "caliper_entries", "11");
    await openReview(ben);
    await save(ben);
    await expect(dialog(ben).getByRole("heading", { name: "Somebody else was here" })).toBeVisible();
    await expect(dialog(ben).locator(".conflicts li")).toContainText(first);
  };

  await test.step("and leaves it as it is", async () => {
    await collide("free", ["8", "9"]);
    await expect(dialog(ben).getByLabel("Theirs: 8")).toBeChecked();
    await dialog(ben).getByRole("button", { name: "Continue" }).click();
    await expect(dialog(ben).locator(".changes li")).toHaveText([/Caliper entries Free.*10 → 11/]);
    await save(ben);
    await expect(ben.page.getByRole("status")).toContainText("1 change is saved.");
    await expect(ben.cell("free", "photos")).toHaveText("8");
    await ben.page.getByRole("button", { name: "Undo" }).click();
    await expect(ben.cell("free", "caliper_entries")).toHaveText("10");
  });

  await test.step("and has their own way", async () => {
    await collide("basic", ["60", "70"]);
    await dialog(ben).getByLabel("Mine: 70").check();
    await dialog(ben).getByRole("button", { name: "Continue" }).click();
    await expect(dialog(ben).locator(".changes li")).toHaveText([/10 → 11/, /Progress photos Basic.*60 → 70/]);
    await save(ben);
    await expect(ben.page.getByRole("status")).toContainText("2 changes are saved.");
    await expect(ben.cell("basic", "photos")).toHaveText("70");
  });
});
