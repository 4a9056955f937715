// What membership needs of admins, by plain forms from beginning to end: nothing here waits for a script.

import type { Page } from "@playwright/test";

import { sendForm } from "../support/forms.ts";
import { expect, test } from "../support/test.ts";

test.use({ settings: {} });

const path = (page: Page) => new URL(page.url()).pathname;

/** Follows a link of the list that is open. */
async function openRow(page: Page, name: string): Promise<void> {
  await page.locator("main .rows th a", { hasText: name }).click();
}

test("coupons are made, changed, switched off and made by the hundred", async ({ visitor: root }) => {
  const { page } = root;
  await root.claimAdmin("root@example.com");
  await page.goto("/admin/coupons");
  await sendForm(page, "/admin/coupons", { tier: "premium", days: "30", kind: "period", code: "SUMMER-2027", most: "5" });
  await expect(page).toHaveURL(/\/admin\/coupons\/SUMMER-?2027\?said=made/);
  await page.locator("[name='description']").fill("Summer fair");
  await page.locator("[name='active']").uncheck();
  await sendForm(page, path(page));
  await expect(page).toHaveURL(/said=saved/);
  await expect(page.locator("[name='active']")).not.toBeChecked();
  await expect(page.locator("[name='description']")).toHaveValue("Summer fair");
  await sendForm(page, "/archive");
  await expect(page).toHaveURL("/admin/coupons?said=archived");

  await sendForm(page, "/admin/coupons", { tier: "basic", days: "10", count: "100", description: "Letterbox" });
  await expect(page).toHaveURL(/\/admin\/coupons\/batches\/.*said=made/);
  const file = await page.request.get(`${path(page)}/coupons.csv`);
  expect((await file.text()).trim().split(/\r?\n/)).toHaveLength(101);
});

test("a member is given time, and it is taken back", async ({ visitor: root, another }) => {
  const { page } = root;
  const ann = await another();
  await ann.signIn("ann@example.com");
  await root.claimAdmin("root@example.com");
  await page.goto("/admin/users?q=ann@example.com");
  await openRow(page, "ann@example.com");
  await sendForm(page, "/grants", { grant_tier: "premium", grant_days: "30", grant_reason: "Sorry" });
  await expect(page.locator("form[action$='/grants/revoke']")).toHaveCount(1);
  await ann.page.goto("/settings");
  await expect(ann.page.locator("main")).toContainText("grant · 30 day(s) remaining");
  await sendForm(page, "/grants/revoke");
  await expect(page.locator("form[action$='/grants/revoke']")).toHaveCount(0);
  await ann.page.goto("/settings");
  await expect(ann.page.locator("main")).not.toContainText("grant · 30 day(s)");
});

test("somebody is invited, not written to again at once, and not any more", async ({ visitor: root, program, faults }) => {
  const { page } = root;
  await root.claimAdmin("root@example.com");
  await page.goto("/admin/invitations");
  await sendForm(page, "/admin/invitations", { emails: "ben@example.com", tier: "premium", days: "30", note: "Hello" });
  await expect(page).toHaveURL(/said=sent/);
  const link = await program.inMail("an invitation", "ben@example.com", /(https?:\/\/\S+\/invitation\/\S+)/);
  const action = await page.locator("form[action$='/resend']").getAttribute("action");
  faults.expect(429, action ?? "");
  await sendForm(page, "/resend");
  await expect(page.getByRole("alert")).toBeVisible();
  await sendForm(page, "/revoke");
  await expect(page).toHaveURL(/said=revoked/);
  expect((await page.request.get(new URL(link).pathname)).status()).toBe(410);
});

test("a bonus rule is written, and a partner gets a page of their own", async ({ visitor: root, another }) => {
  const { page } = root;
  await root.claimAdmin("root@example.com");
  await page.goto("/admin/bonus");
  await sendForm(page, "/admin/bonus", {
    name_en: "Saver",
    name_de: "Sparer",
    trigger: "coupons_redeemed",
    threshold: "3",
    reward: "days",
    tier: "premium",
    days: "14",
  });
  await expect(page).toHaveURL("/admin/bonus?said=made");
  await expect(page.locator(".rows")).toContainText("Saver");

  await page.goto("/admin/partners");
  await sendForm(page, "/admin/partners", { name: "Gym Nord", contact: "Kim", email: "gym@example.com" });
  await expect(page).toHaveURL(/said=added/);
  const partner = page.url();
  await sendForm(page, "/link");
  const link = await page.locator(".token input").inputValue();
  const kim = await another();
  await kim.page.goto(new URL(link).pathname);
  await expect(kim.page.locator("main")).toContainText("Gym Nord");
  await expect(kim.page.locator("main form")).toHaveCount(0);
  await page.goto(partner);
  await sendForm(page, "/link/end");
  await expect(page).toHaveURL(/said=link-ended/);
  expect((await kim.page.request.get(new URL(link).pathname)).status()).toBe(404);
});

test("an endpoint is made, and its secret changed", async ({ visitor: root }) => {
  const { page } = root;
  await root.claimAdmin("root@example.com");
  await page.goto("/admin/webhooks");
  await page.locator("form[action='/admin/webhooks'] [name='event'][value='user.created']").check();
  await sendForm(page, "/admin/webhooks", { url: "https://app.invalid/hooks", description: "Shop" });
  const first = await page.locator(".token input").inputValue();
  expect(first).toMatch(/^whsec_/);
  await page.goto("/admin/webhooks");
  await openRow(page, "app.invalid");
  await sendForm(page, "/rotate");
  const next = await page.locator(".token input").inputValue();
  expect(next).toMatch(/^whsec_/);
  expect(next).not.toBe(first);
});

test("a letter is worded anew, and as built in again", async ({ visitor: root, another, program }) => {
  const { page } = root;
  await root.claimAdmin("root@example.com");
  await page.goto("/admin/mails/templates/welcome/en");
  await sendForm(page, "/welcome/en", { subject: "Good to see you at {{ product }}" });
  await expect(page).toHaveURL(/said=saved/);
  const ann = await another();
  await ann.signIn("ann@example.com");
  await expect
    .poll(async () => (await program.mailsTo("ann@example.com")).map((mail) => mail.subject))
    .toContain("Good to see you at Vouchsafe");
  await sendForm(page, "/reset");
  await expect(page).toHaveURL(/said=reset/);
  await expect(page.locator("#subject")).not.toHaveValue(/Good to see you/);
});

test("what admins are told, how long things are kept, and a job by hand", async ({ visitor: root }) => {
  const { page } = root;
  await root.claimAdmin("root@example.com");
  await page.goto("/admin/notifications/settings");
  const way = page.locator("[name='way'][value='job_given_up.digest']");
  const before = await way.isChecked();
  await way.setChecked(!before);
  await sendForm(page, "/admin/notifications/settings");
  await expect(page).toHaveURL(/said=saved/);
  expect(await way.isChecked()).toBe(!before);

  await page.goto("/admin/settings");
  await sendForm(page, "/admin/settings", { activity_retention_days: "90" });
  await expect(page).toHaveURL("/admin/settings?said=saved");
  await expect(page.locator("[name='activity_retention_days']")).toHaveValue("90");

  await page.goto("/admin/jobs");
  const run = page.locator("form[action^='/admin/jobs/'][action$='/run']").first();
  await run.locator("button").click();
  await expect(page).toHaveURL(/\/admin\/jobs\?said=(ordered|running)/);
});
