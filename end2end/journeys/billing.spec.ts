import { Stripe } from "../support/stripe.ts";
import { test as base, expect } from "../support/test.ts";
import type { Visitor } from "../support/visitor.ts";

const test = base.extend<{ stripe: Stripe }>({
  stripe: async ({}, use) => {
    const stripe = await Stripe.start();
    await use(stripe);
    await stripe.stop();
  },
  settings: async ({ stripe }, use) => use(stripe.settings),
});

test.beforeEach(async ({ program }) => {
  await program.run("price", "set", "premium", "stripe", "price_premium");
});

const premium = ({ page }: Visitor) => page.getByRole("region", { name: "Premium" });
const stat = ({ page }: Visitor, name: string) => page.locator(".stats div", { hasText: name }).locator("dd");

test("an invited person buys, and both get their days", async ({ visitor: ann, another, program, stripe }) => {
  await ann.signIn("ann@example.com");
  const link = new URL(await ann.page.getByLabel("Invite link").inputValue());

  const ben = await another();
  await ben.page.goto(`/pricing${link.search}`);
  await expect(ben.page.getByText("45 days of paid access for both of you, when you first subscribe.")).toBeVisible();
  await premium(ben).getByRole("link", { name: "Sign in to subscribe" }).click();
  await ben.enterCode(await ben.sendAddress("ben@example.com"));
  await expect(ben.page).toHaveURL("/pricing?tier=premium");
  await expect(ben.page.getByText("45 days of paid access for both of you, when you first subscribe.")).toBeVisible();

  // The browser goes on by itself, with JavaScript and without; and it comes back to the prices.
  await premium(ben).getByRole("button", { name: "Subscribe monthly for €9.99" }).click();
  await expect(ben.page).toHaveURL(/\/pay\/0#state$/);
  await ben.page.goBack();
  await expect(ben.page).toHaveURL("/pricing?tier=premium");
  await premium(ben).getByRole("button", { name: "Subscribe monthly for €9.99" }).click();
  await expect(ben.page).toHaveURL(/\/pay\/\d#state$/);
  await ben.page.getByRole("button", { name: "Pay €9.99" }).click();
  await expect(ben.page).toHaveURL("/billing/done");
  await expect(ben.page.getByRole("heading", { name: "Thank you!" })).toBeVisible();

  await stripe.tell(program.url);
  await ben.page.getByRole("link", { name: "To your settings" }).click();
  const bought = ben.page.getByRole("region", { name: "Subscription" });
  await expect(bought).toContainText("Premium, monthly, paid through Stripe");
  await expect(bought).toContainText("It renews on ");
  await expect(ben.page.getByText("+45 days on your account")).toBeVisible();
  await expect(async () => {
    const subjects = (await program.mailsTo("ben@example.com")).map((mail) => mail.subject);
    expect(subjects).toContain("Your Premium subscription to Vouchsafe");
    expect(subjects).toContain("45 days of paid access for you at Vouchsafe");
  }).toPass();

  await ann.page.reload();
  await expect(stat(ann, "Subscribed")).toHaveText("1");
  await expect(stat(ann, "Pending")).toHaveText("0");
  await expect(ann.page.getByText("+45 days on your account")).toBeVisible();

  await bought.getByRole("button", { name: "Manage subscription" }).click();
  await expect(ben.page).toHaveURL(/\/portal\/cus_\d$/);
  await ben.page.goto("/pricing");
  await expect(premium(ben).getByRole("button")).toHaveText("Manage subscription");
});

test("a provider that is away is no dead end", async ({ visitor, stripe, faults }) => {
  await visitor.signIn("ann@example.com");
  stripe.isDown = true;
  faults.expect(503, "/billing/checkout");
  await visitor.page.goto("/pricing");
  await premium(visitor).getByRole("button", { name: "Subscribe monthly for €9.99" }).click();
  await expect(visitor.page.getByText("Nothing was charged, and nothing has changed here.")).toBeVisible();
  stripe.isDown = false;
  await visitor.page.getByRole("button", { name: "Try again" }).click();
  await expect(visitor.page).toHaveURL(`${stripe.url}/pay/0#state`);
});
