import { setTimeout as pause } from "node:timers/promises";

/** Asks again until there is an answer. */
export async function eventually<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  milliseconds = 10_000,
): Promise<T> {
  const end = Date.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`in ${milliseconds} ms it never came to this: ${what}`);
    await pause(20);
  }
}
