// The flags of docs/openfeature.md, asked with OpenFeature's own SDKs: on a server, and in a browser from another site.

import { OFREPProvider } from "@openfeature/ofrep-provider";
import { type Client, type EvaluationContext, OpenFeature } from "@openfeature/server-sdk";
import type { Page } from "@playwright/test";

import { eventually } from "../support/eventually.ts";
import { Program } from "../support/program.ts";
import { type Site, startPage } from "../support/sites.ts";
import { expect, test } from "../support/test.ts";

const ADMIN_TOKEN = "only-for-this-test";
/** What stands for no limit. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

const people = test.extend<{ product: Site; program: Program }>({
  // A page of another site may send only what it is allowed to, and no browser sends a proxy's header.
  extraHTTPHeaders: async ({}, use) => use({}),
  product: async ({}, use) => {
    const provider = "@openfeature/ofrep-web-provider";
    const product = await startPage(
      {
        "@openfeature/web-sdk": "@openfeature/web-sdk/dist/esm/index.js",
        "@openfeature/core": "@openfeature/core/dist/esm/index.js",
        [provider]: `${provider}/index.esm.js`,
      },
      { [`${provider}/`]: { "@openfeature/ofrep-core": `${provider}/node_modules/@openfeature/ofrep-core/index.esm.js` } },
    );
    await use(product);
    await product.stop();
  },
  program: async ({ product }, use) => {
    const program = await Program.start({ VOUCHSAFE_ADMIN_TOKEN: ADMIN_TOKEN, VOUCHSAFE_OFREP_ORIGINS: product.url });
    await use(program);
    await program.stop();
  },
});

/** Asks the API as the operator. */
async function api(program: Program, method: string, path: string, body?: unknown): Promise<any> {
  const answer = await fetch(`${program.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true);
  return answer.status === 204 ? undefined : answer.json();
}

/** A member whose own tier is the strongest, so that the trial does not matter. */
async function member(program: Program, tier = "selfhosted"): Promise<string> {
  await api(program, "POST", "/users", { external_id: "crm-1", email: "ann@example.com", tier });
  return "crm-1";
}

async function restrict(program: Program, feature: string, limit: number | null, expires_at?: string): Promise<void> {
  await api(program, "PUT", `/users/crm-1/restrictions/${feature}`, { limit, reason: "test", expires_at });
}

async function setCell(program: Program, tier: string, feature: string, limit: number): Promise<void> {
  const { limits } = await api(program, "GET", "/matrix");
  const cell = limits.find((cell: { tier: string; feature: string }) => cell.tier === tier && cell.feature === feature);
  await api(program, "POST", "/matrix/commit", { changes: [{ tier, feature, limit, version: cell?.version ?? 0 }] });
}

people.describe("the server SDK", () => {
  async function client(program: Program, header: [string, string]): Promise<Client> {
    const provider = new OFREPProvider({ baseUrl: program.url, headers: [header] });
    await OpenFeature.setProviderAndWait(program.url, provider);
    return OpenFeature.getClient(program.url);
  }

  people("asks for switches and limits", async ({ program }) => {
    const targetingKey = await member(program);
    await restrict(program, "ai_calls", 3);
    const key = (await program.run("key", "create", "backend", "--scopes", "check")).trim();
    for (const header of [["Authorization", `Bearer ${key}`], ["X-API-Key", key]] as [string, string][]) {
      const flags = await client(program, header);
      expect(await flags.getBooleanValue("export_csv", false, { targetingKey })).toBe(true);
      const calls = await flags.getNumberDetails("ai_calls", 0, { targetingKey, plan: "x" });
      expect(calls).toMatchObject({ value: 3, variant: "limited", reason: "TARGETING_MATCH" });
      expect(calls.errorCode).toBeUndefined();
      expect(calls.flagMetadata).toMatchObject({
        allowed: true,
        remaining: 3,
        used: 0,
        tier: "selfhosted",
        source: "own_tier",
        decided_by: "restriction",
      });
      expect(Date.parse(String(calls.flagMetadata.resets_at))).toBeGreaterThan(Date.now());
      // Whose photos are not limited is not told that there may be none, whatever the default.
      const photos = await flags.getNumberDetails("photos", 0, { targetingKey });
      expect(photos).toMatchObject({ value: UNLIMITED, variant: "unlimited" });
      expect(photos.flagMetadata.remaining).toBeUndefined();
    }
  });

  people("gets its own default with a reason where there is no flag", async ({ program }) => {
    const targetingKey = await member(program);
    const key = (await program.run("key", "create", "backend", "--scopes", "check")).trim();
    const flags = await client(program, ["Authorization", `Bearer ${key}`]);
    const details = (flag: string, context: EvaluationContext) => flags.getBooleanDetails(flag, true, context);
    expect(await details("nothing", { targetingKey })).toMatchObject({ value: true, errorCode: "FLAG_NOT_FOUND" });
    expect(await details("export_csv", {})).toMatchObject({ value: true, errorCode: "TARGETING_KEY_MISSING" });
    expect(await details("photos", { targetingKey })).toMatchObject({ value: true, errorCode: "TYPE_MISMATCH" });
    // Nobody knows them, so they may not.
    expect(await details("export_csv", { targetingKey: "nobody" })).toMatchObject({ value: false, reason: "UNKNOWN" });
    const stranger = await client(program, ["Authorization", "Bearer vs_nothing"]);
    expect(await stranger.getBooleanDetails("export_csv", true, { targetingKey })).toMatchObject({ value: true, reason: "ERROR" });
  });
});

/** Starts the web SDK on the page, and returns how it got on. */
async function startProvider(page: Page, program: Program, key: string, targetingKey: string): Promise<string> {
  return page.evaluate(
    async ([baseUrl, key, targetingKey]) => {
      const { OpenFeature, ProviderEvents } = await import("@openfeature/web-sdk");
      const { OFREPWebProvider } = await import("@openfeature/ofrep-web-provider");
      const provider = new OFREPWebProvider({ baseUrl, headers: [["Authorization", `Bearer ${key}`]] });
      const changes: string[][] = [];
      Object.assign(globalThis, { flags: OpenFeature.getClient(), changes });
      OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, (event: any) => changes.push(event?.flagsChanged ?? []));
      await OpenFeature.setContext({ targetingKey });
      return OpenFeature.setProviderAndWait(provider).then(() => "ready", (error: unknown) => String(error));
    },
    [program.url, key, targetingKey] as const,
  );
}

const flag = (page: Page, name: string) =>
  page.evaluate((name) => (globalThis as any).flags.getNumberDetails(name, 0), name);

people.describe("the web SDK", () => {
  people("asks from another site, and asks again when it is told to", async ({ program, product, page }) => {
    const targetingKey = await member(program);
    const key = (await program.run("key", "create", "browser", "--scopes", "check", "--user", targetingKey, "--days", "7")).trim();
    const streams: string[] = [];
    page.on("request", (request) => request.url().includes("/ofrep/v1/events/") && streams.push(request.url()));
    await page.goto(product.url);
    expect(await startProvider(page, program, key, targetingKey)).toBe("ready");
    expect(await page.evaluate(() => (globalThis as any).flags.getBooleanValue("export_csv", false))).toBe(true);
    expect(await flag(page, "ai_calls")).toMatchObject({ value: UNLIMITED, variant: "unlimited" });
    await eventually("the stream is asked for", () => streams[0]);

    const changed = (value: number) =>
      eventually(`ai_calls is ${value}`, async () => (await flag(page, "ai_calls")).value === value || undefined, 5_000);
    await setCell(program, "selfhosted", "ai_calls", 7);
    await changed(7);
    await restrict(program, "ai_calls", 5);
    await changed(5);
    // By the command line, which is another process.
    await program.run("limit", "set", "selfhosted", "photos", "12");
    await eventually("photos is 12", async () => (await flag(page, "photos")).value === 12 || undefined, 5_000);
    // And by itself.
    await restrict(program, "ai_calls", 3, new Date(Date.now() + 2_500).toISOString());
    await changed(3);
    await changed(7);
    const changes = await page.evaluate(() => (globalThis as any).changes as string[][]);
    expect(changes.length).toBeGreaterThanOrEqual(4);
    expect(streams).toHaveLength(1);
  });

  people("starts again from what it kept, and is not told the same twice", async ({ program, product, page }) => {
    const targetingKey = await member(program);
    const key = (await program.run("key", "create", "browser", "--scopes", "check", "--user", targetingKey, "--days", "7")).trim();
    await page.goto(product.url);
    expect(await startProvider(page, program, key, targetingKey)).toBe("ready");
    const statuses: number[] = [];
    page.on("response", (response) => response.url().endsWith("/evaluate/flags") && statuses.push(response.status()));
    await page.reload();
    expect(await startProvider(page, program, key, targetingKey)).toBe("ready");
    await eventually("it asks whether anything is new", () => statuses.find((status) => status === 304));
    expect(await flag(page, "ai_calls")).toMatchObject({ value: UNLIMITED });
    expect(statuses).not.toContain(200);
  });

  people("is refused what it may not ask", async ({ program, product, page, faults }) => {
    const targetingKey = await member(program);
    await api(program, "POST", "/users", { external_id: "crm-2" });
    faults.expect(403, "/ofrep/v1/evaluate/flags");
    const bound = (await program.run("key", "create", "browser", "--scopes", "check", "--user", targetingKey, "--days", "7")).trim();
    const server = (await program.run("key", "create", "backend", "--scopes", "check")).trim();
    for (const [key, user] of [[bound, "crm-2"], [server, targetingKey]] as const) {
      await page.goto(product.url);
      expect(await startProvider(page, program, key, user)).toContain("Initialization failed");
      expect(await flag(page, "ai_calls")).toMatchObject({ value: 0 });
    }
  });
});

people("a site that was not named learns nothing", async ({ program, page }) => {
  const targetingKey = await member(program);
  const key = (await program.run("key", "create", "browser", "--scopes", "check", "--user", targetingKey, "--days", "7")).trim();
  const elsewhere = await startPage({}, {});
  // Whatever the browser complains about is right.
  const alone = await page.context().browser()?.newContext();
  const stranger = await alone?.newPage();
  await stranger?.goto(elsewhere.url);
  const answer = await stranger?.evaluate(
    ([url, key]) =>
      fetch(`${url}/ofrep/v1/evaluate/flags`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ context: { targetingKey: "crm-1" } }),
      }).then((answer) => `read ${answer.status}`, () => "refused"),
    [program.url, key] as const,
  );
  expect(answer).toBe("refused");
  await alone?.close();
  await elsewhere.stop();
});
