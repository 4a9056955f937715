// Signatures of webhooks, by the vendors' own libraries: src/tests/payloads/signatures.json is what they sign and
// believe, and the unit tests of src/webhooks/signature.rs believe the same and sign alike.

import { createHmac } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";

import { Paddle } from "@paddle/paddle-node-sdk";
import { expect, test } from "@playwright/test";
import { webhooks as polarWebhooks } from "@polar-sh/sdk/2026-10";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

const RECORDED = new URL("../../src/tests/payloads/signatures.json", import.meta.url);

/** Seconds since 1970 at which something was signed. */
type Seconds = number;

interface Vector {
  about: string;
  provider: "stripe" | "paddle" | "polar";
  /** The one with which the last signature was made. */
  secret: string;
  id: string;
  signed_at: Seconds;
  body: string;
  /** Names in small letters, in the order in which we write them. */
  headers: [string, string][];
  /** Whether we sign so ourselves. */
  ours: boolean;
}

/** None is anybody's. */
const SECRETS = {
  stripe: "whsec_of_nobody",
  stripeBefore: "whsec_of_nobody_before",
  paddle: "pdl_ntfset_of_nobody",
  paddleBefore: "pdl_ntfset_of_nobody_before",
  polarFirst: "polar_whs_of_nobody",
  polar: `whsec_${Buffer.from("thirty-two bytes that nobody has").toString("base64")}`,
};

function stripeVector(about: string, body: string, signed_at: Seconds, before?: string): Vector {
  const header = (secret: string) =>
    Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: signed_at });
  const right = header(SECRETS.stripe);
  const value = before === undefined ? right : `${header(before)},${right.split(",")[1]}`;
  const fields = { provider: "stripe", secret: SECRETS.stripe, id: "evt_1", signed_at } as const;
  return { about, ...fields, body, headers: [["stripe-signature", value]], ours: before === undefined };
}

/** Paddle's library does not sign. */
function paddleVector(about: string, body: string, signed_at: Seconds, before?: string): Vector {
  const h1 = (secret: string) => `;h1=${createHmac("sha256", secret).update(`${signed_at}:${body}`).digest("hex")}`;
  const value = `ts=${signed_at}${before === undefined ? "" : h1(before)}${h1(SECRETS.paddle)}`;
  const fields = { provider: "paddle", secret: SECRETS.paddle, id: "evt_1", signed_at } as const;
  return { about, ...fields, body, headers: [["paddle-signature", value]], ours: before === undefined };
}

function polarVector(about: string, body: string, signed_at: Seconds, secret: string, key = secret): Vector {
  const id = "5d6c2a9e-2a17-4b7a-8d9e-e287cf90131b";
  const headers: [string, string][] = [
    ["webhook-id", id],
    ["webhook-timestamp", String(signed_at)],
    ["webhook-signature", new Webhook(key).sign(id, new Date(signed_at * 1000), body)],
  ];
  const ours = key === secret || !secret.startsWith("whsec_");
  return { about, provider: "polar", secret, id, signed_at, body, headers, ours };
}

function vectors(signed_at: Seconds): Vector[] {
  const event = (type: string) => `{"type":"${type}","data":{"name":"Zoë — 日本","text":"a\\nb"}}\n`;
  const [invoice, transaction, order] = [event("invoice.paid"), event("transaction.completed"), event("order.paid")];
  const asWritten = (secret: string) => Buffer.from(secret, "utf-8").toString("base64");
  const { polarFirst, polar } = SECRETS;
  return [
    stripeVector("one signature", invoice, signed_at),
    stripeVector("the secret before and the current one", invoice, signed_at, SECRETS.stripeBefore),
    paddleVector("one signature", transaction, signed_at),
    paddleVector("the secret before and the current one", transaction, signed_at, SECRETS.paddleBefore),
    polarVector("a secret of the first kind", order, signed_at, polarFirst, asWritten(polarFirst)),
    polarVector("a secret that is a key as it is written", order, signed_at, polar, asWritten(polar)),
    polarVector("a secret as Standard Webhooks says", order, signed_at, polar),
  ];
}

/** Whether the vendor's own library believes a delivery that arrives now. */
async function isBelieved(vector: Vector, body = vector.body): Promise<boolean> {
  const headers = Object.fromEntries(vector.headers);
  try {
    switch (vector.provider) {
      case "stripe":
        Stripe.webhooks.constructEvent(body, headers["stripe-signature"] ?? "", vector.secret);
        return true;
      case "paddle":
        return await new Paddle("none").webhooks.isSignatureValid(body, vector.secret, headers["paddle-signature"] ?? "");
      case "polar":
        await polarWebhooks.validateEvent(body, headers, vector.secret);
        return true;
    }
  } catch (error) {
    if (/signature|timestamp/i.test(String(error))) return false;
    throw error;
  }
}

test("the vendors' libraries sign as it is recorded", async () => {
  const signed = `${JSON.stringify(vectors(1_730_900_000), null, 2)}\n`;
  if (process.env.UPDATE_SNAPSHOTS) await writeFile(RECORDED, signed);
  expect(await readFile(RECORDED, "utf-8"), "UPDATE_SNAPSHOTS=1 writes it anew").toBe(signed);
});

test("the vendors' libraries believe what is signed so, and nothing else", async () => {
  const now = Math.floor(Date.now() / 1000);
  for (const vector of vectors(now)) {
    const title = `${vector.provider}: ${vector.about}`;
    expect(await isBelieved(vector), title).toBe(true);
    expect(await isBelieved(vector, `${vector.body} `), `${title}, altered`).toBe(false);
  }
  for (const vector of vectors(now - 301)) {
    expect(await isBelieved(vector), `${vector.provider}: ${vector.about}, old`).toBe(false);
  }
});
