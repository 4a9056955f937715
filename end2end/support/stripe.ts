// A Stripe on this machine, as far as a member meets it: a page to pay on, a page to manage what was bought, and the
// events that tell the program about it.

import { createHmac } from "node:crypto";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

const SECRET = "whsec_of_nobody";
/** What a month costs, in cents. */
const AMOUNT = 999;

/** What the program asked for: the fields of a form. */
type Form = Record<string, string>;

/** An object of Stripe's. */
type Thing = Record<string, unknown>;

export class Stripe {
  /** Whether it answers what the program asks. */
  isDown = false;
  readonly #server: Server;
  readonly #checkouts: Form[] = [];
  readonly #numbers = new Map<string, number>();
  #untold: [string, Thing][] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  static async start(): Promise<Stripe> {
    const stripe = new Stripe();
    await new Promise<void>((done) => stripe.#server.listen(0, "127.0.0.1", done));
    return stripe;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What the program needs to know of it. */
  get settings(): Record<string, string> {
    return {
      VOUCHSAFE_STRIPE_API_KEY: "sk_test_of_nobody",
      VOUCHSAFE_STRIPE_API_BASE: this.url,
      VOUCHSAFE_STRIPE_WEBHOOK_SECRET: SECRET,
    };
  }

  /** Tells a program what has happened since the last time. */
  async tell(program: string): Promise<void> {
    const created = Math.floor(Date.now() / 1000);
    for (const [type, object] of this.#untold.splice(0)) {
      const id = `evt_${type}_${String(object.id)}`;
      const body = JSON.stringify({ id, object: "event", created, type, data: { object } });
      const signature = createHmac("sha256", SECRET).update(`${created}.${body}`).digest("hex");
      const headers = { "stripe-signature": `t=${created},v1=${signature}` };
      const answer = await fetch(`${program}/webhooks/stripe`, { method: "POST", headers, body });
      if (!answer.ok) throw new Error(`${type}: ${answer.status} ${await answer.text()}`);
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", this.url).pathname;
    const [, place, id] = path.split("/");
    const form = Object.fromEntries(new URLSearchParams(await bodyOf(request)));
    if (place === "v1") {
      const key = String(request.headers["idempotency-key"]);
      const [status, answer] = this.isDown ? [500, { error: { message: "away" } }] : this.#api(path, form, key);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    } else if (place === "pay" && request.method === "POST") {
      const back = this.#pay(Number(id));
      response.writeHead(303, { location: back }).end();
    } else if (place === "pay") {
      show(response, `<h1>Pay</h1><form method="post" action="${path}"><button>Pay €9.99</button></form>`);
    } else if (place === "portal") {
      show(response, "<h1>Invoices</h1>");
    } else {
      response.writeHead(204).end();
    }
  }

  #api(path: string, form: Form, key: string): [number, Thing] {
    switch (path) {
      case "/v1/checkout/sessions": {
        const number = this.#numbers.get(key) ?? this.#checkouts.push(form) - 1;
        this.#numbers.set(key, number);
        return [200, { id: `cs_${number}`, url: `${this.url}/pay/${number}#state` }];
      }
      case "/v1/billing_portal/sessions":
        return [200, { url: `${this.url}/portal/${form.customer}` }];
      default:
        return [404, { error: { code: "resource_missing", message: "there is no such thing" } }];
    }
  }

  /** Notes what follows from a payment, and returns where the customer goes then. */
  #pay(number: number): string {
    const form = this.#checkouts[number];
    if (form === undefined) throw new Error("there is no such checkout");
    const now = Math.floor(Date.now() / 1000);
    const metadata = { user_id: form["subscription_data[metadata][user_id]"] };
    const [customer, subscription] = [`cus_${number}`, `sub_${number}`];
    const price = { id: form["line_items[0][price]"], object: "price" };
    const item = { id: `si_${number}`, price, current_period_start: now, current_period_end: now + 30 * 86_400 };
    this.#untold.push(
      [
        "checkout.session.completed",
        {
          id: `cs_${number}`,
          object: "checkout.session",
          mode: "subscription",
          client_reference_id: form.client_reference_id,
          customer,
          subscription,
          customer_details: { email: form.customer_email },
        },
      ],
      [
        "customer.subscription.created",
        {
          id: subscription,
          object: "subscription",
          customer,
          status: "active",
          metadata,
          start_date: now,
          created: now,
          cancel_at_period_end: false,
          cancel_at: null,
          ended_at: null,
          items: { object: "list", data: [item] },
        },
      ],
      [
        "invoice.paid",
        {
          id: `in_${number}`,
          object: "invoice",
          customer,
          customer_email: form.customer_email,
          amount_paid: AMOUNT,
          currency: "eur",
          status: "paid",
          created: now,
          status_transitions: { paid_at: now },
          parent: { type: "subscription_details", subscription_details: { subscription, metadata } },
        },
      ],
    );
    return form.success_url ?? "/";
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return body;
}

function show(response: ServerResponse, page: string): void {
  const html = `<!DOCTYPE html><html lang="en"><title>Stripe</title><body>${page}</body></html>`;
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
}
