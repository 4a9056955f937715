// Measures how fast coupons are redeemed and how fast many are made, and how long pages of a long log take, prints the
// figures and writes them into docs/benchmarks.md. Run by scripts/bench.sh, after everything is built, beside a PostgreSQL whose commits last.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";

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
const LONGEST_RUN = 420;
const ROUNDS = 5;
/** Redemptions in a round, and before the first one: each of another member. */
const A_ROUND = 4_000;
const WARM_UP = 1_000;
/** Who redeems at once. */
const CLIENTS = 64;
/** Coupons that are made in one go. */
const BULK = 10_000;
/** Grants of one member in the bench of the timeline. */
const GRANTS = 1_000;
/** Lines of the log of activity. */
const LINES = 1_000_000;

const goals = {
  rate: { least: 1_000, unit: "/s" },
  timeline: { most: 1, unit: "ms" },
  page: { most: 50, unit: "ms" },
};

cutOffAfter(LONGEST_RUN);
if (!isOnDisk()) fail(`${directory} lies in memory: what is synced there reaches no disk.`);
const postgres = process.env.TEST_POSTGRES_URL ?? fail("Run this with scripts/with-postgres.sh.");
const busyBefore = await business();

const inside = join(root, "target/release/vouchsafe-entitlements");
/** Runs something of the inside, see benches/entitlements. @param {string[]} words @param {string} database */
const inner = (words, database) => say(inside, words, { ...SETTINGS, DATABASE_URL: database });

/**
 * Redeems a coupon for a member, which must be answered with 200.
 * @param {string} address
 * @param {string} key
 * @param {number} number
 * @param {http.Agent} agent
 * @returns {Promise<void>}
 */
function redeem(address, key, number, agent) {
  const body = JSON.stringify({ user: `user-${number}` });
  const headers = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  };
  return new Promise((done, refuse) => {
    const request = http.request(address, { method: "POST", headers, agent }, (answer) => {
      answer.resume();
      answer.on("error", refuse);
      answer.on("end", () => {
        if (answer.statusCode === 200) done();
        else refuse(new Error(`${address} answers ${answer.statusCode} instead of 200.`));
      });
    });
    request.on("error", refuse);
    request.end(body);
  });
}

/** @param {string} name @param {string} database */
async function measure(name, database) {
  await inner(["users", String(WARM_UP + 2 * ROUNDS * A_ROUND)], database);
  const key = await command(["key", "create", "bench", "--scopes", "manage"], database);
  const terms = ["--tier", "premium", "--days", "30"];
  const one = await command(["coupon", "create", "--type", "period", ...terms], database);
  const began = performance.now();
  const codes = (await command(["coupon", "create", ...terms, "--count", String(BULK)], database)).split("\n");
  const bulk = performance.now() - began;
  if (codes.length !== BULK) fail(`${name}: ${codes.length} coupons were made instead of ${BULK}.`);
  console.log(`      ${whole(BULK)} coupons in ${whole(bulk)} ms`);
  const { url, child } = await server(database);
  let member = 0;
  let single = 0;
  /** How many redemptions a second. @param {number} count @param {() => string} code */
  const burst = async (count, code) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
    const last = member + count;
    const start = performance.now();
    const client = async () => {
      while (member < last) {
        member += 1;
        await redeem(`${url}/api/v1/coupons/${code()}/redeem`, key, member, agent);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    agent.destroy();
    return (1000 * count) / (performance.now() - start);
  };
  const forAll = () => one;
  const ownCode = () => codes[single++] ?? fail("There are too few coupons.");
  await burst(WARM_UP, forAll);
  /** @type {number[]} */
  const rates = [];
  /** @type {number[]} */
  const ownRates = [];
  for (let round = 1; round <= ROUNDS; round++) {
    rates.push(await burst(A_ROUND, forAll));
    // A code of each one's own, as long as there are some.
    if (single + A_ROUND <= BULK) ownRates.push(await burst(A_ROUND, ownCode));
    console.log(`      ${round}/${ROUNDS}: ${whole(rates.at(-1) ?? 0)} · ${whole(ownRates.at(-1) ?? 0)}`);
  }
  await stop(child);
  // Every redemption is there, counted once, with its grant.
  await command(["doctor"], database);
  return { name, rates, ownRates, bulk };
}

/**
 * Fills the log and reads its pages. Returns the slowest by its median, with that and the longest of all readings.
 * @param {string} database
 */
async function measurePages(database) {
  await inner(["users", "1"], database);
  await inner(["log", String(LINES)], database);
  // What a server does by itself after a while.
  if (database === postgres) await say("psql", [postgres, "-qc", "ANALYZE user_activity_log"]);
  const pages = (await inner(["pages"], database)).split("\n").map((line) => {
    const [name = "", middle, longest] = line.split("\t");
    return { name, median: Number(middle), longest: Number(longest) };
  });
  const [slowest] = pages.toSorted((one, other) => other.median - one.median);
  if (slowest === undefined) fail("No page was read.");
  console.log(`      ${slowest.name}: ${slowest.median} ms`);
  return { ...slowest, longest: Math.max(...pages.map(({ longest }) => longest)), count: pages.length };
}

console.log("[1/4] SQLite");
const onSqlite = await measure("SQLite", sqlite("redemptions"));
console.log("[2/4] PostgreSQL");
const onPostgres = await measure("PostgreSQL", postgres);
console.log(`[3/4] Pages of a log of ${whole(LINES)} lines, SQLite and PostgreSQL`);
const both = [
  { ...onSqlite, page: await measurePages(sqlite("log")) },
  { ...onPostgres, page: await measurePages(postgres) },
];
console.log("[4/4] The timeline");
const short = ["--warm-up-time", "1", "--measurement-time", "3"];
const words = ["bench", "--package", "vouchsafe-entitlements", "--bench", "timeline", "--", ...short];
const criterion = spawnSync("cargo", words, { cwd: root, encoding: "utf8" });
if (criterion.status !== 0) fail(`The bench of the timeline ended with ${criterion.status}:\n${criterion.stderr}`);
const estimates = join(root, `target/criterion/timeline of ${GRANTS} grants/new/estimates.json`);
const timeline = Number(JSON.parse(readFileSync(estimates, "utf8")).median.point_estimate) / 1e6;
console.log(`      ${timeline.toFixed(3)} ms`);
const busyAfter = await business();

const exactly = (/** @type {number} */ time) => `${time.toFixed(2)} ms`;
const results = table([
  ["what", "goal", "measured", ""],
  ...both.map(({ name, rates }) =>
    verdict(`${name}: redemptions of one coupon`, goals.rate, median(rates), `${whole(median(rates))}/s`),
  ),
  verdict(`the timeline of ${whole(GRANTS)} grants`, goals.timeline, timeline, exactly(timeline)),
  ...both.map(({ name, page }) => {
    const what = `${name}: the slowest of ${page.count} pages out of ${whole(LINES)} lines of the log`;
    return verdict(what, goals.page, page.median, exactly(page.median));
  }),
]);
const details = table([
  ["what", ...both.map(({ name }) => name)],
  ["redemptions of one coupon a second, all rounds", ...both.map(({ rates }) => span(rates))],
  ["redemptions of a coupon each a second, all rounds", ...both.map(({ ownRates }) => span(ownRates))],
  [`making ${whole(BULK)} coupons, the whole command`, ...both.map(({ bulk }) => `${whole(bulk)} ms`)],
  ["the slowest page of the log", ...both.map(({ page }) => page.name)],
  ["the slowest of all its readings", ...both.map(({ page }) => exactly(page.longest))],
]);
writeFigures("membership", circumstances(busyBefore, busyAfter), [results, details]);
process.exit();
