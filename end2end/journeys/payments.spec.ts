import { expect, test } from "../support/test.ts";
import type { Visitor } from "../support/visitor.ts";

test.use({ settings: { VOUCHSAFE_STRIPE_WEBHOOK_SECRET: "whsec_of_nobody" } });

const stat = ({ page }: Visitor, name: string) => page.locator(".stats div", { hasText: name }).locator("dd");

/** Has something happen to a member's test subscription, as the admin. */
async function sendTestEvent({ page }: Visitor, member: string, happening: string): Promise<void> {
  await page.goto("/admin/payments/test");
  await page.getByLabel("Member", { exact: true }).fill(member);
  await page.getByLabel("Tier", { exact: true }).selectOption({ label: "Premium" });
  await page.getByLabel("What happens").selectOption({ label: happening });
  await page.getByRole("button", { name: "Send test event" }).click();
  await expect(page.getByRole("heading", { name: "What came of it" })).toBeVisible();
}

test("a newcomer sees a payment arrive without an account anywhere", async ({ visitor: admin, another }) => {
  await admin.claimAdmin("root@example.com");
  await admin.page.goto("/settings");
  const link = new URL(await admin.page.getByLabel("Invite link").inputValue());
  const ben = await another();
  await ben.signIn("ben@example.com", `/login${link.search}`);
  await admin.page.reload();
  await expect(stat(admin, "Pending")).toHaveText("1");

  // What is paid later rewards nobody again.
  await sendTestEvent(admin, "ben@example.com", "subscribes and pays");
  await expect(admin.page.getByText("our endpoint answered 200")).toHaveCount(3);
  await sendTestEvent(admin, "ben@example.com", "renews");
  await ben.page.reload();
  await expect(ben.page.getByRole("region", { name: "Subscription" })).toContainText("Premium");
  await expect(ben.page.getByText("+45 days on your account")).toBeVisible();
  await admin.page.goto("/settings");
  await expect(stat(admin, "Pending")).toHaveText("0");
  await expect(stat(admin, "Subscribed")).toHaveText("1");
  await expect(admin.page.getByText("+45 days on your account")).toBeVisible();

  // All of it is in the inbox, and the reward is in the list.
  await admin.page.goto("/admin/payments");
  await expect(admin.page.locator("tbody tr")).toHaveCount(6);
  await admin.page.locator("tbody a").first().click();
  await expect(admin.page.getByText("vouchsafe_test")).toBeVisible();
  await admin.page.goto("/admin/referrals");
  await expect(admin.page.locator("tbody tr")).toHaveCount(1);
  await expect(admin.page.locator("tbody tr")).toContainText("Rewarded");

  // The money goes back, and what is left of the days with it.
  await sendTestEvent(admin, "ben@example.com", "is refunded in full");
  await admin.page.goto("/admin/referrals");
  await expect(admin.page.locator("tbody tr")).toContainText("Taken back");
  await ben.page.reload();
  await expect(ben.page.getByText("+45 days on your account")).toHaveCount(0);
  await sendTestEvent(admin, "ben@example.com", "ends");
  await ben.page.reload();
  await expect(ben.page.getByRole("region", { name: "Subscription" })).toHaveCount(0);
});

test("a test event about a tier without a price says what to do", async ({ visitor: admin, program, faults }) => {
  await admin.claimAdmin("root@example.com");
  await program.run("user", "add", "ben@example.com");
  await sendTestEvent(admin, "ben@example.com", "subscribes and pays");
  // Its price is taken away, and none shall be made.
  await program.run("price", "remove", "stripe", "price_test_premium");
  await admin.page.goto("/admin/payments/test");
  await admin.page.getByLabel("Member", { exact: true }).fill("ben@example.com");
  await admin.page.getByLabel("What happens").selectOption({ label: "payment fails" });
  faults.expect(422, "/admin/payments/test");
  await admin.page.getByLabel("Make a test price if there is none").uncheck();
  await admin.page.getByRole("button", { name: "Send test event" }).click();
  await expect(admin.page.getByText("The tier has no price at this provider.")).toBeVisible();
});
