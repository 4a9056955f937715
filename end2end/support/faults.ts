// Collects what a browser has to complain about: messages on the console (violations of the Content-Security-Policy
// among them), errors in scripts, requests that fail, and answers with an error that a test does not expect.

import type { BrowserContext } from "@playwright/test";

export class Faults {
  readonly found: string[] = [];
  readonly #expected = new Set<string>();
  readonly #wasmIsBlocked: boolean;

  constructor(wasmIsBlocked: boolean) {
    this.#wasmIsBlocked = wasmIsBlocked;
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
      // Answers with an error are judged above.
      const isAnswer = message.text().startsWith("Failed to load resource: the server responded");
      if (isComplaint && !isAnswer && !this.#isBlocked(message.location().url)) {
        this.found.push(`${message.type()}: ${message.text()}`);
      }
    });
    context.on("weberror", (error) => {
      const { message } = error.error();
      if (!(this.#wasmIsBlocked && message.includes("Failed to fetch"))) this.found.push(message);
    });
  }

  #isBlocked(url: string): boolean {
    return this.#wasmIsBlocked && url.endsWith(".wasm");
  }
}
