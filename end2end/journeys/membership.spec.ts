// What a member was given, and how they come, stay informed and leave.

import { readFile } from "node:fs/promises";

import { expect, test } from "../support/test.ts";

/** The path in an address of the program. */
const path = (address: string) => new URL(address).pathname;

test("a link to a coupon survives the sign-in, and the settings say what it gave", async ({
  visitor: ann,
  program,
  address,
  faults,
}) => {
  const words = ["--type", "period", "--tier", "selfhosted", "--days", "30"];
  const code = (await program.run("coupon", "create", ...words)).trim();
  await ann.page.goto(`/redeem/${code.toLowerCase()}`);
  await expect(ann.page).toHaveURL(/\/login\?next=/);
  const email = address("ann");
  await ann.enterCode(await ann.sendAddress(email));
  await expect(ann.page).toHaveURL(new RegExp(`/redeem/${code}`, "i"));
  await expect(ann.page.getByLabel("Code")).toHaveValue(code);
  await ann.page.getByRole("button", { name: "Redeem" }).click();
  await expect(ann.page).toHaveURL(/\/settings\?said=redeemed&grant=/);
  await expect(ann.page.locator("main")).toContainText("free · grant · 30 day(s) remaining");
  await program.inMail("word of the coupon", email, new RegExp(`(${code})`));

  // Once each.
  faults.expect(422, "/redeem");
  await ann.page.goto(`/redeem/${code}`);
  await ann.page.getByRole("button", { name: "Redeem" }).click();
  await expect(ann.page.locator(".err")).toBeVisible();
});

test("a code is redeemed in the settings, beside what the member has", async ({ visitor: ann, program, address, faults }) => {
  await program.run("coupon", "create", "--tier", "selfhosted", "--days", "30", "--code", "HERE-AND-NOW");
  await ann.signIn(address("ann"));
  await ann.page.goto("/settings");
  const access = ann.page.locator("section:has(#access)");
  faults.expect(422, "/redeem");
  await access.locator("#code").fill("nothing like it");
  await access.getByRole("button", { name: "Redeem" }).click();
  await expect(ann.page.locator("#code-error")).toBeVisible();
  await ann.page.goto("/settings");
  await access.locator("#code").fill("here and now");
  await access.getByRole("button", { name: "Redeem" }).click();
  await expect(ann.page).toHaveURL(/\/settings\?said=redeemed&grant=/);
  await expect(access).toContainText("free · grant · 30 day(s) remaining");
});

test.describe("where sign-up is closed", () => {
  test.use({ settings: {} });

  test("who was invited comes in by the link in the mail, and nobody else", async ({
    visitor: ann,
    another,
    program,
    address,
    faults,
  }) => {
    await ann.signIn(address("ann"));
    await program.run("setting", "set", "self_registration_enabled", "false");

    const stranger = await another();
    const nobody = address("nobody");
    await stranger.page.goto("/login");
    await stranger.page.locator("#email").fill(nobody);
    await stranger.page.locator("form[action='/login'] .btn.main").click();
    await program.inMail("the reason", nobody, /(no .*account|invit)/i);

    const friend = address("ben");
    await ann.page.goto("/settings/invitations");
    await ann.page.locator("#email").fill(friend);
    await ann.page.getByRole("button", { name: "Invite" }).click();
    await expect(ann.page.locator(".sessions")).toContainText(friend);
    const link = await program.inMail("an invitation", friend, /(https?:\/\/\S+\/invitation\/\S+)/);

    const ben = await another();
    await ben.page.goto(path(link));
    await expect(ben.page.locator("main")).toContainText(friend);
    const known = (await program.mailsTo(friend)).length;
    await ben.page.locator("main .btn.main").click();
    await expect(ben.page).toHaveURL("/verify");
    await ben.enterCode(await program.codeFor(friend, known));
    await expect(ben.page).toHaveURL(/\/settings/);
    await ann.page.goto("/settings/invitations");
    await expect(ann.page.locator(".sessions")).toHaveCount(0);

    // The link is used up.
    const late = await another();
    faults.expect(410, path(link));
    await late.page.goto(path(link));
    await expect(late.page.locator("h1")).toBeVisible();
    await expect(late.page.locator("form[action^='/invitation/']")).toHaveCount(0);
  });
});

test("a member does without a kind of mails by the link in one of them", async ({ visitor: ann, program, address }) => {
  const email = address("ann");
  await ann.signIn(email);
  await program.run("coupon", "create", "--tier", "basic", "--days", "3", "--code", "QUIETPLEASE");
  await program.run("coupon", "redeem", "QUIETPLEASE", "--for", email);
  const link = await program.inMail("a link to unsubscribe", email, /(https?:\/\/\S+\/unsubscribe\/\S+)/);
  // Whoever has the link, signed in or not.
  await ann.page.context().clearCookies();
  await ann.page.goto(path(link));
  await ann.page.locator("main .btn.main").click();
  await expect(ann.page.locator("button[name='wanted'][value='yes']")).toBeVisible();
  await ann.signIn(email);
  await expect(ann.page.locator("input[name='access']")).not.toBeChecked();
});

test("a member takes their data along, asks to be deleted, and stays after all", async ({
  visitor: ann,
  program,
  address,
}) => {
  const email = address("ann");
  await ann.signIn(email);
  const download = ann.page.waitForEvent("download");
  await ann.page.locator("a[href='/settings/export']").click();
  const file = await (await download).path();
  expect(JSON.stringify(JSON.parse(await readFile(file, "utf8")))).toContain(email);

  await ann.page.goto("/settings/delete");
  await ann.page.locator("input[name='sure']").check();
  await ann.page.locator("form[action='/settings/delete'] .btn").click();
  await expect(ann.page).toHaveURL("/settings");
  await expect(ann.page.locator("form[action='/settings/keep']")).toBeVisible();
  await program.inMail("word of the deletion", email, /(delet)/i);
  await ann.page.locator("form[action='/settings/keep'] .btn").click();
  await expect(ann.page).toHaveURL("/settings?said=kept");
  await expect(ann.page.locator("form[action='/settings/keep']")).toHaveCount(0);
});
