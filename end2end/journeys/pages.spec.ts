// Looks at every page in every state: axe in light and dark, both languages, a narrow phone. With PICTURES=1 it leaves
// a picture of each in target/screenshots.

import { createHmac } from "node:crypto";
import { resolve } from "node:path";

import type { Page } from "@playwright/test";

import { expectAccessible } from "../support/axe.ts";
import { eventually } from "../support/eventually.ts";
import type { Faults } from "../support/faults.ts";
import { sendForm } from "../support/forms.ts";
import { expect, test } from "../support/test.ts";
import type { Visitor } from "../support/visitor.ts";

const PICTURES = resolve(import.meta.dirname, "../../target/screenshots");
const takesPictures = process.env.PICTURES === "1";
const SCHEMES = ["light", "dark"] as const;

interface State {
  name: string;
  /** What happens once, before the first look. */
  before?: (visitor: Visitor, faults: Faults) => Promise<void>;
  /** Brings the page into its state, in whatever language it is. */
  open: (visitor: Visitor, faults: Faults) => Promise<void>;
}

const asMember = (visitor: Visitor) => visitor.signIn("ann@example.com");
const asAdmin = (visitor: Visitor) => visitor.claimAdmin("root@example.com");

/** Opens a page whose islands, if it has any, are alive. */
async function goTo({ page }: Visitor, path: string): Promise<void> {
  await page.goto(path);
  await expect(page.locator("h1")).toBeVisible();
  await expect(page.locator("leptos-island:not(:has([data-ready]))")).toHaveCount(0);
}

/** A limit that no cell has yet: saving the same one again would be no change. */
const newLimit = (() => {
  let last = 1000;
  return () => String((last += 1));
})();

/** Edits a cell and opens the review in the dialog. */
async function openReview(visitor: Visitor): Promise<void> {
  await visitor.openMatrix();
  await visitor.type("free", "photos", "8");
  await visitor.type("premium", "photos", "1k");
  await visitor.page.locator(".review .main").click();
  await expect(visitor.page.getByRole("dialog").locator(".changes li")).toHaveCount(2);
}

/** Goes by form to the review of a row. */
async function openReviewPage(page: Page, limit: string): Promise<void> {
  await page.goto("/admin/matrix?edit=photos");
  await page.locator("input[name='limit.free']").fill(limit);
  await page.locator("button[form='row']").click();
  await expect(page.locator(".changes li")).toHaveCount(1);
}

/** Saves a limit in another tab of the same browser. */
async function saveElsewhere(visitor: Visitor): Promise<void> {
  const page = await visitor.page.context().newPage();
  await openReviewPage(page, newLimit());
  await page.locator("main form .btn.main").click();
  await expect(page).toHaveURL(/saved=/);
  await page.close();
}

const POSITIONS = ["AAPL 10 1500 180", "VTI 4 1100 250", "BRK.B 2 700 410.5", "BTC-USD 0.125 4000 61000", "GOLD 1", "NESN 12 1200 88"];

/** Types positions over those that are there, `SYMBOL quantity cost price` each, and saves. */
async function savePositions(page: Page, positions: string[]): Promise<void> {
  await page.goto("/portfolio");
  const rows = page.locator(".entry tbody tr");
  for (let row = 0; row < positions.length; row += 1) {
    if (row === (await rows.count())) await page.locator("button[name='do'][value='more']").click();
    const values = (positions[row] ?? "").split(" ");
    for (const [at, name] of ["symbol", "quantity", "cost_basis", "price"].entries()) {
      await rows.nth(row).locator(`input[name='${name}']`).fill(values[at] ?? "");
    }
  }
  for (let row = positions.length; row < (await rows.count()); row += 1) {
    for (const input of await rows.nth(row).locator("input").all()) await input.fill("");
  }
  await page.locator("button[name='do'][value='save']").click();
}

/** A member on a tier with limits, of which something is used. */
async function asUser(visitor: Visitor): Promise<void> {
  await asAdmin(visitor);
  await visitor.program.run("consume", "root@example.com", "photos", "--amount", "5");
}

/** Opens what the list of members shows first. */
async function openMember({ page }: Visitor): Promise<void> {
  await page.goto("/admin/users");
  await page.locator(".rows tbody th a").first().click();
  await expect(page.locator("h1")).toContainText("@");
  await expect(page.locator("leptos-island:not(:has([data-ready]))")).toHaveCount(0);
}

/** Back to where the bar at the top belongs, for the picture. */
const toTop = (page: Page) => page.evaluate(() => window.scrollTo(0, 0));

/** Fills in a form of the page that is open. */
async function fillForm(page: Page, action: string, fields: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(fields)) {
    const field = page.locator(`form[action='${action}'] [name='${name}']`);
    if ((await field.evaluate((element) => element.tagName)) === "SELECT") await field.selectOption(value);
    else await field.fill(value);
  }
}

/** Makes an endpoint that nobody reaches, and tries it out. */
async function withWebhook({ program }: Visitor): Promise<void> {
  const made = await program.run("webhook", "add", "https://app.invalid/hooks", "--events", "user.created,access.changed");
  const [id = ""] = made.split("\t");
  await program.run("webhook", "test", id);
  await eventually("the test event has failed", async () =>
    (await program.run("webhook", "deliveries", id, "--state", "failed")) === "" ? undefined : true,
  );
}

/** Makes three rules that reward members by themselves. */
async function addRules({ program }: Visitor): Promise<void> {
  const rules = [
    ["First coupon", "--name-de", "Erster Gutschein", "--trigger", "coupons_redeemed", "--threshold", "1", "--badge", "1"],
    ["Five friends", "--name-de", "Fünf Freunde", "--trigger", "referrals_converted", "--threshold", "5", "--tier", "premium", "--days", "30"],
    ["A week in a row", "--name-de", "Eine Woche in Folge", "--trigger", "days_in_a_row", "--threshold", "7", "--badge", "7"],
  ];
  for (const rule of rules) await program.run("bonus", "add", ...rule);
}

const STRIPE_SECRET = "whsec_of_nobody";

/** Tells the program that somebody subscribed and paid, as Stripe would; of a stranger it cannot be applied. */
async function tellOf({ program }: Visitor, email: string): Promise<void> {
  await program.run("price", "set", "premium", "stripe", "price_premium");
  const created = Math.floor(Date.now() / 1000);
  const customer = `cus_${email.replaceAll(/\W/g, "")}`;
  const subscription = {
    id: `sub_${customer}`,
    customer,
    status: "active",
    start_date: created,
    metadata: {},
    items: { data: [{ price: { id: "price_premium" }, current_period_end: created + 30 * 86_400 }] },
  };
  const invoice = {
    id: `in_${customer}`,
    customer,
    customer_email: email,
    amount_paid: 999,
    currency: "eur",
    status_transitions: { paid_at: created },
    parent: { subscription_details: { subscription: subscription.id, metadata: {} } },
  };
  for (const [type, object] of [
    ["invoice.paid", invoice],
    ["customer.subscription.created", subscription],
  ] as const) {
    const body = JSON.stringify({ id: `evt_${object.id}`, object: "event", created, type, data: { object } });
    const signature = createHmac("sha256", STRIPE_SECRET).update(`${created}.${body}`).digest("hex");
    const headers = { "stripe-signature": `t=${created},v1=${signature}` };
    const answer = await fetch(`${program.url}/webhooks/stripe`, { method: "POST", headers, body });
    expect(answer.status, await answer.text()).toBe(200);
  }
}

/** A partner with a pass. */
async function withPartner({ program }: Visitor): Promise<void> {
  await program.run("partner", "add", "Wellpass Süd", "--contact", "Kim Weber", "--email", "kim@example.com", "--until", "2099-12-31T23:00:00Z");
  const pass = ["--type", "partner", "--tier", "premium", "--days", "31", "--code", "WELLPASS-2027", "--partner", "Wellpass Süd"];
  await program.run("coupon", "create", ...pass, "--description", "posters in the changing rooms");
}

/** A member with grants of every kind: one runs, the others wait for it. */
async function withGrants(visitor: Visitor): Promise<void> {
  await asMember(visitor);
  await withPartner(visitor);
  const { program } = visitor;
  await program.run("grant", "give", "ann@example.com", "--tier", "basic", "--days", "20");
  await program.run("coupon", "create", "--type", "period", "--tier", "premium", "--days", "30", "--code", "SUMMER-2027");
  for (const code of ["SUMMER-2027", "WELLPASS-2027"]) await program.run("coupon", "redeem", code, "--for", "ann@example.com");
  await program.run("grant-credit", "ann@example.com", "--days", "45");
}

/** Two people who are invited by the house, one of them to something. */
async function withInvitations({ program }: Visitor): Promise<void> {
  await program.run("invite", "add", "cem@example.com");
  const gift = ["--tier", "premium", "--days", "60", "--note", "See you at the fair in May."];
  await program.run("invite", "add", "ben@example.com", ...gift);
}

/** The page behind the link in the mail to who is invited to something. */
const invitationPath = async ({ program }: Visitor) =>
  new URL(await program.inMail("an invitation", "ben@example.com", /(https?:\/\/\S+\/invitation\/\S+)/)).pathname;

/** Opens what the list of batches shows first. */
async function openBatch({ page }: Visitor): Promise<void> {
  await page.goto("/admin/coupons/batches");
  await page.locator(".rows tbody th a").first().click();
  await expect(page.locator("h1")).toHaveText("Counter, Hauptstraße");
}

const STATES: State[] = [
  { name: "login", open: (visitor) => goTo(visitor, "/login") },
  { name: "login-invited", open: (visitor) => goTo(visitor, "/login?ref=K7MQ2XWA") },
  { name: "login-signed-out", open: (visitor) => goTo(visitor, "/login?said=signed-out") },
  {
    name: "login-error",
    async open({ page }, faults) {
      faults.expect(422, "/login");
      await page.goto("/login");
      await page.locator("#email").fill("ann@nowhere");
      await page.locator("main form .btn.main").click();
      await expect(page.locator("#email-error")).toBeVisible();
    },
  },
  {
    name: "verify",
    before: async (visitor) => void (await visitor.askForCode("ann@example.com")),
    open: (visitor) => goTo(visitor, "/verify"),
  },
  {
    name: "verify-error",
    async before(visitor, faults) {
      faults.expect(422, "/verify");
      await visitor.askForCode("ann@example.com");
    },
    async open(visitor) {
      await goTo(visitor, "/verify");
      await visitor.page.locator("#code").fill("12345");
      await visitor.page.locator("#code").press("Enter");
      await expect(visitor.page.locator("#code-error")).toBeVisible();
    },
  },
  { name: "settings", before: asMember, open: (visitor) => goTo(visitor, "/settings") },
  {
    name: "settings-with-credit",
    async before(visitor) {
      await asMember(visitor);
      await visitor.program.run("grant-credit", "ann@example.com", "--days", "45");
    },
    open: (visitor) => goTo(visitor, "/settings?said=session-revoked"),
  },
  { name: "settings-with-grants", before: withGrants, open: (visitor) => goTo(visitor, "/settings?said=redeemed") },
  {
    name: "settings-leaving",
    async before(visitor) {
      await asMember(visitor);
      await visitor.program.run("user", "delete", "ann@example.com");
    },
    open: (visitor) => goTo(visitor, "/settings"),
  },
  { name: "delete-account", before: asMember, open: (visitor) => goTo(visitor, "/settings/delete") },
  {
    name: "delete-account-error",
    before: asMember,
    async open({ page }, faults) {
      faults.expect(422, "/settings/delete");
      await page.goto("/settings/delete");
      await page.locator("form[action='/settings/delete'] button").click();
      await expect(page.locator("#sure-error")).toBeVisible();
    },
  },
  { name: "delete-account-last-admin", before: asAdmin, open: (visitor) => goTo(visitor, "/settings/delete") },
  {
    name: "user-delete",
    async before(visitor) {
      await asMember(visitor);
      await asAdmin(visitor);
    },
    async open({ page }, faults) {
      await page.goto("/admin/users?q=ann@example.com");
      await page.locator(".rows tbody th a").first().click();
      await page.locator("a[href$='/delete']").click();
      await expect(page).toHaveURL(/\/delete$/);
      faults.expect(422, new URL(page.url()).pathname);
      await page.locator("input[name='name']").fill("bob@example.com");
      await page.locator("main form button").click();
      await expect(page.locator("#name-error")).toBeVisible();
    },
  },
  { name: "redeem", before: asMember, open: (visitor) => goTo(visitor, "/redeem/summer-2027") },
  {
    name: "redeem-error",
    before: asMember,
    async open({ page }, faults) {
      faults.expect(422, "/redeem");
      await page.goto("/redeem/summer-2027");
      await page.locator("main form .btn.main").click();
      await expect(page.locator("#code-error")).toBeVisible();
    },
  },
  { name: "coupons-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/coupons") },
  {
    name: "coupons",
    async before(visitor) {
      await withGrants(visitor);
      await visitor.page.context().clearCookies();
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/coupons"),
  },
  {
    name: "coupons-error",
    before: asAdmin,
    async open({ page }, faults) {
      faults.expect(422, "/admin/coupons");
      await page.goto("/admin/coupons");
      await sendForm(page, "/admin/coupons", { days: "0", count: "0", code: "ä", most: "none" });
      await expect(page.locator(".err")).toHaveCount(4);
    },
  },
  {
    name: "coupons-made",
    async before(visitor) {
      await asAdmin(visitor);
      await visitor.page.goto("/admin/coupons");
      await sendForm(visitor.page, "/admin/coupons", { tier: "premium", days: "30", count: "120", description: "Counter, Hauptstraße" });
      await expect(visitor.page).toHaveURL(/said=made/);
    },
    open: openBatch,
  },
  {
    name: "coupons-sheet",
    async before(visitor) {
      await asAdmin(visitor);
      await visitor.program.run("coupon", "create", "--tier", "premium", "--days", "30", "--count", "8", "--description", "Counter, Hauptstraße");
    },
    async open(visitor) {
      await openBatch(visitor);
      await visitor.page.locator("a[href$='/sheet']").click();
      await expect(visitor.page.locator(".print-sheet li")).toHaveCount(8);
    },
  },
  {
    name: "coupons-batches",
    async before(visitor) {
      await asAdmin(visitor);
      for (const name of ["Fair", ""]) {
        await visitor.program.run("coupon", "create", "--tier", "basic", "--days", "7", "--count", "25", "--description", name);
      }
    },
    open: (visitor) => goTo(visitor, "/admin/coupons/batches"),
  },
  {
    name: "coupon",
    async before(visitor) {
      await withGrants(visitor);
      await visitor.page.context().clearCookies();
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/coupons/WELLPASS2027?said=saved"),
  },
  { name: "partners-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/partners") },
  {
    name: "partners",
    async before(visitor) {
      await withGrants(visitor);
      await visitor.page.context().clearCookies();
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/partners"),
  },
  {
    name: "partner",
    async before(visitor) {
      await withGrants(visitor);
      await visitor.page.context().clearCookies();
      await asAdmin(visitor);
    },
    async open({ page }) {
      await page.goto("/admin/partners");
      await page.locator(".rows tbody th a").first().click();
      await expect(page.locator("h1")).toHaveText("Wellpass Süd");
    },
  },
  {
    name: "partner-page",
    async before(visitor) {
      await withGrants(visitor);
      await visitor.page.context().clearCookies();
    },
    async open(visitor) {
      const address = (await visitor.program.run("partner", "link", "Wellpass Süd")).trim();
      await goTo(visitor, new URL(address).pathname);
    },
  },
  {
    name: "partner-statement",
    async before(visitor) {
      await withGrants(visitor);
      await visitor.page.context().clearCookies();
    },
    async open(visitor) {
      const address = (await visitor.program.run("partner", "link", "Wellpass Süd")).trim();
      await goTo(visitor, new URL(address).pathname);
      await visitor.page.locator("main a[href*='/statement/']").first().click();
      await expect(visitor.page.locator("tbody tr")).toHaveCount(1);
    },
  },
  { name: "settings-free", before: asAdmin, open: (visitor) => goTo(visitor, "/settings") },
  { name: "portfolio-empty", before: asMember, open: (visitor) => goTo(visitor, "/portfolio") },
  { name: "portfolio-free", before: asAdmin, open: (visitor) => goTo(visitor, "/portfolio") },
  {
    name: "portfolio",
    async before(visitor) {
      await asMember(visitor);
      await savePositions(visitor.page, POSITIONS);
      await visitor.page.locator("form[action='/portfolio/analyze'] .btn.main").click();
      await expect(visitor.page.locator(".commentary")).toBeVisible();
    },
    async open(visitor) {
      await goTo(visitor, "/portfolio?said=saved");
      await visitor.page.locator("#figures ~ details summary").click();
    },
  },
  {
    name: "portfolio-error",
    before: asMember,
    async open({ page }, faults) {
      faults.expect(422, "/portfolio");
      await savePositions(page, ["AAPL 10 1500 180", "A,B 1 x -3", "VTI many"]);
      await expect(page.locator(".wrong")).toHaveCount(2);
    },
  },
  {
    name: "portfolio-import",
    before: asMember,
    async open({ page }, faults) {
      faults.expect(422, "/portfolio/import");
      await page.goto("/portfolio");
      await page.locator("details.import summary").click();
      await page.locator("#pasted").fill("AAPL 10\nVTI\nthis is no position");
      await page.locator("button[formaction='/portfolio/import']").click();
      await expect(page.locator(".bad-lines li")).toHaveCount(2);
    },
  },
  {
    name: "portfolio-version",
    async before(visitor) {
      await asMember(visitor);
      await savePositions(visitor.page, POSITIONS);
      await savePositions(visitor.page, ["AAPL 1"]);
    },
    open: (visitor) => goTo(visitor, "/portfolio/versions/1"),
  },
  {
    name: "portfolio-conflict",
    async before(visitor) {
      await asMember(visitor);
      await savePositions(visitor.page, POSITIONS);
    },
    async open({ page }, faults) {
      faults.expect(409, "/portfolio");
      await page.goto("/portfolio");
      await page.locator("input[name='base']").first().evaluate((base: HTMLInputElement) => (base.value = "0"));
      await page.locator("input[name='quantity']").first().fill("11");
      await page.locator("button[name='do'][value='save']").click();
      await expect(page.locator("#theirs")).toBeVisible();
    },
  },
  { name: "settings-used-up", before: asUser, open: (visitor) => goTo(visitor, "/settings") },
  { name: "api-docs", open: (visitor) => goTo(visitor, "/api/docs#consume") },
  { name: "pricing", open: (visitor) => goTo(visitor, "/pricing?ref=K7MQ2XWA") },
  { name: "pricing-member", before: asAdmin, open: (visitor) => goTo(visitor, "/pricing?tier=basic") },
  { name: "billing-done", before: asMember, open: (visitor) => goTo(visitor, "/billing/done") },
  {
    name: "settings-subscribed",
    async before(visitor) {
      await asMember(visitor);
      await tellOf(visitor, "ann@example.com");
    },
    open: (visitor) => goTo(visitor, "/settings"),
  },
  { name: "payments-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/payments") },
  {
    name: "payments",
    async before(visitor) {
      await asMember(visitor);
      await tellOf(visitor, "ann@example.com");
      await tellOf(visitor, "nobody@example.com");
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/payments"),
  },
  {
    name: "payment-failed",
    async before(visitor) {
      await tellOf(visitor, "nobody@example.com");
      await asAdmin(visitor);
    },
    async open(visitor) {
      await goTo(visitor, "/admin/payments?state=failed");
      await visitor.page.locator("tbody a").first().click();
      await expect(visitor.page.locator("h1")).toBeVisible();
    },
  },
  {
    name: "payments-subscriptions",
    async before(visitor) {
      await asMember(visitor);
      await tellOf(visitor, "ann@example.com");
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/payments/subscriptions"),
  },
  { name: "payments-test", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/payments/test") },
  { name: "referrals-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/referrals") },
  {
    name: "referrals",
    async before(visitor) {
      await visitor.program.run("setting", "set", "referral_hold_days", "7");
      await asMember(visitor);
      const path = new URL(await visitor.page.locator("input[readonly][value*='?ref=']").inputValue()).search;
      await visitor.page.context().clearCookies();
      await visitor.signIn("ben@example.com", `/login${path}`);
      await tellOf(visitor, "ben@example.com");
      await visitor.page.context().clearCookies();
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/referrals"),
  },
  { name: "login-again", before: asAdmin, open: (visitor) => goTo(visitor, "/login?fresh=1&next=/admin/keys") },
  {
    name: "users",
    async before(visitor) {
      await asMember(visitor);
      await visitor.program.run("user", "disable", "ann@example.com");
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/users"),
  },
  { name: "users-nobody", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/users?q=nobody@example.com") },
  {
    name: "user",
    async before(visitor) {
      await asUser(visitor);
      await openMember(visitor);
      const restriction = { feature: "ai_calls", limit: "3", reason: "promised at the fair", until: "2099-12-31" };
      await sendForm(visitor.page, "/restrict", restriction);
      await sendForm(visitor.page, "/credit", { days: "10", note: "for the wait" });
    },
    async open(visitor) {
      await openMember(visitor);
      await visitor.page.locator(".why summary").nth(6).click();
      await toTop(visitor.page);
    },
  },
  {
    name: "user-error",
    before: asUser,
    async open(visitor, faults) {
      await openMember(visitor);
      const path = new URL(visitor.page.url()).pathname;
      faults.expect(422, `${path}/restrict`);
      await sendForm(visitor.page, "/restrict", { feature: "photos", limit: "lots", reason: " ", until: "2020-01-01" });
      await expect(visitor.page.locator(".err")).toHaveCount(3);
      await visitor.page.locator(".confirm summary").first().click();
      await toTop(visitor.page);
    },
  },
  { name: "bonus-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/bonus") },
  {
    name: "bonus",
    async before(visitor) {
      await addRules(visitor);
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/bonus?said=made"),
  },
  {
    name: "bonus-preview",
    async before(visitor) {
      await asMember(visitor);
      await asAdmin(visitor);
    },
    async open({ page }) {
      await page.goto("/admin/bonus");
      const rule = { name_en: "One of the first", threshold: "1", trigger: "days_as_member", reward: "badge", letter: "1" };
      await fillForm(page, "/admin/bonus", rule);
      await page.locator("button[value='preview']").click();
      await expect(page.locator("#preview")).toBeVisible();
      await toTop(page);
    },
  },
  {
    name: "bonus-error",
    before: asAdmin,
    async open({ page }, faults) {
      faults.expect(422, "/admin/bonus");
      await page.goto("/admin/bonus");
      await fillForm(page, "/admin/bonus", { threshold: "lots", reward: "badge", letter: "!" });
      await page.locator("button[value='save']").click();
      await expect(page.locator(".err")).toHaveCount(2);
      await toTop(page);
    },
  },
  {
    name: "bonus-rule",
    async before(visitor) {
      await asMember(visitor);
      await addRules(visitor);
      await asAdmin(visitor);
    },
    async open(visitor) {
      await goTo(visitor, "/admin/bonus");
      await visitor.page.locator("tbody th a").last().click();
      await expect(visitor.page.locator("#awards")).toBeVisible();
    },
  },
  {
    name: "settings-bonus",
    async before(visitor) {
      await asMember(visitor);
      await addRules(visitor);
      const code = await visitor.program.run("coupon", "create", "--tier", "basic", "--days", "1");
      await visitor.program.run("coupon", "redeem", code.trim(), "--for", "ann@example.com");
      await expect(async () => {
        await visitor.page.goto("/settings");
        await expect(visitor.page.locator(".earned li")).toHaveCount(1, { timeout: 1000 });
      }).toPass();
    },
    async open(visitor) {
      await goTo(visitor, "/settings");
      await visitor.page.locator("#bonus").scrollIntoViewIfNeeded();
    },
  },
  { name: "notifications-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/notifications") },
  {
    name: "notifications",
    async before(visitor) {
      await asMember(visitor);
      await asAdmin(visitor);
      await visitor.program.run("user", "promote", "ann@example.com");
    },
    open: (visitor) => goTo(visitor, "/admin/notifications?show=all"),
  },
  {
    name: "notification-settings",
    before: asAdmin,
    open: (visitor) => goTo(visitor, "/admin/notifications/settings?said=saved"),
  },
  { name: "webhooks-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/webhooks") },
  {
    name: "webhooks",
    async before(visitor) {
      await asAdmin(visitor);
      await withWebhook(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/webhooks"),
  },
  {
    name: "webhooks-error",
    before: asAdmin,
    async open({ page }, faults) {
      faults.expect(422, "/admin/webhooks");
      await page.goto("/admin/webhooks");
      for (const box of await page.locator("[name='event']").all()) await box.uncheck();
      await sendForm(page, "/admin/webhooks", { url: "nowhere" });
      await expect(page.locator(".err")).toHaveCount(1);
    },
  },
  {
    name: "webhook-made",
    before: asAdmin,
    async open({ page }) {
      await page.goto("/admin/webhooks");
      await sendForm(page, "/admin/webhooks", { url: "https://app.invalid/hooks", description: "Shop, Köln" });
      await expect(page.locator("[data-ready]")).toHaveCount(1);
    },
  },
  {
    name: "webhook",
    async before(visitor) {
      await asAdmin(visitor);
      await withWebhook(visitor);
    },
    async open(visitor) {
      await goTo(visitor, "/admin/webhooks");
      await visitor.page.locator("tbody th a").first().click();
      await visitor.page.locator(".confirm summary").first().click();
    },
  },
  {
    name: "webhook-delivery",
    async before(visitor) {
      await asAdmin(visitor);
      await withWebhook(visitor);
    },
    async open(visitor) {
      await goTo(visitor, "/admin/webhooks");
      await visitor.page.locator("tbody th a").first().click();
      await visitor.page.locator("tbody th a").first().click();
      await expect(visitor.page.locator("#error")).not.toBeEmpty();
    },
  },
  { name: "keys-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/keys") },
  {
    name: "keys",
    async before(visitor) {
      await asAdmin(visitor);
      for (const name of ["Web shop, Frankfurt", "Nightly import"]) {
        await visitor.page.goto("/admin/keys");
        await visitor.page.locator("#name").fill(name);
        await visitor.page.locator("[name='scope']").nth(name.length % 4).check();
        await visitor.page.locator("form[action='/admin/keys'] button").click();
      }
    },
    async open(visitor) {
      await goTo(visitor, "/admin/keys");
      await visitor.page.locator(".confirm summary").first().click();
    },
  },
  {
    name: "key-made",
    before: asAdmin,
    async open({ page }) {
      await page.goto("/admin/keys");
      await page.locator("#name").fill("Web shop");
      await page.locator("[name='scope']").first().check();
      await page.locator("form[action='/admin/keys'] button").click();
      await expect(page.locator("[data-ready]")).toHaveCount(1);
    },
  },
  { name: "features", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/features?said=saved") },
  { name: "feature", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/features/ai_calls") },
  {
    name: "feature-error",
    before: asAdmin,
    async open({ page }, faults) {
      faults.expect(422, "/admin/features");
      await page.goto("/admin/features/new-feature");
      await sendForm(page, "/admin/features", {
        id: "Photos",
        name_en: "Photos",
        name_de: "Fotos",
        category: "data",
        default_limit: "lots",
      });
      await expect(page.locator(".err")).toHaveCount(2);
    },
  },
  { name: "tiers", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/tiers") },
  { name: "tier", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/tiers/premium") },
  { name: "matrix", before: asAdmin, open: (visitor) => visitor.openMatrix() },
  {
    name: "matrix-editing",
    before: asAdmin,
    async open(visitor) {
      await visitor.openMatrix();
      await visitor.type("free", "weight_entries", "5k");
      await visitor.cell("free", "caliper_entries").focus();
      await visitor.page.keyboard.type("lots");
      await visitor.page.keyboard.press("Enter");
      await expect(visitor.page.getByRole("alert")).toBeVisible();
    },
  },
  { name: "matrix-review", before: asAdmin, open: openReview },
  {
    name: "matrix-conflict",
    before: asAdmin,
    async open(visitor, faults) {
      faults.expect(409, "/calls/commit_matrix");
      await openReview(visitor);
      await saveElsewhere(visitor);
      const dialog = visitor.page.getByRole("dialog");
      await dialog.locator(".btn.main").click();
      await expect(dialog.locator(".conflicts li")).toHaveCount(1);
    },
  },
  {
    name: "matrix-saved",
    before: asAdmin,
    async open({ page }) {
      await openReviewPage(page, newLimit());
      await page.locator("main form .btn.main").click();
      await expect(page).toHaveURL(/saved=/);
    },
  },
  { name: "matrix-edit-row", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/matrix?edit=photos") },
  { name: "matrix-review-page", before: asAdmin, open: (visitor) => openReviewPage(visitor.page, "8") },
  {
    name: "matrix-conflict-page",
    before: asAdmin,
    async open(visitor, faults) {
      faults.expect(409, "/admin/matrix/commit");
      await openReviewPage(visitor.page, "8");
      await saveElsewhere(visitor);
      await visitor.page.locator("main form .btn.main").click();
      await expect(visitor.page.locator(".conflicts li")).toHaveCount(1);
    },
  },
  { name: "mailbox", before: asMember, open: (visitor) => goTo(visitor, "/dev/mailbox") },
  { name: "mailbox-empty", open: (visitor) => goTo(visitor, "/dev/mailbox") },
  {
    name: "login-closed",
    before: ({ program }) => program.run("setting", "set", "self_registration_enabled", "false").then(() => undefined),
    open: (visitor) => goTo(visitor, "/login"),
  },
  { name: "settings-welcome", before: asMember, open: (visitor) => goTo(visitor, "/settings?said=welcome") },
  {
    name: "invite",
    async before(visitor) {
      await asMember(visitor);
      await visitor.page.goto("/settings/invitations");
      await sendForm(visitor.page, "/settings/invitations", { email: "ben@example.com" });
    },
    open: (visitor) => goTo(visitor, "/settings/invitations?said=sent"),
  },
  {
    name: "invitation",
    before: withInvitations,
    open: async (visitor) => goTo(visitor, await invitationPath(visitor)),
  },
  {
    name: "invitation-over",
    async before(visitor) {
      await withInvitations(visitor);
      await invitationPath(visitor);
      const [newest = ""] = (await visitor.program.run("invite", "list")).split("\t");
      await visitor.program.run("invite", "revoke", newest);
    },
    async open(visitor, faults) {
      const path = await invitationPath(visitor);
      faults.expect(410, path);
      await goTo(visitor, path);
    },
  },
  { name: "invitations-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/invitations") },
  {
    name: "invitations",
    async before(visitor) {
      await asAdmin(visitor);
      await withInvitations(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/invitations"),
  },
  { name: "app-settings", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/settings") },
  {
    name: "app-settings-error",
    before: asAdmin,
    async open(visitor, faults) {
      faults.expect(422, "/admin/settings");
      await visitor.page.goto("/admin/settings");
      await visitor.page.locator("[name='trial_duration_days']").fill("lots");
      await visitor.page.locator("form[action='/admin/settings'] .btn.main").first().click();
      await expect(visitor.page.locator(".err")).not.toHaveCount(0);
      await toTop(visitor.page);
    },
  },
  { name: "overview-empty", before: asAdmin, open: (visitor) => goTo(visitor, "/admin") },
  {
    name: "overview",
    async before(visitor) {
      await withGrants(visitor);
      await asUser(visitor);
      await visitor.program.run("job", "run", "count_days");
    },
    open: (visitor) => goTo(visitor, "/admin"),
  },
  {
    name: "activity",
    async before(visitor) {
      await withGrants(visitor);
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/activity"),
  },
  { name: "activity-nothing", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/activity?actor=nobody") },
  { name: "jobs", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/jobs") },
  {
    name: "mails",
    async before(visitor) {
      await withGrants(visitor);
      await asAdmin(visitor);
    },
    open: (visitor) => goTo(visitor, "/admin/mails"),
  },
  { name: "mails-nothing", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/mails?to=nobody@example.com") },
  {
    name: "mail",
    async before(visitor) {
      await asMember(visitor);
      await asAdmin(visitor);
    },
    async open(visitor) {
      await visitor.page.goto("/admin/mails");
      await visitor.page.locator(".rows tbody th a").first().click();
      await expect(visitor.page).toHaveURL(/\/admin\/mails\/[0-9a-f-]+$/);
    },
  },
  { name: "mail-templates", before: asAdmin, open: (visitor) => goTo(visitor, "/admin/mails/templates") },
  {
    name: "mail-template",
    before: asAdmin,
    async open(visitor) {
      await goTo(visitor, "/admin/mails/templates/welcome/en");
      await visitor.page.locator("iframe.preview").scrollIntoViewIfNeeded();
      await expect(visitor.page.frameLocator("iframe.preview").locator("body")).toContainText("Vouchsafe");
      await toTop(visitor.page);
    },
  },
  {
    name: "mail-template-error",
    before: asAdmin,
    async open(visitor, faults) {
      const path = "/admin/mails/templates/welcome/en";
      faults.expect(422, path);
      await visitor.page.goto(path);
      await visitor.page.locator("[name='text']").fill("Hello {{ nobody");
      await visitor.page.locator(`form[action='${path}'] .btn.main`).click();
      await expect(visitor.page.locator("#text-error")).toBeVisible();
      await toTop(visitor.page);
    },
  },
  {
    name: "unsubscribe",
    before: withGrants,
    async open(visitor) {
      const link = await visitor.program.inMail("a link", "ann@example.com", /(https?:\/\/\S+\/unsubscribe\/\S+)/);
      await goTo(visitor, new URL(link).pathname);
    },
  },
  {
    name: "claim",
    open: async (visitor) => goTo(visitor, await visitor.program.claimPath()),
  },
  {
    name: "claim-void",
    async open(visitor, faults) {
      faults.expect(410, "/admin/claim");
      await goTo(visitor, "/admin/claim?token=old");
    },
  },
  {
    name: "not-found",
    async open(visitor, faults) {
      faults.expect(404, "/nowhere");
      await goTo(visitor, "/nowhere");
    },
  },
];

// Colours that are on their way from light to dark are neither.
test.use({ settings: { VOUCHSAFE_STRIPE_WEBHOOK_SECRET: STRIPE_SECRET }, contextOptions: { reducedMotion: "reduce" }, trace: "off" });

for (const { name, before, open } of STATES) {
  test(`${name} is accessible and fits, in both languages`, { tag: "@alive" }, async ({ visitor, page, faults }) => {
    await before?.(visitor, faults);
    for (const lang of ["en", "de"] as const) {
      await page.goto("/login");
      await visitor.speak(lang);
      await open(visitor, faults);
      for (const scheme of SCHEMES) {
        await page.emulateMedia({ colorScheme: scheme });
        // Axe looks at structure and colours, which are the same in every language.
        if (lang === "en") await expectAccessible(page, `${name} ${scheme}`);
        if (!takesPictures) continue;
        // Words are as long in the dark: one picture of each width shows how the second language fits.
        for (const width of lang === "en" ? [1280, 360] : scheme === "light" ? [1280] : [360]) {
          await page.setViewportSize({ width, height: 800 });
          const path = `${PICTURES}/${name}-${width}-${scheme}-${lang}.png`;
          // A dialog lies over what is in sight, not over the whole page.
          const fullPage = (await page.getByRole("dialog").count()) === 0;
          await page.screenshot({ path, fullPage, animations: "disabled" });
        }
        await page.setViewportSize({ width: 1280, height: 800 });
      }
      await page.setViewportSize({ width: 320, height: 640 });
      const overflow = await page.evaluate(() => (document.scrollingElement?.scrollWidth ?? 0) - window.innerWidth);
      expect.soft(overflow, `pixels beyond a page of 320 in ${lang}`).toBeLessThanOrEqual(0);
      await page.setViewportSize({ width: 1280, height: 800 });
    }
  });
}
