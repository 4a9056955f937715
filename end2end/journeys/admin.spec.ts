// What admins do by links and forms, with and without JavaScript.

import { expect, test } from "../support/test.ts";

test.use({ settings: {} });

test("an admin finds a member, gives credit and a limit of their own, and the member sees it", async ({
  visitor: root,
  another,
}) => {
  const ann = await another();
  await ann.signIn("ann@example.com");
  await root.claimAdmin("root@example.com");
  const { page } = root;
  await page.getByRole("link", { name: "Members" }).click();
  await page.getByLabel("Find a member").fill("ann@");
  await page.getByRole("button", { name: "Search" }).click();
  await expect(page.locator(".rows tbody tr")).toHaveCount(1);
  await page.getByRole("link", { name: "ann@example.com" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("ann@example.com");

  await page.getByRole("textbox", { name: "Days", exact: true }).fill("45");
  await page.getByLabel("Note").fill("for the wait");
  await page.getByRole("button", { name: "Give days" }).click();
  await expect(page.getByRole("status")).toHaveText("The days are on the account.");
  await expect(page.getByRole("region", { name: "Credit" })).toContainText("45 days are left");

  const restrictions = page.getByRole("region", { name: "Exceptions" });
  await restrictions.getByLabel("Feature").selectOption({ label: "AI analyses" });
  await restrictions.getByLabel("Limit").fill("2");
  await restrictions.getByLabel("Reason").fill("promised");
  await restrictions.getByRole("button", { name: "Set exception" }).click();
  await expect(page.getByRole("status")).toHaveText("The exception is set.");
  await page.locator(".why summary").nth(6).click();
  await expect(page.locator(".trail").nth(6).locator("li", { hasText: "decides" })).toContainText("promised");

  await root.program.run("consume", "ann@example.com", "ai_calls");
  await ann.page.goto("/settings");
  const usage = ann.page.getByRole("region", { name: "Your usage" });
  await expect(usage.getByRole("meter", { name: "AI analyses" })).toHaveAttribute("value", "1");
  await expect(usage).toContainText("1 of 2");
  await expect(ann.page.getByText(/^free · credit · 45 day\(s\)/)).toBeVisible();
});

test("disabling asks first, and signs the member out", async ({ visitor: root, another }) => {
  const ann = await another();
  await ann.signIn("ann@example.com");
  await root.claimAdmin("root@example.com");
  const { page } = root;
  await page.goto("/admin/users?q=ann");
  await page.getByRole("link", { name: "ann@example.com" }).click();
  const disable = page.getByRole("button", { name: "Disable account", exact: true });
  await expect(disable).toBeHidden();
  await page.locator("summary", { hasText: "Disable account" }).click();
  await disable.click();
  await expect(page.getByRole("status")).toContainText("The account is disabled");
  await ann.page.goto("/settings");
  await expect(ann.page).toHaveURL("/login?next=%2Fsettings");
  await page.getByRole("button", { name: "Enable account" }).click();
  await expect(page.getByRole("status")).toHaveText("The account is open again.");
});

test("a key is shown once, opens the API and is revoked", async ({ visitor: root, request }) => {
  await root.claimAdmin("root@example.com");
  const { page } = root;
  await page.getByRole("link", { name: "Operations" }).click();
  await page.getByRole("link", { name: "API keys" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Web shop");
  await page.getByRole("checkbox", { name: /^check/ }).check();
  await page.getByRole("button", { name: "Create key" }).click();
  const token = await page.getByLabel("Token").inputValue();
  expect(token).toMatch(/^vs_[\w-]{43}$/);
  const ask = () =>
    request.post("/api/v1/check", {
      headers: { authorization: `Bearer ${token}` },
      data: { user: "root@example.com", feature: "photos" },
    });
  expect((await ask()).status()).toBe(200);

  await page.getByRole("link", { name: "Back to the keys" }).click();
  const row = page.getByRole("row", { name: "Web shop" });
  await expect(row).not.toContainText(token);
  await row.locator("summary").click();
  await row.getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("status")).toHaveText("The key is revoked.");
  await expect(row).toContainText("revoked");
  expect((await ask()).status()).toBe(401);
});

test("an admin makes a tier and a feature, and the prices show them", async ({ visitor: root, another, faults }) => {
  faults.expect(422, "/admin/tiers");
  await root.claimAdmin("root@example.com");
  const { page } = root;
  await page.getByRole("link", { name: "Tiers", exact: true }).click();
  await page.getByRole("link", { name: "New tier" }).click();
  await page.getByLabel("Id", { exact: true }).fill("team");
  await page.getByLabel("Name", { exact: true }).fill("Team");
  await page.getByLabel("Price a month").fill("a lot");
  await page.getByRole("checkbox", { name: "On offer" }).check();
  await page.getByRole("button", { name: "Save tier" }).click();
  await expect(page.getByLabel("Price a month")).toHaveAccessibleDescription(/A price is written as 4.99/);
  await expect(page.getByLabel("Price a month")).toHaveValue("a lot");
  await expect(page.getByRole("checkbox", { name: "On offer" })).toBeChecked();
  await page.getByLabel("Price a month").fill("29.90");
  await page.getByRole("button", { name: "Save tier" }).click();
  await expect(page.getByRole("status")).toContainText("The tier is made.");

  await page.getByRole("link", { name: "Features", exact: true }).click();
  await page.getByRole("link", { name: "New feature" }).click();
  await page.getByLabel("Id", { exact: true }).fill("seats");
  await page.getByLabel("Name in English").fill("Seats");
  await page.getByLabel("Name in German").fill("Plätze");
  await page.getByLabel("Category").fill("data");
  await page.getByLabel("Default", { exact: true }).fill("3");
  await page.getByRole("button", { name: "Save feature" }).click();
  await expect(page.getByRole("status")).toContainText("The feature is made.");

  const stranger = await another();
  await stranger.page.goto("/pricing");
  const team = stranger.page.getByRole("region", { name: "Team" });
  await expect(team).toContainText("€29.90 a month");
  await expect(team.getByRole("listitem").filter({ hasText: "Seats" })).toContainText("3");
});
