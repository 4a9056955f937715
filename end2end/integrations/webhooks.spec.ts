// What the program tells apps, as the official library of Standard Webhooks verifies it.

import { createHmac } from "node:crypto";

import { type APIRequestContext, expect, request, test } from "@playwright/test";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

import { eventually } from "../support/eventually.ts";
import { Program } from "../support/program.ts";
import { type Site, startSite } from "../support/sites.ts";

const ADMIN_TOKEN = "only-for-this-test";
const STRIPE_SECRET = "whsec_of_nobody";

interface Received {
  headers: Record<string, string>;
  body: string;
}

interface Event {
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

/** An app that keeps what it is sent, and answers as `answer` says. */
class App {
  readonly received: Received[] = [];
  answer = 204;
  #site?: Site;

  async start(): Promise<string> {
    this.#site = await startSite((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
        this.received.push({ headers, body: Buffer.concat(chunks).toString("utf-8") });
        response.writeHead(this.answer).end();
      });
    });
    return `${this.#site.url}/hooks`;
  }

  /** Waits for something of this kind that was not waited for before. */
  async hears(type: string, milliseconds = 15_000): Promise<Received> {
    const next = () => {
      const at = this.received.findIndex((one) => (JSON.parse(one.body) as Event).type === type);
      return at < 0 ? undefined : this.received.splice(at, 1)[0];
    };
    return eventually(`the app hears ${type}`, next, milliseconds);
  }

  async stop(): Promise<void> {
    await this.#site?.stop();
  }
}

const told = test.extend<{ app: App; program: Program; endpoint: { id: string; secret: string } }>({
  app: async ({}, use) => {
    const app = new App();
    await use(app);
    await app.stop();
  },
  program: async ({}, use) => {
    const program = await Program.start({
      VOUCHSAFE_WEBHOOKS_ALLOW_PRIVATE: "true",
      VOUCHSAFE_ADMIN_TOKEN: ADMIN_TOKEN,
      VOUCHSAFE_STRIPE_WEBHOOK_SECRET: STRIPE_SECRET,
    });
    await use(program);
    await program.stop();
  },
  endpoint: async ({ app, program }, use) => {
    const printed = await program.run("webhook", "add", await app.start(), "--description", "the app");
    const [id = "", secret = ""] = printed.trim().split("\t");
    await use({ id, secret });
  },
});

function verified(secret: string, { headers, body }: Received): Event {
  return new Webhook(secret).verify(body, headers) as Event;
}

told("what happens is told in a form that the official library believes", async ({ app, program, endpoint }) => {
  await program.run("user", "add", "zoe@example.com", "--external-id", "42");
  const created = await app.hears("user.created");
  expect(verified(endpoint.secret, created)).toMatchObject({ type: "user.created", data: { external_id: "42" } });
  expect(created.headers["webhook-id"]).toMatch(/^msg_[0-9a-f]{32}$/);

  await program.run("grant-credit", "zoe@example.com", "--days", "3");
  const changed = verified(endpoint.secret, await app.hears("access.changed"));
  expect(Object.keys(changed)).toEqual(["data", "timestamp", "type"]);
  expect(Date.parse(changed.timestamp)).toBeGreaterThan(Date.now() - 60_000);

  // It believes nothing that was altered, nor another secret.
  const altered = { ...created, body: created.body.replace("42", "43") };
  expect(() => verified(endpoint.secret, altered)).toThrow(WebhookVerificationError);
  expect(() => verified(`whsec_${Buffer.alloc(32).toString("base64")}`, created)).toThrow(WebhookVerificationError);
});

told("a secret is rotated without a gap", async ({ app, program, endpoint }) => {
  const secret = (await program.run("webhook", "rotate", endpoint.id)).trim();
  expect(secret).not.toBe(endpoint.secret);
  await program.run("webhook", "test", endpoint.id);
  const both = await app.hears("webhook.test");
  expect(verified(secret, both)).toEqual(verified(endpoint.secret, both));
  expect(await program.run("webhook", "list", "--json")).not.toContain(secret.slice("whsec_".length));
  expect(program.output).not.toContain(secret.slice("whsec_".length));
});

told("what failed comes again under the same name", async ({ app, program, endpoint }) => {
  app.answer = 500;
  await program.run("user", "add", "ann@example.com");
  const first = await app.hears("user.created");
  app.answer = 204;
  const again = await app.hears("user.created");
  expect(again.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
  expect(again.body).toBe(first.body);
  verified(endpoint.secret, again);
  const delivered = async () => {
    const listed = JSON.parse(await program.run("webhook", "deliveries", endpoint.id, "--json")) as { state: string }[];
    return listed[0]?.state === "delivered" || undefined;
  };
  await eventually("the delivery is noted", delivered);
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

/** Signs somebody in by their mail, by an invitation's link if there is a code of one. */
async function signIn(program: Program, address: string, ref = ""): Promise<APIRequestContext> {
  const headers = { origin: program.url };
  const visitor = await request.newContext({ baseURL: program.url, extraHTTPHeaders: headers });
  expect((await visitor.post("/login", { form: { email: address, ref }, maxRedirects: 0 })).status()).toBe(303);
  const code = await program.codeFor(address, 0);
  expect((await visitor.post("/verify", { form: { code }, maxRedirects: 0 })).status()).toBe(303);
  return visitor;
}

/** Tells the program what Stripe would. */
async function stripe(program: Program, type: string, object: Record<string, unknown>): Promise<void> {
  const created = Math.floor(Date.now() / 1000);
  const body = JSON.stringify({ id: `evt_${type}`, object: "event", created, type, data: { object } });
  const signature = createHmac("sha256", STRIPE_SECRET).update(`${created}.${body}`).digest("hex");
  const headers = { "stripe-signature": `t=${created},v1=${signature}` };
  const answer = await fetch(`${program.url}/webhooks/stripe`, { method: "POST", headers, body });
  expect(answer.ok, `${type}: ${answer.status}`).toBe(true);
}

/** What a command says that fails. */
async function complaint(command: Promise<string>): Promise<string> {
  return command.then(
    () => "",
    (error: unknown) => String((error as { stderr?: string }).stderr),
  );
}

/** What has each kind of events happen to somebody, in an order in which each can. */
const HAPPENINGS: Record<string, (program: Program, member: string, friend: string) => Promise<unknown>> = {
  "user.created": (program) => api(program, "POST", "/users", { external_id: "zoe" }),
  "access.changed": (program, member) => api(program, "POST", `/users/${member}/credits`, { days: 1 }),
  "usage.limit_reached": async (program, member) => {
    await api(program, "PUT", `/users/${member}/restrictions/ai_calls`, { limit: 1, reason: "to be told of" });
    await api(program, "POST", "/consume", { user: member, feature: "ai_calls" });
  },
  "coupon.redeemed": async (program, member) => {
    await api(program, "POST", "/coupons", { code: "SUMMER", type: "period", tier: "premium", duration_days: 30 });
    await api(program, "POST", "/coupons/SUMMER/redeem", { user: member });
  },
  "subscription.changed": async (program, _, friend) => {
    await program.run("price", "set", "premium", "stripe", "price_premium");
    const now = Math.floor(Date.now() / 1000);
    const item = { id: "si_1", price: { id: "price_premium", object: "price" } };
    const period = { current_period_start: now, current_period_end: now + 30 * 86_400 };
    await stripe(program, "customer.subscription.created", {
      id: "sub_1", object: "subscription", customer: "cus_1", status: "active", metadata: { user_id: friend },
      start_date: now, created: now, cancel_at_period_end: false, cancel_at: null, ended_at: null,
      items: { object: "list", data: [{ ...item, ...period }] },
    });
  },
  "referral.converted": (program, _, friend) => {
    const now = Math.floor(Date.now() / 1000);
    return stripe(program, "invoice.paid", {
      id: "in_1", object: "invoice", customer: "cus_1", customer_email: null, amount_paid: 999, currency: "eur",
      status: "paid", created: now, status_transitions: { paid_at: now },
      parent: {
        type: "subscription_details",
        subscription_details: { subscription: "sub_1", metadata: { user_id: friend } },
      },
    });
  },
  "user.deleted": (program, member) => api(program, "DELETE", `/users/${member}?grace_days=0`),
};

told("each kind of events is told, and the official library believes it", async ({ app, program, endpoint }) => {
  // Whoever asks for what does not exist is told of all that does.
  const unknown = complaint(program.run("webhook", "add", "https://example.com/", "--events", "user.born"));
  const kinds = /none of ([\w., ]+)/.exec(await unknown)?.[1]?.split(", ") ?? [];
  expect(kinds.map((kind) => kind.trim()).sort()).toEqual(Object.keys(HAPPENINGS).sort());

  const ann = await signIn(program, "ann@example.com");
  const code = /\/login\?ref=(\w{8})/.exec(await (await ann.get("/settings")).text())?.[1] ?? "";
  const bob = await signIn(program, "bob@example.com", code);
  await Promise.all([ann.dispose(), bob.dispose()]);
  const [first, second] = [await app.hears("user.created"), await app.hears("user.created")];
  const users = [first, second].map((one) => verified(endpoint.secret, one).data);
  const member = String(users.find((data) => data.referred_by === null)?.user);
  const friend = String(users.find((data) => data.referred_by === member)?.user);

  for (const [kind, happens] of Object.entries(HAPPENINGS)) {
    app.received.length = 0;
    await happens(program, member, friend);
    const event = verified(endpoint.secret, await app.hears(kind));
    expect(event.type).toBe(kind);
    expect(event.data).toHaveProperty("external_id");
    if (kind !== "user.created") expect(event.data.user).toBe(kind === "subscription.changed" ? friend : member);
  }
});
