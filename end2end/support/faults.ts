// Collects what a browser has to complain about: messages on the console (violations of the Content-Security-Policy
// among them), errors in scripts, requests that fail, and answers with an error that a test does not expect.

import type { BrowserContext } from "@playwright/test";

import type { Islands } from "./test.ts";

export class Faults {
  readonly found: string[] = [];
  readonly #expected = new Set<string>();
  readonly #islands: Islands;

  constructor(islands: Islands) {
    this.#islands = islands;
  }

  /** Says that a path will answer with an error in this test. */
  expect(status: number, path: string): void {
    this.#expected.add(`${status} ${path}`);
  }

  watch(context: BrowserContext): void {
    context.on("response", (response) => {
      const answer = `${response.status()} ${new URL(response.url()).pathname}`;
      if (response.status() >= 400 && !this.#expected.has(answer)) this.found.push(answer);
    });
    context.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText ?? "";
      // Whoever leaves a page calls off what it was still loading.
      if (reason !== "net::ERR_ABORTED" && !this.#isBlocked(request.url())) {
        this.found.push(`${request.url()} ${reason}`);
      }
    });
    context.on("console", (message) => {
      const isComplaint = message.type() === "error" || message.type() === "warning";
      const text = message.text();
      // Answers with an error are judged above.
      const isAnswer = text.startsWith("Failed to load resource: the server responded");
      // A letter that is shown runs no script, not even the test's own.
      const isOurs = /^Blocked script execution in '(about:blank|[^']*\/preview)' because/.test(text);
      // Nobody uses the wasm file while it is kept away.
      const isUnused = this.#islands !== "alive" && text.includes(".wasm was preloaded using link preload but not used");
      if (isComplaint && !isAnswer && !isOurs && !isUnused && !this.#isBlocked(message.location().url)) {
        this.found.push(`${message.type()}: ${text}`);
      }
    });
    context.on("weberror", (error) => {
      const { message } = error.error();
      if (!(this.#islands === "blocked" && message.includes("Failed to fetch"))) this.found.push(message);
    });
  }

  /** Whether the test itself keeps this from loading; a browser without JavaScript gives up scripts as it meets them. */
  #isBlocked(url: string): boolean {
    const blocked = { alive: undefined, late: undefined, blocked: ".wasm", off: ".js" }[this.#islands];
    return blocked !== undefined && url.endsWith(blocked);
  }
}
