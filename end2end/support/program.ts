// Starts and stops the program under test, alone in an empty directory, as it is delivered.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

import { eventually } from "./eventually.ts";

const binary = resolve(import.meta.dirname, "..", process.env.VOUCHSAFE_BIN ?? "../target/release/vouchsafe");

/** A mail that did not leave, as /dev/mailbox.json shows it. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
  html: string;
  sent_at: string;
}

export class Program {
  readonly url: string;
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #environment: NodeJS.ProcessEnv;
  #output = "";

  private constructor(url: string, directory: string, environment: NodeJS.ProcessEnv) {
    this.url = url;
    this.directory = directory;
    this.#environment = environment;
    this.#process = spawn(binary, ["serve"], { cwd: directory, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const listen = (chunk: Buffer) => (this.#output += chunk.toString());
    this.#process.stdout?.on("data", listen);
    this.#process.stderr?.on("data", listen);
    this.#process.on("error", (error) => (this.#output += String(error)));
  }

  /** Starts the program and waits until it is ready. */
  static async start(settings: Record<string, string> = {}): Promise<Program> {
    const directory = await mkdtemp(join(tmpdir(), "vouchsafe-e2e-"));
    const port = await freePort();
    // Nothing is inherited: the program refuses variables that it does not know.
    const program = new Program(`http://127.0.0.1:${port}`, directory, {
      PATH: process.env.PATH,
      DATABASE_URL: `sqlite:${join(directory, "vouchsafe.db")}`,
      VOUCHSAFE_LISTEN: `127.0.0.1:${port}`,
      // Each test names its own client address: codes are rationed by network.
      VOUCHSAFE_TRUSTED_PROXIES: "127.0.0.0/8",
      ...settings,
    });
    try {
      await eventually("the program is ready", () => program.#isReady());
    } catch (error) {
      await program.stop().catch(() => undefined);
      throw error;
    }
    return program;
  }

  async #isReady(): Promise<true | undefined> {
    if (this.#process.exitCode !== null) throw new Error(`the program ended:\n${this.#output}`);
    const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
    return answer?.ok || undefined;
  }

  /** Everything that the program has written so far. */
  get output(): string {
    return this.#output;
  }

  /** The path of the one-time link that the program prints while there is no admin. */
  async claimPath(): Promise<string> {
    return eventually("the admin link is printed", () => /\/admin\/claim\?token=\S+/.exec(this.#output)?.[0]);
  }

  /** Runs a command of the program on the same database, and returns what it prints. */
  async run(...words: string[]): Promise<string> {
    const ended = await promisify(execFile)(binary, words, { cwd: this.directory, env: this.#environment });
    return ended.stdout;
  }

  /** The mails to an address, the newest first. */
  async mailsTo(address: string): Promise<Mail[]> {
    const answer = await fetch(`${this.url}/dev/mailbox.json`);
    if (!answer.ok) throw new Error(`/dev/mailbox.json answers ${answer.status}`);
    const mails = (await answer.json()) as Mail[];
    return mails.filter((mail) => mail.to === address);
  }

  /** Waits for a code in a mail beside the `known` ones to an address, and returns it. */
  async codeFor(address: string, known: number): Promise<string> {
    return this.inMail(`a code for ${address}`, address, /^\s*(\d{6})\s*$/m, known);
  }

  /** Waits for a mail beside the `known` ones to an address that says something, and returns that. */
  async inMail(what: string, address: string, pattern: RegExp, known = 0): Promise<string> {
    return eventually(`${what} is in the mailbox`, async () => {
      const mails = await this.mailsTo(address);
      const fresh = mails.slice(0, Math.max(0, mails.length - known));
      return fresh.map((mail) => pattern.exec(mail.text)?.[1]).find((found) => found !== undefined);
    });
  }

  /** Asks the program to end, and fails if it does not do so by itself. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.pid !== undefined) {
      this.#process.kill("SIGTERM");
      const ended = eventually("the program ends", async () => this.#process.exitCode !== null || undefined, 5_000);
      await ended.catch(async (error: unknown) => {
        this.#process.kill("SIGKILL");
        await pause(100);
        throw error;
      });
    }
    await rm(this.directory, { recursive: true, force: true });
    if (this.#process.exitCode !== 0) {
      throw new Error(`the program ended with ${this.#process.exitCode}:\n${this.#output}`);
    }
  }
}

/** A port that is free now; the system hands out others before it comes back to this one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
