// Measures how fast deliveries of a provider are taken in, prints the figures and writes them into docs/benchmarks.md.
// Run by scripts/bench.sh, after everything is built, beside a PostgreSQL whose commits last.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import {
  SETTINGS,
  business,
  circumstances,
  command,
  cutOffAfter,
  directory,
  fail,
  isOnDisk,
  median,
  root,
  say,
  server,
  span,
  sqlite,
  stop,
  table,
  verdict,
  whole,
  writeFigures,
} from "./measuring.mjs";

/** The whole run is cut off after this many seconds. */
const LONGEST_RUN = 600;
const ROUNDS = 5;
/** Deliveries in a round, and before the first one. */
const A_ROUND = 4_000;
const WARM_UP = 1_000;
/** Who delivers at once. */
const CLIENTS = 64;
/** So many others subscribe between a friend's subscription and payment: what is taken in together is about distinct users. */
const APART = 500;
/** Steady deliveries: how many a second, for how many seconds. */
const [STEADY, STEADY_SECONDS] = [200, 30];

const goals = { rate: { least: 1_000, unit: "/s" }, slowest: { most: 50, unit: "ms" } };

cutOffAfter(LONGEST_RUN);
if (!isOnDisk()) fail(`${directory} lies in memory: what is synced there reaches no disk.`);
const postgres = process.env.TEST_POSTGRES_URL ?? fail("Run this with scripts/with-postgres.sh.");
const busyBefore = await business();

const SECRET = "whsec_for_measuring";
const inside = join(root, "target/release/vouchsafe-entitlements");
/** Runs something of the inside, see benches/entitlements. @param {string[]} words @param {string} database */
const inner = (words, database) => say(inside, words, { ...SETTINGS, DATABASE_URL: database });

/** Events as they were recorded, in one line. @param {string} name */
const recorded = (name) =>
  JSON.stringify(JSON.parse(readFileSync(join(root, `src/tests/payloads/stripe_${name}_2025.json`), "utf8")));
const paid = recorded("invoice");
const created = recorded("subscription").replace("customer.subscription.updated", "customer.subscription.created");

/** The id of the friend by number, as benches/entitlements makes it. @param {number} number */
const friend = (number) => `01900000-0000-7000-8000-${(2 * number).toString(16).padStart(12, "0")}`;

/** A recorded event as one of another customer, now. @param {string} text @param {number} number */
const retold = (text, number) =>
  text
    .replace(/"evt_\w+"/, (id) => `"${id.slice(1, -1)}${number}"`)
    .replaceAll(/\b(in|il|cus|sub|si)_[A-Za-z0-9]{14,24}/g, (id) => `${id}${number}`)
    .replaceAll("0192f5a0-0000-7000-8000-000000000001", friend(number))
    .replaceAll("Ann@Example.com", `friend-${number}@example.com`)
    // Everything keeps its distance from the event.
    .replaceAll(/17[0-9]{8}/g, (seconds) => `${Number(seconds) - 1_730_900_003 + Math.floor(Date.now() / 1000)}`);

let told = 0;
/** The next so many deliveries, signed now: one friend subscribes, another pays. @param {number} count */
function deliveries(count) {
  const time = Math.floor(Date.now() / 1000);
  return Array.from({ length: count }, () => {
    const pays = told % 2 === 1;
    const body = retold(pays ? paid : created, 1 + (told++ >> 1) + (pays ? 0 : APART));
    const signature = createHmac("sha256", SECRET).update(`${time}.${body}`).digest("hex");
    return { body, headers: { "stripe-signature": `t=${time},v1=${signature}`, "content-length": Buffer.byteLength(body) } };
  });
}

/**
 * Delivers, which must be answered with 200.
 * @param {string} url
 * @param {{ body: string, headers: Record<string, string | number> }} delivery
 * @param {http.Agent} agent
 * @returns {Promise<void>}
 */
function deliver(url, { body, headers }, agent) {
  return new Promise((done, refuse) => {
    const request = http.request(url, { method: "POST", headers, agent }, (answer) => {
      answer.resume();
      answer.on("error", refuse);
      answer.on("end", () => {
        if (answer.statusCode === 200) done();
        else refuse(new Error(`${url} answers ${answer.statusCode} instead of 200.`));
      });
    });
    request.on("error", refuse);
    request.end(body);
  });
}

/** Seconds for which a process was at work. @param {number | undefined} pid */
function atWork(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Seconds for which this process was at work. */
const atWorkHere = () => Object.values(process.cpuUsage()).reduce((sum, part) => sum + part, 0) / 1e6;

/** How many deliveries a second, from so many clients, each of which waits for its answer. @param {string} url */
async function burst(url, count = A_ROUND) {
  const all = deliveries(count);
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
  const began = performance.now();
  let next = 0;
  const client = async () => {
    for (let delivery = all[next++]; delivery; delivery = all[next++]) await deliver(url, delivery, agent);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const rate = (1000 * count) / (performance.now() - began);
  agent.destroy();
  return rate;
}

/**
 * Delivers at times that are fixed beforehand, whatever comes back, and returns for each delivery the milliseconds from
 * its time to its answer.
 * @param {string} url
 * @param {number} seconds
 */
async function steady(url, seconds) {
  const all = deliveries(STEADY * seconds);
  const agent = new http.Agent({ keepAlive: true });
  const began = performance.now() + 10;
  /** @type {Promise<number>[]} */
  const answers = [];
  /** @param {number} time @param {Parameters<typeof deliver>[1]} delivery */
  const one = async (time, delivery) => {
    await deliver(url, delivery, agent);
    return performance.now() - time;
  };
  for (const delivery of all) {
    const time = began + (1000 / STEADY) * answers.length;
    while (performance.now() < time) await pause(Math.max(0, time - performance.now()));
    answers.push(one(time, delivery));
  }
  const milliseconds = await Promise.all(answers);
  agent.destroy();
  return milliseconds;
}

/** @param {number[]} values @param {number} part */
function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(part * sorted.length) - 1] ?? fail("There is nothing to take a quantile of.");
}

/** @param {string} name @param {string} database */
async function measure(name, database) {
  const friends = APART + Math.ceil((STEADY * (STEADY_SECONDS + 2) + WARM_UP + ROUNDS * A_ROUND) / 2);
  await inner(["friends", String(friends)], database);
  const { url, child } = await server(database, { VOUCHSAFE_STRIPE_WEBHOOK_SECRET: SECRET });
  const address = `${url}/webhooks/stripe`;
  told = 0;
  console.log(`      ${STEADY} a second`);
  await steady(address, 2);
  const times = await steady(address, STEADY_SECONDS);
  const shown = [0.5, 0.99, 1].map((part) => quantile(times, part).toFixed(1));
  console.log(`      p50, p99 and longest: ${shown.join(" · ")} ms`);
  await burst(address, WARM_UP);
  const work = { program: atWork(child.pid), here: atWorkHere() };
  const began = performance.now();
  /** @type {number[]} */
  const rates = [];
  for (let round = 1; round <= ROUNDS; round++) {
    rates.push(await burst(address));
    console.log(`      ${round}/${ROUNDS}: ${whole(rates.at(-1) ?? 0)}`);
  }
  const seconds = (performance.now() - began) / 1000;
  const program = (1000 * (atWork(child.pid) - work.program)) / (ROUNDS * A_ROUND);
  const here = (100 * (atWorkHere() - work.here)) / seconds;
  await stop(child);
  // Everything that was answered is applied, and every second delivery has rewarded two members.
  const [done, failed, rewarded] = (await inner(["payments"], database)).split(" ").map(Number);
  if (done !== told || failed !== 0 || rewarded !== told / 2) {
    fail(`${name}: of ${told} deliveries ${done} are applied, ${failed} failed, ${rewarded} referrals were rewarded.`);
  }
  await command(["doctor"], database);
  return { name, times, rates, program, here };
}

console.log("[1/2] SQLite");
const onSqlite = await measure("SQLite", sqlite());
console.log("[2/2] PostgreSQL");
const onPostgres = await measure("PostgreSQL", postgres);
const busyAfter = await business();

const both = [onSqlite, onPostgres];
/** @param {number} value */
const milliseconds = (value) => `${value.toFixed(1)} ms`;
const results = table([
  ["what", "goal", "measured", ""],
  ...both.map(({ name, rates }) =>
    verdict(`${name}: deliveries with all effects`, goals.rate, median(rates), `${whole(median(rates))}/s`),
  ),
  ...both.map(({ name, times }) => {
    const slowest = quantile(times, 0.99);
    return verdict(`${name}: p99 at ${STEADY} a second`, goals.slowest, slowest, milliseconds(slowest));
  }),
]);
const details = table([
  ["what", ...both.map(({ name }) => name)],
  [`deliveries a second, all rounds`, ...both.map(({ rates }) => span(rates))],
  ...[0.5, 0.9, 0.99, 0.999, 1].map((part) => [
    part === 1 ? `longest of ${whole(STEADY * STEADY_SECONDS)}` : `p${100 * part} at ${STEADY} a second`,
    ...both.map(({ times }) => milliseconds(quantile(times, part))),
  ]),
  ["the program's work for a delivery", ...both.map(({ program }) => `${program.toFixed(2)} ms of a core`)],
  ["who delivers was busy", ...both.map(({ here }) => `${whole(here)} % of a core`)],
]);
writeFigures("payments", circumstances(busyBefore, busyAfter), [results, details]);
process.exit();
