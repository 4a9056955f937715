// Signing in with mails that really leave.

import { SMTPServer } from "smtp-server";

import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/program.ts";
import { expect, test } from "../support/test.ts";
import { SETTINGS } from "../support/visitor.ts";

/** A mail server that keeps what it receives. */
async function startMailServer(port: number, letters: string[]): Promise<SMTPServer> {
  const server = new SMTPServer({
    authOptional: true,
    // The program keeps its connection for the next letter.
    closeTimeout: 1,
    disabledCommands: ["AUTH", "STARTTLS"],
    onData(stream, _session, received) {
      let letter = "";
      stream.on("data", (chunk: Buffer) => (letter += chunk.toString()));
      stream.on("end", () => {
        letters.push(letter);
        received();
      });
    },
  });
  await new Promise<void>((listening) => server.listen(port, "127.0.0.1", listening));
  return server;
}

test.use({
  settings: async ({}, use) => use({ VOUCHSAFE_SMTP_URL: `smtp://127.0.0.1:${await freePort()}` }),
});

test("a code that could not be mailed is mailed when the mail server is back", { tag: "@alive" }, async ({
  page,
  program,
  settings,
}) => {
  await page.goto("/login");
  await page.getByLabel("E-mail address").fill("ann@example.com");
  await page.getByRole("button", { name: "Send code" }).click();
  await expect(page).toHaveURL("/verify");
  await eventually("the mail server was not there", () => program.output.includes("is tried again") || undefined);

  const letters: string[] = [];
  const mailServer = await startMailServer(Number(settings?.VOUCHSAFE_SMTP_URL?.split(":").at(-1)), letters);
  try {
    const letter = await eventually("the letter arrives", () => letters[0]);
    expect(letter).toMatch(/^To: ann@example\.com\r$/m);
    expect(letter).toMatch(/^Content-Type: multipart\/alternative;/m);
    expect(letter).toMatch(/^Content-Type: text\/plain; charset=utf-8\r$/m);
    expect(letter).toMatch(/^Content-Type: text\/html; charset=utf-8\r$/m);
    const code = /^ +(\d{6})\r$/m.exec(letter)?.[1] ?? "";
    expect(letter).toContain(`Subject: ${code} is your Vouchsafe code`);

    await page.getByLabel("Code").fill(code);
    await expect(page).toHaveURL(SETTINGS);
    expect(letters.filter((letter) => letter.includes("is your Vouchsafe code"))).toHaveLength(1);
    // Where mails leave there is nothing to read them in.
    expect((await page.request.get("/dev/mailbox.json")).status()).toBe(404);
  } finally {
    await new Promise<void>((closed) => mailServer.close(closed));
  }
});
