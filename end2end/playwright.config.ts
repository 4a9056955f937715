import { defineConfig } from "@playwright/test";

import type { ProjectOptions } from "./support/test.ts";

export default defineConfig<ProjectOptions>({
  testDir: "journeys",
  outputDir: "test-results",
  fullyParallel: true,
  forbidOnly: true,
  workers: 2,
  retries: 0,
  timeout: 30_000,
  expect: { timeout: 8_000 },
  reporter: [["list"]],
  use: {
    locale: "en-GB",
    timezoneId: "UTC",
    viewport: { width: 1280, height: 800 },
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    actionTimeout: 8_000,
    navigationTimeout: 12_000,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  // A journey without a tag runs in all four. @alive needs the islands, @plain is how it goes without them, and
  // @late is about the moment in which they come alive.
  projects: [
    {
      name: "js",
      use: { islands: "alive", permissions: ["clipboard-read", "clipboard-write"] },
      grepInvert: /@plain|@late/,
    },
    { name: "nojs", use: { islands: "off", javaScriptEnabled: false }, grepInvert: /@alive|@late/ },
    { name: "nowasm", use: { islands: "blocked" }, grepInvert: /@alive|@late/ },
    { name: "slow", use: { islands: "late" }, grepInvert: /@alive/ },
    // With what others made: OpenFeature's SDKs, nginx.
    { name: "integrations", testDir: "integrations", use: { islands: "alive" } },
  ],
});
