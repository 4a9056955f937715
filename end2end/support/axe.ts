import AxeBuilder from "@axe-core/playwright";
import { type Page, expect } from "@playwright/test";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Fails if axe finds anything on the page against WCAG 2.2 A or AA. */
export async function expectAccessible(page: Page, state: string): Promise<void> {
  // Legacy mode is the quicker one, and our pages have no frames for which the other is made.
  const { violations } = await new AxeBuilder({ page }).withTags(RULES).setLegacyMode().analyze();
  const findings = violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${node.html}\n  ${node.failureSummary ?? ""}`),
  );
  expect.soft(findings, `findings of axe: ${state}`).toEqual([]);
}
