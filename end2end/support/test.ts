// What every journey starts from: a running program, a visitor with a browser, and a watch on the browser's faults.

import { setTimeout as pause } from "node:timers/promises";

import { type BrowserContext, type BrowserContextOptions, test as base, expect } from "@playwright/test";

import { Faults } from "./faults.ts";
import { Program } from "./program.ts";
import { Visitor } from "./visitor.ts";

/** What becomes of the wasm file, and with it of the islands. */
export type Islands = "alive" | "off" | "blocked" | "late";

/** How long the wasm file takes where it is late, in milliseconds. */
const DELAY = 3_000;

export interface ProjectOptions {
  islands: Islands;
  /** With settings, each test has a program of its own, on an empty database; otherwise they share one. */
  settings: Record<string, string> | null;
}

interface Fixtures extends ProjectOptions {
  program: Program;
  faults: Faults;
  /** Somebody with a browser. */
  visitor: Visitor;
  /** Opens the browser of somebody else. */
  another: (options?: BrowserContextOptions) => Promise<Visitor>;
  /** Makes an address that nobody else has. */
  address: (name: string) => string;
}

interface WorkerFixtures {
  sharedProgram: Program;
}

let counted = 0;

export const test = base.extend<Fixtures, WorkerFixtures>({
  islands: ["alive", { option: true }],
  settings: [null, { option: true }],

  sharedProgram: [
    async ({}, use) => {
      const program = await Program.start();
      await use(program);
      await program.stop();
    },
    { scope: "worker" },
  ],

  program: async ({ settings, sharedProgram }, use) => {
    if (settings === null) return use(sharedProgram);
    const program = await Program.start(settings);
    await use(program);
    await program.stop();
  },

  baseURL: async ({ program }, use) => use(program.url),

  // One network for each test: the allowance of codes is counted by network.
  extraHTTPHeaders: async ({}, use) => {
    counted += 1;
    await use({ "x-forwarded-for": `10.0.${counted >> 8}.${counted & 255}` });
  },

  faults: [
    async ({ islands }, use) => {
      const faults = new Faults(islands);
      await use(faults);
      expect(faults.found, "what the browser complains about").toEqual([]);
    },
    { auto: true },
  ],

  context: async ({ context, islands, faults }, use) => {
    await prepare(context, islands, faults);
    await use(context);
  },

  visitor: async ({ page, program, islands }, use) => use(new Visitor(page, program, islands)),

  another: async ({ browser, program, islands, faults }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (options) => {
      const context = await browser.newContext(options);
      contexts.push(context);
      await prepare(context, islands, faults);
      return new Visitor(await context.newPage(), program, islands);
    });
    await Promise.all(contexts.map((context) => context.close()));
  },

  address: async ({}, use) => {
    await use((name) => {
      counted += 1;
      return `${name}-${counted}@example.com`;
    });
  },
});

async function prepare(context: BrowserContext, islands: Islands, faults: Faults): Promise<void> {
  faults.watch(context);
  if (islands === "blocked") {
    await context.route("**/*.wasm", (route) => route.abort());
  }
  if (islands === "late") {
    await context.route("**/*.wasm", async (route) => {
      await pause(DELAY);
      // The page may be gone by then.
      await route.continue().catch(() => undefined);
    });
  }
}

export { expect };
