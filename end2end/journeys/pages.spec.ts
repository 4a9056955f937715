// Looks at every page in every state: axe in light and dark, both languages, a narrow phone, and a picture of each
// in target/screenshots.

import { resolve } from "node:path";

import type { Page } from "@playwright/test";

import { expectAccessible } from "../support/axe.ts";
import type { Faults } from "../support/faults.ts";
import { expect, test } from "../support/test.ts";
import type { Visitor } from "../support/visitor.ts";

const PICTURES = resolve(import.meta.dirname, "../../target/screenshots");
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
  { name: "settings-free", before: asAdmin, open: (visitor) => goTo(visitor, "/settings") },
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
test.use({ settings: {}, contextOptions: { reducedMotion: "reduce" } });

for (const { name, before, open } of STATES) {
  test(`${name} is accessible and fits, in both languages`, { tag: "@alive" }, async ({ visitor, page, faults }) => {
    await before?.(visitor, faults);
    for (const lang of ["en", "de"] as const) {
      await page.goto("/login");
      await visitor.speak(lang);
      await open(visitor, faults);
      for (const scheme of SCHEMES) {
        await page.emulateMedia({ colorScheme: scheme });
        await expectAccessible(page, `${name} ${scheme} ${lang}`);
        for (const width of [1280, 360]) {
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
