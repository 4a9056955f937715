// Somebody with a browser, and what they do on more than one page. Nothing here depends on the language of the page.

import { type Locator, type Page, expect } from "@playwright/test";

import type { Program } from "./program.ts";
import type { Islands } from "./test.ts";

/** Where a sign-in ends; a new member is greeted there. */
export const SETTINGS = /\/settings(\?said=welcome)?$/;

export class Visitor {
  readonly page: Page;
  readonly program: Program;
  readonly islands: Islands;

  constructor(page: Page, program: Program, islands: Islands) {
    this.page = page;
    this.program = program;
    this.islands = islands;
  }

  /** Asks for a code on /login and returns it from the mail. Ends on /verify. */
  async askForCode(address: string, path = "/login"): Promise<string> {
    await this.page.goto(path);
    return this.sendAddress(address);
  }

  /** The same from the page that is open already. */
  async sendAddress(address: string): Promise<string> {
    const known = (await this.program.mailsTo(address)).length;
    await this.page.locator("#email").fill(address);
    await this.page.locator("form[action='/login'] .btn.main").click();
    await expect(this.page).toHaveURL("/verify");
    return this.program.codeFor(address, known);
  }

  /** Types a code on /verify. Where the field is alive it sends itself, elsewhere the button does. */
  async enterCode(code: string): Promise<void> {
    const field = this.page.locator("#code");
    if (this.islands === "alive") {
      await expect(field).toHaveAttribute("data-ready", "true");
      await field.fill(code);
    } else {
      await field.fill(code);
      await this.page.locator("form[action='/verify'] .btn.main").click();
    }
  }

  /** Signs in and ends on /settings. */
  async signIn(address: string, path = "/login"): Promise<void> {
    await this.enterCode(await this.askForCode(address, path));
    await expect(this.page).toHaveURL(SETTINGS);
  }

  /** Becomes the first admin by the link that the program prints. Ends on the matrix. */
  async claimAdmin(address: string): Promise<void> {
    await this.page.goto(await this.program.claimPath());
    await this.page.locator("#email").fill(address);
    await this.page.locator("form[action='/admin/claim'] .btn.main").click();
    await expect(this.page).toHaveURL("/admin/matrix");
  }

  /** Becomes an admin by the hand of the operator. Ends on the matrix. */
  async becomeAdmin(address: string): Promise<void> {
    await this.signIn(address);
    await this.program.run("user", "promote", address);
    await this.page.goto("/admin/matrix");
    await this.enterCode(await this.sendAddress(address));
    await expect(this.page).toHaveURL("/admin/matrix");
  }

  /** Opens the matrix and waits until it takes keys. */
  async openMatrix(): Promise<void> {
    await this.page.goto("/admin/matrix");
    await expect(this.page.locator(".matrix-editor")).toHaveAttribute("data-ready", "true");
  }

  /** One cell of the matrix. */
  cell(tier: string, feature: string): Locator {
    return this.page.locator(`td[data-tier='${tier}'][data-feature='${feature}']`);
  }

  /** Types into a cell that is alive, and leaves it with Enter. */
  async type(tier: string, feature: string, text: string): Promise<void> {
    await this.cell(tier, feature).focus();
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Enter");
  }

  /** Changes the language by the link at the foot of every page. */
  async speak(lang: "en" | "de"): Promise<void> {
    await this.page.locator(`footer button[name='lang'][value='${lang}']`).click();
    await expect(this.page.locator("html")).toHaveAttribute("lang", lang);
  }
}
