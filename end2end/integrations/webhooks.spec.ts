// What the program tells apps, as the official library of Standard Webhooks verifies it.

import { expect, test } from "@playwright/test";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

import { eventually } from "../support/eventually.ts";
import { Program } from "../support/program.ts";
import { type Site, startSite } from "../support/sites.ts";

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
    const program = await Program.start({ VOUCHSAFE_WEBHOOKS_ALLOW_PRIVATE: "true" });
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
