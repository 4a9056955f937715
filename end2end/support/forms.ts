// Forms, filled in by the names of their fields: the same in every language.

import type { Page } from "@playwright/test";

/** Fills in a form of the page that is open, and sends it. What opens at a press is opened first. */
export async function sendForm(page: Page, action: string, fields: Record<string, string> = {}): Promise<void> {
  const form = page.locator(`form[method='post'][action$='${action}']`);
  for (const closed of await page.locator("details:not([open])", { has: form }).all()) {
    await closed.locator("> summary").click();
  }
  for (const [name, value] of Object.entries(fields)) {
    const field = form.locator(`[name='${name}']`);
    if ((await field.evaluate((element) => element.tagName)) === "SELECT") await field.selectOption(value);
    else await field.fill(value);
  }
  await form.locator("button").first().click();
}
