// What the measurements have in common: programs that are started and ended, requests, wrk, figures, and the document
// that they are written into. A figure that falls short is reported and ends nothing.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import http from "node:http";
import { connect, createServer } from "node:net";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

export const root = resolve(import.meta.dirname, "..");
const program = join(root, "target/release/vouchsafe");
const baseline = join(root, "target/release/vouchsafe-baseline");
const report = join(root, "docs/benchmarks.md");

/** wrk: one thread, so that on two cores one is left for the server. */
const THREADS = 1;

/** What a file system that only lives in memory calls itself. */
const TMPFS = 0x01021994;

// On the disk of the project: where a system keeps its temporary files may be memory, which syncs for nothing.
mkdirSync(join(root, "target/tmp"), { recursive: true });
export const directory = mkdtempSync(join(root, "target/tmp/bench-"));
/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

/** Ends the whole run after so many seconds. @param {number} seconds */
export function cutOffAfter(seconds) {
  setTimeout(() => fail(`The measurement took more than ${seconds} s and was cut off.`), seconds * 1000).unref();
}

/** @param {string} message @returns {never} */
export function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

/** Whether what is synced here reaches a disk. */
export const isOnDisk = () => statfsSync(directory).type !== TMPFS;

/**
 * @param {string} file
 * @param {string[]} words
 * @param {Record<string, string>} settings
 */
export function start(file, words, settings = {}) {
  // Nothing is inherited: the program refuses variables that it does not know, and in an empty directory it finds no
  // configuration but its own.
  const environment = { PATH: process.env.PATH ?? "", ...settings };
  const child = spawn(file, words, { cwd: directory, env: environment, stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** @param {import("node:child_process").ChildProcess} child */
export async function stop(child) {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/**
 * Runs something to its end and returns what it said.
 * @param {string} file
 * @param {string[]} words
 * @param {Record<string, string>} settings
 */
export async function say(file, words, settings = {}) {
  const child = start(file, words, settings);
  const ended = once(child, "close");
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part) => (text += part));
  const [code] = await ended;
  if (code !== 0) fail(`${file} ${words.join(" ")} ended with ${code}.`);
  return text.trim();
}

/** A port that is free now. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** The address of a database of this run, in SQLite. @param {string} [name] */
export const sqlite = (name = "vouchsafe") => `sqlite:${join(directory, `${name}.db`)}`;

/** What the program needs beside a database, also one on a server. */
export const SETTINGS = { VOUCHSAFE_LOG: "warn", VOUCHSAFE_SECRET: "a secret for measuring, which guards nothing at all" };

/** Starts the program. @param {number} port @param {string} [database] @param {Record<string, string>} [more] */
export function serve(port, database = sqlite(), more = {}) {
  const settings = { ...SETTINGS, ...more, DATABASE_URL: database, VOUCHSAFE_LISTEN: `127.0.0.1:${port}` };
  const child = start(program, ["serve"], settings);
  // Read, or the pipe fills up; the greeting is of no use here.
  child.stdout.resume();
  return child;
}

/**
 * Starts the program and waits until it is ready.
 * @param {string} [database]
 * @param {Record<string, string>} [more] settings
 */
export async function server(database, more) {
  const port = await freePort();
  const child = serve(port, database, more);
  await ready(port, child);
  return { url: `http://127.0.0.1:${port}`, child };
}

/** Runs another command of the program. @param {string[]} words @param {string} [database] */
export const command = (words, database = sqlite()) => say(program, words, { ...SETTINGS, DATABASE_URL: database });

/**
 * Starts what we compare with, see benches/baseline, and returns its address.
 * @param {string[]} words
 */
export async function startBaseline(...words) {
  const child = start(baseline, words);
  const [address] = await once(createInterface({ input: child.stdout }), "line");
  return { url: /** @type {string} */ (address), child };
}

/**
 * Asks /readyz again and again until it answers 200.
 * @param {number} port
 * @param {import("node:child_process").ChildProcess} child
 */
export async function ready(port, child) {
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
export async function signIn(url, email = "ann@example.com") {
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
  /** @returns {Promise<any>} */
  const newest = async () => (await (await fetch(`${url}/dev/mailbox.json`)).json())[0];
  // Who signs in again has the mail of last time there, with a code that is used up.
  const last = (await newest())?.id;
  const pending = await send("/login", { email });
  for (let tries = 0; tries < 500; tries++) {
    const mail = await newest();
    const code = /^\s*(\d{6})\s*$/m.exec(mail?.text ?? "")?.[1];
    if (code && mail.id !== last) return send("/verify", { code }, pending);
    await pause(10);
  }
  return fail("No code came into the mailbox.");
}

/**
 * `body` makes it a POST of JSON. Where there are many, wrk sends them in turn.
 * @typedef {{ url: string, headers?: Record<string, string>, body?: string | string[] }} Request
 */

/**
 * Fetches something, which must answer 200, and returns its bytes as they came.
 * @param {Request} request
 * @param {http.Agent} [agent]
 * @returns {Promise<Buffer>}
 */
export function get({ url, headers = {}, body }, agent) {
  const json = Array.isArray(body) ? body[0] : body;
  const post = json === undefined ? {} : { method: "POST" };
  const type = json === undefined ? {} : { "content-type": "application/json" };
  return new Promise((done, refuse) => {
    const options = { ...post, headers: { ...type, ...headers }, ...(agent && { agent }) };
    const request = http.request(url, options, (answer) => {
      /** @type {Buffer[]} */
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", refuse);
      answer.on("end", () => {
        if (answer.statusCode === 200) done(Buffer.concat(chunks));
        else refuse(new Error(`${url} answers ${answer.statusCode} instead of 200: ${Buffer.concat(chunks)}`));
      });
    });
    request.on("error", refuse);
    request.end(json);
  });
}

/**
 * Sends requests in turn over a fixed number of connections.
 * @param {(number: number) => Request} request
 * @param {number} count
 * @param {number} connections
 */
export async function sendMany(request, count, connections) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  let sent = 0;
  const send = async () => {
    while (sent < count) await get(request(sent++), agent);
  };
  await Promise.all(Array.from({ length: connections }, send));
  agent.destroy();
}

/**
 * The memory of a process in bytes: in all, and what is its own and not a page of a file.
 * @param {number | undefined} pid
 */
export function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  /** @param {string} name */
  const line = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  return { all: line("VmRSS"), own: line("RssAnon") };
}

/** Sends the lines of a file as bodies, one after the other, from a line that chance takes. */
const SCRIPT = `
local requests, count, last = {}, 0, 0
function init(words)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for body in io.lines(words[1]) do
    count = count + 1
    requests[count] = wrk.format(nil, nil, nil, body)
  end
  math.randomseed(tonumber(words[2]))
  last = math.random(count)
end
function request()
  last = last % count + 1
  return requests[last]
end
`;
const script = join(directory, "post.lua");
writeFileSync(script, SCRIPT);
let bodies = 0;

/**
 * Makes a load of a request: a function that sends it for so many seconds over so many connections, and returns how
 * many a second wrk got answered with 200.
 * @param {Request} request
 * @param {number} connections
 */
export function load({ url, headers = {}, body }, connections) {
  const lines = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const ending = [url];
  if (body !== undefined) {
    const file = join(directory, `bodies-${bodies++}`);
    writeFileSync(file, [body].flat().join("\n"));
    ending.unshift("-s", script);
    ending.push("--", file);
  }
  let round = 0;
  /** @param {number} seconds */
  return async (seconds) => {
    const seed = body === undefined ? [] : [String(++round)];
    const words = [`-t${THREADS}`, `-c${connections}`, `-d${seconds}s`, ...lines, ...ending, ...seed];
    const { stdout } = await promisify(execFile)("wrk", words);
    const problem = /Non-2xx.*|Socket errors.*/.exec(stdout);
    if (problem) fail(`wrk on ${url}: ${problem[0]}`);
    return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? fail(`wrk said:\n${stdout}`));
  };
}

/**
 * Something whose rate is measured: `load` takes seconds and returns what was done in each.
 * @typedef {{ what: string, load: (seconds: number) => Promise<number> }} Target
 */

/**
 * Measures rates, one target after the other in each round, so that what disturbs the machine disturbs them alike.
 * @param {Target[]} targets
 * @param {number} rounds
 * @param {number} seconds of each target in each round
 */
export async function rounds(targets, rounds, seconds) {
  const measured = targets.map((target) => ({ ...target, rates: /** @type {number[]} */ ([]) }));
  for (const { load } of measured) await load(1);
  for (let round = 1; round <= rounds; round++) {
    for (const { load, rates } of measured) rates.push(await load(seconds));
    console.log(`      ${round}/${rounds}: ${measured.map(({ rates }) => whole(rates.at(-1) ?? 0)).join(" · ")}`);
  }
  return measured;
}

/** How much of the machine is busy for the next two seconds, in percent. */
export async function business() {
  const idle = () => cpus().reduce((sum, { times }) => sum + times.idle, 0);
  const [began, before] = [performance.now(), idle()];
  await pause(2000);
  return 100 * Math.max(0, 1 - (idle() - before) / cpus().length / (performance.now() - began));
}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? fail("There is nothing to take a median of.");
  return sorted.length % 2 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/**
 * How many times other rates these are: the median of the ratios within each round.
 * @param {number[] | undefined} rates
 * @param {number[] | undefined} others
 */
export const ratio = (rates = [], others = []) => median(rates.map((rate, round) => rate / (others[round] ?? NaN)));
/** The same in percent. @param {number[] | undefined} rates @param {number[] | undefined} others */
export const share = (rates, others) => 100 * ratio(rates, others);

/** @param {number[]} values */
export const span = (values) => `${whole(Math.min(...values))}–${whole(Math.max(...values))}`;
/** @param {number} value */
export const whole = (value) => Math.round(value).toLocaleString("en-US");
/** @param {number} bytes */
export const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB (${(bytes / 1024).toFixed(1)} KiB)`;
/** @param {number} bytes */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB (${(bytes / 2 ** 20).toFixed(1)} MiB)`;

/** @param {{ all: number, own: number }} memory */
export const sharesOf = ({ all, own }) => `${megabytes(all)}, of it its own ${megabytes(own)}`;

/** @param {string[][]} rows */
export function table(rows) {
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
export function verdict(what, { most = Infinity, least = -Infinity, unit }, value, words) {
  const number = (/** @type {number} */ value) => value.toLocaleString("en-US");
  const bound = most < Infinity ? `≤ ${number(most)} ${unit}` : `≥ ${number(least)} ${unit}`;
  return [what, bound, words, least <= value && value <= most ? "reached" : "fell short"];
}

/** When and where this was measured. @param {number} busyBefore @param {number} busyAfter */
export function circumstances(busyBefore, busyAfter) {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const kernel = /^\d+\.\d+/.exec(release())?.[0];
  const date = new Date().toISOString().slice(0, 10);
  return (
    `Measured on ${date} with ${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory, ` +
    `${system}, Linux ${kernel}. Others kept ${whole(busyBefore)} % of it busy before the run and ` +
    `${whole(busyAfter)} % after.`
  );
}

/**
 * Writes figures into docs/benchmarks.md, between the lines that are theirs, and prints the tables.
 * @param {string} chapter
 * @param {string} where
 * @param {string[]} tables
 */
export function writeFigures(chapter, where, tables) {
  console.log(`\n${tables.join("\n\n")}\n`);
  const [open, close] = [`<!-- Written by make bench: ${chapter}. -->`, `<!-- End of ${chapter}. -->`];
  const text = readFileSync(report, "utf8");
  const [from, to] = [text.indexOf(open), text.indexOf(close)];
  if (from < 0 || to < from) fail(`docs/benchmarks.md lacks the lines between which figures stand: ${open} ${close}`);
  writeFileSync(report, `${text.slice(0, from)}${open}\n\n${[where, ...tables].join("\n\n")}\n\n${text.slice(to)}`);
  console.log("Written into docs/benchmarks.md.");
}
