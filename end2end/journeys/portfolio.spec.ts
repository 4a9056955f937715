// A member's portfolio: typed, imported, saved in versions, restored; and its analysis.

import { expect, test } from "../support/test.ts";
import type { Visitor } from "../support/visitor.ts";

/** Types a row, counted from 1. */
async function type({ page }: Visitor, row: number, values: Record<string, string>): Promise<void> {
  for (const [field, value] of Object.entries(values)) {
    await page.getByRole("textbox", { name: `${field}, row ${row}`, exact: true }).fill(value);
  }
}

const save = ({ page }: Visitor) => page.getByRole("button", { name: "Save", exact: true }).click();

const field = ({ page }: Visitor, name: string, row: number) =>
  page.getByRole("textbox", { name: `${name}, row ${row}`, exact: true });

test("a member types positions, saves them and sees what they amount to", async ({ visitor, page, address }) => {
  await visitor.signIn(address("ann"));
  await page.getByRole("navigation").getByRole("link", { name: "Portfolio" }).click();
  await expect(page).toHaveURL("/portfolio");
  await type(visitor, 1, { Symbol: "aapl", Quantity: "10", "Cost in all": "1500", Price: "180" });
  await type(visitor, 2, { Symbol: "VTI", Quantity: "4", Price: "300" });
  // Enter in a field saves.
  await field(visitor, "Price", 2).press("Enter");
  await expect(page.getByRole("status")).toHaveText("Your portfolio is saved.");
  await expect(page.getByRole("img", { name: "Shares: AAPL 60.0%, VTI 40.0%" })).toBeVisible();
  await expect(page.locator("dl.figures")).toContainText("3,000.00");
  await page.getByText("All figures as a table").click();
  await expect(page.getByRole("row", { name: /^AAPL 10 180 1,800\.00 60\.0% \+300\.00 \(20\.0%\)/ })).toBeVisible();
  await expect(field(visitor, "Symbol", 1)).toHaveValue("AAPL");
});

test("what cannot be saved comes back with what is wrong", async ({ visitor, page, address, faults }) => {
  faults.expect(422, "/portfolio");
  await visitor.signIn(address("ann"));
  await page.goto("/portfolio");
  await type(visitor, 1, { Symbol: "AAPL", Quantity: "many" });
  await save(visitor);
  await expect(page.getByRole("alert")).toContainText("Some rows cannot be saved");
  await expect(field(visitor, "Quantity", 1)).toHaveValue("many");
  await expect(field(visitor, "Quantity", 1)).toHaveAccessibleDescription("Quantity: that is not a number.");
});

test("a file and pasted lines are read in, checked and saved", async ({ visitor, page, address, faults }) => {
  faults.expect(422, "/portfolio/import");
  await visitor.signIn(address("ann"));
  await page.goto("/portfolio");
  await type(visitor, 1, { Symbol: "GOLD", Quantity: "1", Price: "1200" });
  const lines = Buffer.from("symbol,shares,price\nVTI,4,250\nA B,1,1\n");
  await page.getByText("Paste or import").click();
  await page.getByLabel("CSV file").setInputFiles({ name: "positions.csv", mimeType: "text/csv", buffer: lines });
  await page.getByLabel("Lines").fill("AAPL 10 1500 180");
  await page.getByRole("button", { name: "Read in" }).click();
  await expect(page.getByRole("alert")).toContainText("2 positions read in, 1 line not. Nothing is saved yet");
  await expect(page.locator(".bad-lines")).toContainText("Line 3");
  await expect(page.getByLabel("Lines")).toHaveValue("symbol,shares,price\nA B,1,1\n");
  for (const [row, symbol] of [[1, "GOLD"], [2, "VTI"], [3, "AAPL"]] as const) {
    await expect(field(visitor, "Symbol", row)).toHaveValue(symbol);
  }
  await save(visitor);
  await expect(page.getByRole("status")).toHaveText("Your portfolio is saved.");
});

test("an earlier version is restored, and that is taken back", async ({ visitor, page, address }) => {
  await visitor.signIn(address("ann"));
  for (const quantity of ["1", "2"]) {
    await page.goto("/portfolio");
    await type(visitor, 1, { Symbol: "AAPL", Quantity: quantity, Price: "100" });
    await save(visitor);
    await expect(page.getByRole("status")).toHaveText("Your portfolio is saved.");
  }
  await page.getByRole("link", { name: "Look and restore: Version 1" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Version 1");
  await page.getByRole("button", { name: "Restore" }).click();
  await expect(page.getByRole("status")).toContainText("Version 1 is restored.");
  await expect(field(visitor, "Quantity", 1)).toHaveValue("1");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("status")).toHaveText("The restore was taken back.");
  await expect(field(visitor, "Quantity", 1)).toHaveValue("2");
});

test("two windows save, and the second chooses", async ({ visitor: here, another, address, faults }) => {
  faults.expect(409, "/portfolio");
  const ann = address("ann");
  await here.signIn(ann);
  const there = await another();
  await there.signIn(ann);
  await here.page.goto("/portfolio");
  await there.page.goto("/portfolio");
  await type(here, 1, { Symbol: "AAPL", Quantity: "1" });
  await save(here);
  await expect(here.page.getByRole("status")).toHaveText("Your portfolio is saved.");
  await type(there, 1, { Symbol: "VTI", Quantity: "2" });
  await save(there);
  await expect(there.page.getByRole("heading", { level: 1 })).toHaveText("Saved elsewhere meanwhile");
  await expect(there.page.getByRole("region", { name: "What is saved" })).toContainText("AAPL");
  await expect(there.page.getByRole("region", { name: "What you typed" })).toContainText("VTI");
  await there.page.getByRole("button", { name: "Save what I typed" }).click();
  await expect(field(there, "Symbol", 1)).toHaveValue("VTI");
});

test("a member on trial has an analysis, and it is there to be read again", async ({ visitor, page, address }) => {
  await visitor.signIn(address("ann"));
  await page.goto("/portfolio");
  await type(visitor, 1, { Symbol: "AAPL", Quantity: "10", "Cost in all": "1500", Price: "180" });
  await save(visitor);
  await page.getByLabel("Question").fill("Why so large?");
  await page.getByRole("button", { name: "Analyze" }).click();
  const analysis = page.getByRole("region", { name: "Analysis" });
  await expect(analysis).toContainText("Your portfolio is worth 1,800.00, in one position.");
  await page.goto("/portfolio");
  await expect(analysis).toContainText("You paid 1,500.00 and are 300.00 (20.0%) ahead.");
});

test.describe("without a trial", () => {
  // The first admin has none, and is the first of a program of their own.
  test.use({ settings: {} });

  test("a free member is told what an analysis costs and how to get it", async ({ visitor, page }) => {
    await visitor.claimAdmin("root@example.com");
    await page.goto("/portfolio");
    const analysis = page.getByRole("region", { name: "Analysis" });
    await expect(analysis).toContainText("Analyses are for paid tiers.");
    await expect(analysis).toContainText("Premium, €9.99 a month: as many analyses as you like");
    await expect(analysis.getByRole("button")).toHaveCount(0);
    await analysis.getByRole("link", { name: "Invite a friend:" }).click();
    await expect(page).toHaveURL("/settings#invite");
  });
});
