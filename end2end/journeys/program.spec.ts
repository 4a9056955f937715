// What the program promises about itself: that it is one file, how little it sends, and that what it sends is what
// the islands find.

import { readdir } from "node:fs/promises";

import type { Page, Response } from "@playwright/test";

import { expect, test } from "../support/test.ts";

/** The most that the wasm file may weigh, compressed. */
const WASM_BYTES = 90_000;

test("the program runs alone in an empty directory, and leaves only its database there", { tag: "@alive" }, async ({
  page,
  program,
}) => {
  await page.goto("/login");
  // The styles came out of the program: without them there is no sheet.
  await expect(page.locator(".sheet")).not.toHaveCSS("border-radius", "0px");
  const files = await readdir(program.directory);
  expect(files.filter((file) => !/^(vouchsafe\.db(-wal|-shm)?|secret)$/.test(file))).toEqual([]);
});

test("the wasm file is small and kept for ever", { tag: "@alive" }, async ({ visitor, page, address }) => {
  const loading = page.waitForResponse((response) => response.url().endsWith(".wasm"));
  await visitor.signIn(address("ann"));
  const headers = (await loading).headers();
  expect(headers["content-encoding"]).toBe("br");
  expect(headers["cache-control"]).toContain("immutable");
  expect(Number(headers["content-length"])).toBeLessThanOrEqual(WASM_BYTES);
});

test("the page for signing in has no script at all", { tag: "@alive" }, async ({ page }) => {
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await page.goto("/login", { waitUntil: "networkidle" });
  expect(loaded.filter((path) => /\.(js|wasm)$/.test(path))).toEqual([]);
  await expect(page.locator("script, link[rel='modulepreload']")).toHaveCount(0);
});

/** Where the page in the browser differs from how the server wrote it, apart from what islands are there to change. */
async function differences(page: Page, response: Response | null): Promise<string[]> {
  return page.evaluate((html) => {
    const lines = (root: Element) => {
      for (const element of root.querySelectorAll("time, [data-ready]:is(button)")) element.textContent = "…";
      for (const element of root.querySelectorAll("*")) {
        element.removeAttribute("data-ready");
        element.removeAttribute("disabled");
      }
      // Comments mark where text begins; neighbouring texts are one.
      return root.innerHTML.replace(/<!--.*?-->/gs, "").replace(/></g, ">\n<").split("\n");
    };
    const written = new DOMParser().parseFromString(html, "text/html").querySelector("main");
    const shown = document.querySelector("main")?.cloneNode(true);
    if (!(written && shown instanceof Element)) return ["there is no <main>"];
    for (const button of written.querySelectorAll("leptos-island > button")) button.setAttribute("data-ready", "");
    const [before, after] = [lines(written), lines(shown)];
    return before.flatMap((line, at) => (line === after[at] ? [] : [`- ${line}`, `+ ${after[at]}`])).slice(0, 10);
  }, (await response?.text()) ?? "");
}

test("islands find the page as the server wrote it", { tag: "@alive" }, async ({ visitor, page, address }) => {
  const root = address("root");
  await visitor.becomeAdmin(root);
  for (const path of ["/settings", "/admin/matrix", "/admin/matrix?edit=photos"]) {
    const response = await page.goto(path);
    await expect(page.locator("leptos-island").last().locator("[data-ready]")).not.toHaveCount(0);
    expect(await differences(page, response), path).toEqual([]);
  }
});
