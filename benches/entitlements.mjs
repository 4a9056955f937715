// Measures deciding and counting, prints the figures and writes them into docs/benchmarks.md. Run by scripts/bench.sh,
// after everything is built, beside a PostgreSQL whose commits last.

import { spawnSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  SETTINGS,
  business,
  circumstances,
  command,
  cutOffAfter,
  directory,
  fail,
  get,
  isOnDisk,
  load,
  median,
  megabytes,
  memoryOf,
  ratio,
  root,
  rounds,
  say,
  sendMany,
  server,
  share,
  sharesOf,
  signIn,
  span,
  sqlite,
  startBaseline,
  stop,
  table,
  verdict,
  whole,
  writeFigures,
} from "./measuring.mjs";

/** The whole run is cut off after this many seconds. */
const LONGEST_RUN = 420;
const ROUNDS = 5;
const SECONDS_A_ROUND = 2;
/** Who asks at once: as many as the measurements of pages have, and as many as the goals of counting name. */
const ASKING = 32;
const COUNTING = 64;
/** Members who are asked about in turn. */
const ACTIVE = 1_000;
const MILLION = 1_000_000;
/** Members who are asked about once before memory is read. */
const DISTINCT = 200_000;
const [TIERS, FEATURES] = [50, 1_000];
const FLAGS = 200;
const PAGES = 15;

const goals = {
  decision: { most: 1, unit: "µs" },
  check: { least: 70, unit: "%" },
  together: { least: 60, unit: "%" },
  alone: { least: 5, unit: "×" },
  hot: { least: 5, unit: "×" },
  spread: { least: 80, unit: "%" },
  million: { most: 1.2, unit: "×" },
  matrix: { most: 150, unit: "ms" },
  flags: { least: 5_000, unit: "/s" },
  memory: { most: 200, unit: "MB" },
};

cutOffAfter(LONGEST_RUN);
if (!isOnDisk()) fail(`${directory} lies in memory: what is synced there reaches no disk.`);
const postgres = process.env.TEST_POSTGRES_URL ?? fail("Run this with scripts/with-postgres.sh.");
const busyBefore = await business();

const FEATURE = "ai_calls";
const inside = join(root, "target/release/vouchsafe-entitlements");
/** Runs something of the inside, see benches/entitlements. @param {string[]} words @param {string} database */
const inner = (words, database) => say(inside, words, { ...SETTINGS, DATABASE_URL: database });
/** @param {string} token */
const bearer = (token) => ({ authorization: `Bearer ${token}` });
/** What is asked or counted for member number so and so. @param {number} number */
const about = (number) => JSON.stringify({ user: `user-${number}`, feature: FEATURE });
const bodies = Array.from({ length: ACTIVE }, (_, index) => about(index + 1));
/** The id of a member by number, as benches/entitlements makes it. @param {string} number in SQL */
const idInSql = (number) => `('01900000-0000-7000-8000-' || lpad(to_hex(${number}::bigint), 12, '0'))::uuid`;

console.log("[1/7] A decision in memory");
const short = ["--warm-up-time", "1", "--measurement-time", "3"];
const words = ["bench", "--package", "vouchsafe-entitlements", "--bench", "decision", "--", ...short];
const criterion = spawnSync("cargo", words, { cwd: root, encoding: "utf8" });
if (criterion.status !== 0) fail(`The bench of decisions ended with ${criterion.status}:\n${criterion.stderr}`);
/** Nanoseconds, as criterion has kept them. @param {string} name */
const nanoseconds = (name) => {
  const file = join(root, "target/criterion", name, "new/estimates.json");
  return Number(JSON.parse(readFileSync(file, "utf8")).median.point_estimate);
};
const [decision, asJson] = [nanoseconds("decision"), nanoseconds("decision as JSON")];
console.log(`      ${whole(decision)} ns, as JSON ${whole(asJson)} ns more`);

console.log("[2/7] Checking, beside a bare handler");
const small = sqlite("thousand");
await inner(["users", String(ACTIVE)], small);
const key = await inner(["key"], small);
const thousand = await server(small);
const check = { url: `${thousand.url}/api/v1/check`, headers: bearer(key), body: bodies };
const answer = (await get(check)).toString();
const bare = await startBaseline(answer);
const checks = await rounds(
  [
    { what: "axum, a constant", load: load({ ...check, url: `${bare.url}/constant` }, ASKING) },
    { what: "`POST /api/v1/check`", load: load(check, ASKING) },
  ],
  ROUNDS,
  SECONDS_A_ROUND,
);
await stop(bare.child);

console.log("[3/7] Counting on SQLite");
const plain = sqlite("plain");
await inner(["users", String(ACTIVE)], plain);
/** Calls a second in transactions of so many, without HTTP. @param {number} together */
const loop = (together) => async (/** @type {number} */ seconds) =>
  Number(await inner(["consume", String(together), String(ACTIVE), String(seconds)], plain));
const consume = { ...check, url: `${thousand.url}/api/v1/consume` };
const counts = await rounds(
  [
    { what: `SQLite: \`POST /api/v1/consume\`, ${COUNTING} clients`, load: load(consume, COUNTING) },
    { what: `SQLite: a plain loop, ${COUNTING} calls a transaction`, load: loop(COUNTING) },
    { what: "SQLite: a plain loop, one call a transaction", load: loop(1) },
  ],
  ROUNDS,
  SECONDS_A_ROUND,
);
const [overHttp, together, alone] = counts.map(({ rates }) => rates);
await stop(thousand.child);

console.log("[4/7] Counting on PostgreSQL");
await inner(["users", String(ACTIVE)], postgres);
const onPostgres = await server(postgres);
const keyOnPostgres = await inner(["key"], postgres);
const consumeOnPostgres = { url: `${onPostgres.url}/api/v1/consume`, headers: bearer(keyOnPostgres) };
/** Counts one unit for somebody, in a period that nobody else counts in. @param {string} number in SQL */
const counting = (number) => `
  INSERT INTO user_feature_usage (user_id, period_start, feature_id, period_end, used, updated_at)
  VALUES (${idInSql(number)}, '2020-01-01Z', '${FEATURE}', '2020-02-01Z', 1, now())
  ON CONFLICT (user_id, period_start, feature_id) DO UPDATE
  SET used = user_feature_usage.used + 1, updated_at = excluded.updated_at`;
/** Writes a script for pgbench. @param {string} name @param {string} text */
const script = (name, text) => {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
};
// The row that is hot has to be there.
const firstScript = script("first.sql", `${counting("1")};\n`);
const hotScript = script(
  "hot.sql",
  `UPDATE user_feature_usage SET used = used + 1, updated_at = now()
  WHERE user_id = ${idInSql("1")} AND period_start = '2020-01-01Z' AND feature_id = '${FEATURE}';
`,
);
const spreadScript = script(
  "spread.sql",
  `\\set number random(1, ${ACTIVE})
BEGIN;
${counting(":number")};
INSERT INTO usage_events
  (id, user_id, feature_id, period_start, kind, amount, used_after, limit_value, reservation_id, actor, created_at)
VALUES (gen_random_uuid(), ${idInSql(":number")}, '${FEATURE}', '2020-01-01Z', 'consumed', 1, 1, 1000, NULL, 'bench',
  now());
COMMIT;
`,
);
/** Transactions a second. @param {string} file @param {string[]} length */
const bench = async (file, ...length) => {
  const text = await say("pgbench", ["-n", "-M", "prepared", "-f", file, ...length, postgres]);
  return Number(/tps = ([\d.]+)/.exec(text)?.[1] ?? fail(`pgbench said:\n${text}`));
};
await bench(firstScript, "-t", "1");
/** @param {string} file */
const transactions = (file) => (/** @type {number} */ seconds) =>
  bench(file, "-c", String(COUNTING), "-j", "1", "-T", String(seconds));
/** @param {string | string[]} body */
const consuming = (body) => load({ ...consumeOnPostgres, body }, COUNTING);
const onPostgresRates = await rounds(
  [
    { what: "PostgreSQL: consume, one hot counter", load: consuming(about(1)) },
    { what: "PostgreSQL: pgbench, update of one row", load: transactions(hotScript) },
    { what: `PostgreSQL: consume, ${whole(ACTIVE)} users`, load: consuming(bodies) },
    { what: `PostgreSQL: pgbench, counter and ledger, ${whole(ACTIVE)} users`, load: transactions(spreadScript) },
  ],
  ROUNDS,
  SECONDS_A_ROUND,
);
const [hot, hotRow, spread, spreadRows] = onPostgresRates.map(({ rates }) => rates);
await stop(onPostgres.child);

console.log(`[5/7] Checking among ${whole(MILLION)} users`);
const large = sqlite("million");
await inner(["users", String(MILLION)], large);
const largeKey = await inner(["key"], large);
const million = await server(large);
const again = await server(small);
/** Active members spread evenly over all. */
const spreadBodies = bodies.map((_, index) => about(1 + index * (MILLION / ACTIVE)));
const largeCheck = { url: `${million.url}/api/v1/check`, headers: bearer(largeKey) };
const sizes = await rounds(
  [
    { what: `check, ${whole(ACTIVE)} users`, load: load({ ...check, url: `${again.url}/api/v1/check` }, ASKING) },
    {
      what: `check, ${whole(ACTIVE)} of ${whole(MILLION)} users`,
      load: load({ ...largeCheck, body: spreadBodies }, ASKING),
    },
  ],
  ROUNDS,
  SECONDS_A_ROUND,
);
// The time of an answer is the inverse of the rate.
const growth = ratio(sizes[0]?.rates, sizes[1]?.rates);
await stop(again.child);
const cold = performance.now();
// No two of them are neighbours, and each is read for the first time.
await sendMany((number) => ({ ...largeCheck, body: about(1 + ((number * 7_919) % MILLION)) }), 10_000, ASKING);
const coldRate = 10_000 / ((performance.now() - cold) / 1000);
console.log(`      ${whole(coldRate)} checks a second of users who are read for the first time`);

console.log(`[6/7] Flags, and memory after ${whole(DISTINCT)} users were asked about`);
const strangers = Array.from({ length: DISTINCT }, (_, index) => about(1 + ((index * 7_919) % MILLION)));
const distinctLoad = load({ ...largeCheck, body: strangers }, ASKING);
let asked = 0;
while (asked < DISTINCT) asked += 10 * (await distinctLoad(10));
await load({ url: `${million.url}/api/v1/consume`, headers: bearer(largeKey), body: spreadBodies }, COUNTING)(2);
/** OFREP for members in turn. @param {string} url @param {string} token */
const evaluate = (url, token) => {
  const contexts = bodies.map((_, index) => JSON.stringify({ context: { targetingKey: `user-${index + 1}` } }));
  return load({ url: `${url}/ofrep/v1/evaluate/flags`, headers: bearer(token), body: contexts }, ASKING);
};
await evaluate(million.url, largeKey)(2);
const memory = memoryOf(million.child.pid);
await stop(million.child);

console.log(`[7/7] ${FLAGS} flags, and a matrix of ${TIERS} tiers and ${whole(FEATURES)} features`);
await inner(["catalogue", "4", String(FLAGS)], small);
const flagServer = await server(small);
const evaluations = [{ what: `OFREP, ${FLAGS} flags`, load: evaluate(flagServer.url, key) }];
const flags = await rounds(evaluations, ROUNDS, SECONDS_A_ROUND);
const flagRate = median(flags[0]?.rates ?? []);
await stop(flagServer.child);
await inner(["catalogue", String(TIERS), String(FEATURES)], small);
const reads = (await inner(["matrix", String(PAGES)], small)).split("\n").map(Number);
const pages = await server(small);
// The first sign-in makes the member, the second the session of an admin.
await signIn(pages.url);
await command(["user", "promote", "ann@example.com"], small);
const admin = { url: `${pages.url}/admin/matrix`, headers: { cookie: await signIn(pages.url) } };
/** @type {number[]} */
const opened = [];
let page = 0;
for (let count = 0; count < PAGES; count++) {
  const began = performance.now();
  page = (await get(admin)).length;
  opened.push(performance.now() - began);
}
await stop(pages.child);
const busyAfter = await business();

const percent = (/** @type {number} */ value) => `${whole(value)} %`;
const times = (/** @type {number} */ value) => `${value.toFixed(1)} ×`;
/** @param {number[] | undefined} rates @param {number[] | undefined} others @returns {[number, string]} */
const inPercent = (rates, others) => [share(rates, others), percent(share(rates, others))];
/** @param {number[] | undefined} rates @param {number[] | undefined} others @returns {[number, string]} */
const inTimes = (rates, others) => [ratio(rates, others), times(ratio(rates, others))];
const growing = `${growth.toFixed(2)} ×`;
const matrix = `matrix of ${TIERS} × ${whole(FEATURES)}`;
const results = table([
  ["what", "goal", "measured", ""],
  verdict("decision about a user in memory", goals.decision, decision / 1000, `${(decision / 1000).toFixed(2)} µs`),
  verdict("check, of a bare handler's requests/s", goals.check, ...inPercent(checks[1]?.rates, checks[0]?.rates)),
  verdict(`SQLite: consume, of a loop that commits ${COUNTING}`, goals.together, ...inPercent(overHttp, together)),
  verdict("SQLite: consume, of one transaction a call", goals.alone, ...inTimes(overHttp, alone)),
  verdict("PostgreSQL: consume, one hot counter, of pgbench's update", goals.hot, ...inTimes(hot, hotRow)),
  verdict("PostgreSQL: consume, of pgbench's equal transaction", goals.spread, ...inPercent(spread, spreadRows)),
  verdict(`check among ${whole(MILLION)} users, of its time among ${whole(ACTIVE)}`, goals.million, growth, growing),
  verdict(`${matrix}, to the last byte`, goals.matrix, median(opened), `${whole(median(opened))} ms`),
  verdict(`OFREP, ${FLAGS} flags in a request`, goals.flags, flagRate, `${whole(flagRate)}/s`),
  verdict(`memory at ${whole(MILLION)} users`, goals.memory, memory.all / 1e6, megabytes(memory.all)),
]);
const all = [...checks, ...counts, ...onPostgresRates, ...sizes, ...flags];
const rates = table([
  ["what", "a second, median", "all rounds"],
  ...all.map(({ what, rates }) => [what, whole(median(rates)), span(rates)]),
  [`check, each of ${whole(MILLION)} users for the first time`, whole(coldRate), ""],
]);
const details = table([
  ["what", "measured"],
  ["a decision as JSON, beside the decision", `${(asJson / 1000).toFixed(2)} µs`],
  ["an answer to a check", `${answer.length} bytes`],
  [`${matrix}: what the service reads, first and median`, `${whole(reads[0] ?? NaN)} and ${whole(median(reads))} ms`],
  [`${matrix}: the page, first and all`, `${whole(opened[0] ?? NaN)} and ${span(opened)} ms`],
  [`${matrix}: the page`, megabytes(page)],
  [`SQLite's file with ${whole(MILLION)} users`, megabytes(statSync(join(directory, "million.db")).size)],
  [`memory at ${whole(MILLION)} users`, sharesOf(memory)],
]);
writeFigures("deciding and counting", circumstances(busyBefore, busyAfter), [results, rates, details]);
process.exit();
