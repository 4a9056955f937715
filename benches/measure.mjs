// Measures the figures of docs/benchmarks.md, prints them and writes them there. Run by scripts/bench.sh, after the
// program and the baseline are built. A figure that falls short is reported and ends nothing.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { connect, createServer } from "node:net";
import { availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "..");
const program = join(root, "target/release/vouchsafe");
const baseline = join(root, "target/release/vouchsafe-baseline");
const report = join(root, "docs/benchmarks.md");

/** The whole run is cut off after this many seconds. */
const LONGEST_RUN = 170;
/** wrk: one thread, so that on two cores one is left for the server, and this many connections. */
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

const directory = mkdtempSync(join(tmpdir(), "vouchsafe-bench-"));
/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));
setTimeout(() => fail(`The measurement took more than ${LONGEST_RUN} s and was cut off.`), LONGEST_RUN * 1000).unref();

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

/** @param {string} file @param {string[]} words @param {Record<string, string>} settings */
function start(file, words, settings = {}) {
  // Nothing is inherited: the program refuses variables that it does not know, and in an empty directory it finds no
  // configuration but its own.
  const environment = { PATH: process.env.PATH ?? "", ...settings };
  const child = spawn(file, words, { cwd: directory, env: environment, stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** @param {import("node:child_process").ChildProcess} child */
async function stop(child) {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** Starts the program on the database of this run. @param {number} port */
function serve(port) {
  const child = start(program, ["serve"], {
    DATABASE_URL: `sqlite:${join(directory, "vouchsafe.db")}`,
    VOUCHSAFE_LISTEN: `127.0.0.1:${port}`,
    VOUCHSAFE_LOG: "warn",
  });
  // Read, or the pipe fills up; the greeting is of no use here.
  child.stdout?.resume();
  return child;
}

/**
 * Asks /readyz again and again until it answers 200.
 * @param {number} port
 * @param {import("node:child_process").ChildProcess} child
 */
async function ready(port, child) {
  while (!(await saysReady(port))) {
    if (child.exitCode !== null) fail(`The program ended with ${child.exitCode}.`);
    await pause(1);
  }
}

/** @param {number} port @returns {Promise<boolean>} */
function saysReady(port) {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    socket.on("connect", () => socket.write("GET /readyz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"));
    socket.once("data", (bytes) => {
      socket.destroy();
      done(bytes.toString("latin1").startsWith("HTTP/1.1 200 "));
    });
    socket.on("error", () => done(false));
    socket.on("close", () => done(false));
  });
}

/** Signs somebody in, as a browser without scripts does it, and returns the cookie. @param {string} url */
async function signIn(url) {
  /** @param {string} path @param {Record<string, string>} fields @param {string} cookie */
  const send = async (path, fields, cookie = "") => {
    const answer = await fetch(url + path, {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { origin: url, cookie },
      redirect: "manual",
    });
    if (answer.status !== 303) fail(`POST ${path} answers ${answer.status} instead of 303.`);
    const cookies = answer.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
    // One without a value is one that is taken away.
    return cookies.filter((line) => !/^[^=]*=$/.test(line)).join("; ");
  };
  const pending = await send("/login", { email: "ann@example.com" });
  for (let tries = 0; tries < 500; tries++) {
    const mails = await (await fetch(`${url}/dev/mailbox.json`)).json();
    const code = /^\s*(\d{6})\s*$/m.exec(mails[0]?.text ?? "")?.[1];
    if (code) return send("/verify", { code }, pending);
    await pause(10);
  }
  return fail("No code came into the mailbox.");
}

/** @typedef {{ url: string, headers?: Record<string, string> }} Request */

/**
 * Fetches something, which must answer 200, and returns its bytes as they came.
 * @param {Request} request
 * @param {http.Agent} [agent]
 * @returns {Promise<Buffer>}
 */
function get({ url, headers = {} }, agent) {
  return new Promise((done, refuse) => {
    const request = http.get(url, { headers, ...(agent && { agent }) }, (answer) => {
      /** @type {Buffer[]} */
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", refuse);
      answer.on("end", () => {
        if (answer.statusCode === 200) done(Buffer.concat(chunks));
        else refuse(new Error(`${url} answers ${answer.statusCode} instead of 200.`));
      });
    });
    request.on("error", refuse);
  });
}

/** Sends requests in turn over a fixed number of connections. @param {Request[]} requests @param {number} count */
async function sendMany(requests, count) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let sent = 0;
  const send = async () => {
    while (sent < count) await get(/** @type {Request} */ (requests[sent++ % requests.length]), agent);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, send));
  agent.destroy();
}

/**
 * The memory of a process in bytes: in all, and what is its own and not a page of a file.
 * @param {number | undefined} pid
 */
function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  /** @param {string} name */
  const line = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  return { all: line("VmRSS"), own: line("RssAnon") };
}

/** Requests per second that wrk gets answered with 200. @param {Request} request @param {number} seconds */
async function load({ url, headers = {} }, seconds) {
  const lines = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const { stdout } = await promisify(execFile)("wrk", ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, ...lines, url]);
  const problem = /Non-2xx.*|Socket errors.*/.exec(stdout);
  if (problem) fail(`wrk on ${url}: ${problem[0]}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? fail(`wrk said:\n${stdout}`));
}

/** How much of the machine is busy for the next two seconds, in percent. */
async function business() {
  const idle = () => cpus().reduce((sum, { times }) => sum + times.idle, 0);
  const [began, before] = [performance.now(), idle()];
  await pause(2000);
  return 100 * Math.max(0, 1 - (idle() - before) / cpus().length / (performance.now() - began));
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? fail("There is nothing to take a median of.");
  return sorted.length % 2 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** @param {number[]} values */
const span = (values) => `${whole(Math.min(...values))}–${whole(Math.max(...values))}`;
/** @param {number} value */
const whole = (value) => Math.round(value).toLocaleString("en-US");
/** @param {number} bytes */
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB (${(bytes / 1024).toFixed(1)} KiB)`;
/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB (${(bytes / 2 ** 20).toFixed(1)} MiB)`;

/** @param {{ all: number, own: number }} memory */
const sharesOf = ({ all, own }) => `${megabytes(all)}, of it its own ${megabytes(own)}`;

/** @param {string[][]} rows */
function table(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines.join("\n");
}

/**
 * A row that says whether a goal is reached.
 * @param {string} what
 * @param {{ most?: number, least?: number, unit: string }} goal
 * @param {number} value
 * @param {string} words
 */
function verdict(what, { most = Infinity, least = -Infinity, unit }, value, words) {
  const bound = most < Infinity ? `≤ ${most} ${unit}` : `≥ ${least} ${unit}`;
  return [what, bound, words, least <= value && value <= most ? "reached" : "fell short"];
}

const busyBefore = await business();
const port = await freePort();
const url = `http://127.0.0.1:${port}`;

console.log("[1/4] Size of what a browser fetches");
const server = serve(port);
await ready(port, server);
const cookie = await signIn(url);
const settings = { url: `${url}/settings`, headers: { cookie } };
const html = (await get(settings)).toString();
/** A file as a browser gets it, its path taken from the page. @param {RegExp} name @returns {Request} */
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
const memoryBefore = memoryOf(server.pid);
await sendMany([login, health, settings, wasm], REQUESTS);
const memoryAfter = memoryOf(server.pid);

console.log(`[3/4] Requests per second, ${ROUNDS} rounds of ${SECONDS_A_ROUND} s each`);
const other = start(baseline, []);
const [address] = await once(createInterface({ input: other.stdout }), "line");
const targets = [
  { what: "axum, a constant", request: { url: `${address}/constant` } },
  { what: "`/healthz`", request: health },
  { what: "the barest Leptos page", request: { url: `${address}/page` } },
  { what: "`/login`", request: login },
  { what: "`/settings`, signed in", request: settings },
].map((target) => ({ ...target, rates: /** @type {number[]} */ ([]) }));
for (const { request } of targets) {
  await get(request);
  await load(request, 1);
}
for (let round = 1; round <= ROUNDS; round++) {
  // One after the other in each round, so that what disturbs the machine disturbs them alike.
  for (const { request, rates } of targets) rates.push(await load(request, SECONDS_A_ROUND));
  console.log(`      ${round}/${ROUNDS}: ${targets.map(({ rates }) => whole(rates.at(-1) ?? 0)).join(" · ")}`);
}
const [constant, , barest, logins] = targets.map(({ rates }) => rates);
/**
 * How much of other rates these are, in percent: the median of the ratios within each round.
 * @param {number[] | undefined} rates
 * @param {number[] | undefined} others
 */
const share = (rates = [], others = []) => median(rates.map((rate, round) => (100 * rate) / (others[round] ?? NaN)));
const loginShare = share(logins, barest);
const memoryAtEnd = memoryOf(server.pid);
await stop(other);
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
const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
const kernel = /^\d+\.\d+/.exec(release())?.[0];
const machine =
  `${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory, ${system}, ` +
  `Linux ${kernel}. Others kept ${whole(busyBefore)} % of it busy before the run and ${whole(busyAfter)} % after`;

console.log(`\n${results}\n\n${rates}\n\n${details}\n`);
const [open, close] = ["<!-- Written by make bench. -->", "<!-- End of what make bench writes. -->"];
const text = readFileSync(report, "utf8");
const [from, to] = [text.indexOf(open), text.indexOf(close)];
if (from < 0 || to < from) fail(`docs/benchmarks.md lacks the lines between which figures stand: ${open} ${close}`);
const date = new Date().toISOString().slice(0, 10);
const figures = [`Measured on ${date} with ${machine}.`, results, rates, details].join("\n\n");
writeFileSync(report, `${text.slice(0, from)}${open}\n\n${figures}\n\n${text.slice(to)}`);
console.log("Written into docs/benchmarks.md.");
process.exit();
