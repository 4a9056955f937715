import { expect, test } from "../support/test.ts";

test("a browser can be signed out from another one, and by itself", async ({ visitor: here, another, address }) => {
  const ann = address("ann");
  const there = await another();
  await there.signIn(ann);
  await here.signIn(ann);

  const browsers = here.page.getByRole("region", { name: "Signed-in browsers" });
  await expect(browsers.getByRole("listitem")).toHaveCount(2);
  const other = browsers.getByRole("listitem").filter({ hasNotText: "this browser" });
  await expect(other).toContainText("Chrome, Linux");
  await other.getByRole("button", { name: "Sign out" }).click();
  await expect(here.page.getByRole("status")).toHaveText("That browser is signed out.");
  await expect(browsers.getByRole("listitem")).toHaveCount(1);

  await there.page.goto("/settings");
  await expect(there.page).toHaveURL("/login?next=%2Fsettings");
  await browsers.getByRole("listitem").getByRole("button", { name: "Sign out" }).click();
  await expect(here.page.getByRole("status")).toHaveText("You are signed out.");
});

test("signing out everywhere signs out everywhere", async ({ visitor: here, another, address }) => {
  const ann = address("ann");
  const there = await another();
  await there.signIn(ann);
  await here.signIn(ann);
  await here.page.getByRole("button", { name: "Sign out everywhere" }).click();
  await expect(here.page.getByRole("status")).toHaveText("You are signed out everywhere.");
  for (const { page } of [here, there]) {
    await page.goto("/settings");
    await expect(page).toHaveURL("/login?next=%2Fsettings");
  }
});

test("German stays German, here and after signing in elsewhere", async ({ visitor, page, another, address }) => {
  const ann = address("ann");
  await visitor.signIn(ann);
  await page.getByRole("combobox").selectOption({ label: "Deutsch" });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByRole("status")).toHaveText("Die Sprache ist gespeichert.");
  await page.goto("/settings");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Einstellungen");
  await expect(page.getByText(/^free · Testzeit · noch 14 Tag\(e\)/)).toBeVisible();

  const elsewhere = await another();
  await elsewhere.page.goto("/login");
  await expect(elsewhere.page.locator("html")).toHaveAttribute("lang", "en");
  await elsewhere.signIn(ann);
  await expect(elsewhere.page.locator("html")).toHaveAttribute("lang", "de");
});

test("a German browser is answered in German, and its reader may prefer English", async ({ another, address }) => {
  const anna = await another({ locale: "de-DE" });
  await anna.page.goto("/login");
  await expect(anna.page.getByRole("heading", { level: 1 })).toHaveText("Anmelden");
  await anna.speak("en");
  await expect(anna.page.getByRole("heading", { level: 1 })).toHaveText("Sign in");
  await anna.signIn(address("anna"));
  await expect(anna.page.getByRole("heading", { level: 1 })).toHaveText("Settings");
});

test("the language can be changed on the answer to a form as well", async ({ visitor, page, faults, address }) => {
  faults.expect(429, "/verify/resend");
  await visitor.askForCode(address("ann"));
  // Where the page is alive the button waits for the minute to pass.
  await page.locator("form[action='/verify/resend']").evaluate((form: HTMLFormElement) => form.submit());
  await expect(page).toHaveURL("/verify/resend");
  await visitor.speak("de");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sehen Sie in Ihre E-Mails");
});
