// Measures size, speed, memory and start-up, prints them and writes them into docs/benchmarks.md. Run by
// scripts/bench.sh, after the program and the baseline are built.

import {
  business,
  circumstances,
  cutOffAfter,
  fail,
  freePort,
  get,
  kilobytes,
  load,
  median,
  megabytes,
  memoryOf,
  ready,
  rounds,
  sendMany,
  serve,
  share,
  sharesOf,
  signIn,
  span,
  startBaseline,
  stop,
  table,
  verdict,
  whole,
  writeFigures,
} from "./measuring.mjs";

/** The whole run is cut off after this many seconds. */
const LONGEST_RUN = 170;
const CONNECTIONS = 32;
const ROUNDS = 5;
const SECONDS_A_ROUND = 3;
const REQUESTS = 10_000;
const STARTS = 11;

const goals = {
  wasm: { most: 90, unit: "KB" },
  login: { least: 50, unit: "%" },
  memory: { most: 60, unit: "MB" },
  start: { most: 300, unit: "ms" },
};

cutOffAfter(LONGEST_RUN);
const busyBefore = await business();
const port = await freePort();
const url = `http://127.0.0.1:${port}`;

console.log("[1/4] Size of what a browser fetches");
const server = serve(port);
await ready(port, server);
const cookie = await signIn(url);
const settings = { url: `${url}/settings`, headers: { cookie } };
const html = (await get(settings)).toString();
/** A file as a browser gets it, its path taken from the page. @param {RegExp} name */
const file = (name) => {
  const path = name.exec(html)?.[0] ?? fail(`No ${name} on /settings.`);
  return { url: url + path, headers: { "accept-encoding": "br" } };
};
const wasm = file(/\/pkg\/[^"']*\.wasm/);
const sizes = {
  wasm: (await get(wasm)).length,
  script: (await get(file(/\/pkg\/[^"']*\.js/))).length,
  style: (await get(file(/\/pkg\/[^"']*\.css/))).length,
};

console.log(`[2/4] Memory after ${whole(REQUESTS)} requests`);
const login = { url: `${url}/login` };
const health = { url: `${url}/healthz` };
const inTurn = [login, health, settings, wasm];
const memoryBefore = memoryOf(server.pid);
await sendMany((number) => inTurn[number % inTurn.length] ?? login, REQUESTS, CONNECTIONS);
const memoryAfter = memoryOf(server.pid);

console.log(`[3/4] Requests per second, ${ROUNDS} rounds of ${SECONDS_A_ROUND} s each`);
const other = await startBaseline();
const requests = [
  { what: "axum, a constant", request: { url: `${other.url}/constant` } },
  { what: "`/healthz`", request: health },
  { what: "the barest Leptos page", request: { url: `${other.url}/page` } },
  { what: "`/login`", request: login },
  { what: "`/settings`, signed in", request: settings },
];
for (const { request } of requests) await get(request);
const targets = await rounds(
  requests.map(({ what, request }) => ({ what, load: load(request, CONNECTIONS) })),
  ROUNDS,
  SECONDS_A_ROUND,
);
const [constant, , barest, logins] = targets.map(({ rates }) => rates);
const loginShare = share(logins, barest);
const memoryAtEnd = memoryOf(server.pid);
await stop(other.child);
await stop(server);

console.log(`[4/4] Time to start, ${STARTS} times`);
/** @type {number[]} */
const times = [];
for (let count = 0; count < STARTS; count++) {
  const began = performance.now();
  const child = serve(port);
  await ready(port, child);
  times.push(performance.now() - began);
  await stop(child);
}
const busyAfter = await business();

const results = table([
  ["what", "goal", "measured", ""],
  verdict("wasm, brotli", goals.wasm, sizes.wasm / 1000, kilobytes(sizes.wasm)),
  verdict("`/login`, of the barest Leptos page's requests/s", goals.login, loginShare, `${whole(loginShare)} %`),
  verdict(`memory after ${whole(REQUESTS)} requests`, goals.memory, memoryAfter.all / 1e6, megabytes(memoryAfter.all)),
  verdict("start to the first 200 of `/readyz`, median", goals.start, median(times), `${whole(median(times))} ms`),
]);
const rates = table([
  ["answer", "requests/s, median", "all rounds", "of axum's constant", "of the barest page"],
  ...targets.map(({ what, rates }) => [
    what,
    whole(median(rates)),
    span(rates),
    `${whole(share(rates, constant))} %`,
    `${whole(share(rates, barest))} %`,
  ]),
]);
const details = table([
  ["what", "measured"],
  ["script beside the wasm, brotli", kilobytes(sizes.script)],
  ["style sheet, brotli", kilobytes(sizes.style)],
  ["memory after one sign-in", sharesOf(memoryBefore)],
  [`memory after ${whole(REQUESTS)} requests`, sharesOf(memoryAfter)],
  ["memory after all rounds of wrk", sharesOf(memoryAtEnd)],
  [`time to start, ${STARTS} times`, `${span(times)} ms`],
]);
writeFigures("size and speed", circumstances(busyBefore, busyAfter), [results, rates, details]);
process.exit();
