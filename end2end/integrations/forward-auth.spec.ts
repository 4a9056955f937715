// The gate behind a real nginx, with the very configuration that docs/forward-auth.md shows.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { eventually } from "../support/eventually.ts";
import { Program, freePort } from "../support/program.ts";
import { type Site, startSite } from "../support/sites.ts";
import { expect, test } from "../support/test.ts";

const NGINX = process.env.NGINX_BIN ?? "/usr/sbin/nginx";

/** Returns the block of nginx in the documentation, with other addresses. */
async function documented(changes: [string, string][]): Promise<string> {
  const page = await readFile(resolve(import.meta.dirname, "../../docs/forward-auth.md"), "utf8");
  const block = /```nginx\n(.*?)```/s.exec(page)?.[1] ?? "";
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the documentation has no ${from}`);
    return text.replaceAll(from, to);
  }, block);
}

class Nginx {
  readonly directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string) {
    this.directory = directory;
    this.#process = spawn(NGINX, ["-p", directory, "-c", "nginx.conf", "-e", "errors"], { stdio: "inherit" });
  }

  static async start(port: number, upstream: string, app: string): Promise<Nginx> {
    const directory = await mkdtemp(join(tmpdir(), "vouchsafe-nginx-"));
    const root = join(directory, "www");
    for (const [path, text] of [["", "the site"], ["premium", "for those who pay"], ["photos", "a photo"]] as const) {
      await mkdir(join(root, path), { recursive: true });
      await writeFile(join(root, path, "index.html"), `<!doctype html><title>${text}</title><h1>${text}</h1>`);
    }
    const servers = await documented([
      ["server 127.0.0.1:3000;", `server ${upstream};`],
      ["listen 443 ssl;", `listen 127.0.0.1:${port};`],
      ["    ssl_certificate     /etc/ssl/app.example.com.pem;\n", ""],
      ["    ssl_certificate_key /etc/ssl/app.example.com.key;\n", ""],
      ["root /srv/www;", `root ${root};`],
      ["http://127.0.0.1:8000;", `${app};`],
    ]);
    const own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`);
    await writeFile(
      join(directory, "nginx.conf"),
      `daemon off; master_process off; pid nginx.pid; events {}
       http { access_log off; types { text/html html; } ${own.join(" ")}\n${servers} }`,
    );
    const nginx = new Nginx(directory);
    await eventually("nginx is ready", () => nginx.#isReady(port));
    return nginx;
  }

  async #isReady(port: number): Promise<true | undefined> {
    if (this.#process.exitCode !== null) throw new Error(await this.errors());
    return (await fetch(`http://127.0.0.1:${port}/login`).catch(() => undefined))?.ok || undefined;
  }

  errors(): Promise<string> {
    return readFile(join(this.directory, "errors"), "utf8");
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.#process.once("exit", done));
    this.#process.kill("SIGTERM");
    await ended;
    await rm(this.directory, { recursive: true, force: true });
  }
}

interface Echo {
  path: string;
  headers: Record<string, string>;
}

const gate = test.extend<{ app: Site; nginx: Nginx; origin: string; port: number }>({
  port: async ({}, use) => use(await freePort()),
  origin: async ({ port }, use) => use(`http://127.0.0.1:${port}`),
  baseURL: async ({ origin }, use) => use(origin),
  // An app that tells what reached it.
  app: async ({}, use) => {
    const app = await startSite((request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ path: request.url, headers: request.headers }));
    });
    await use(app);
    await app.stop();
  },
  program: async ({ origin }, use) => {
    const program = await Program.start({ VOUCHSAFE_PUBLIC_URL: origin });
    await use(program);
    await program.stop();
  },
  nginx: [
    async ({ port, app, program }, use) => {
      const nginx = await Nginx.start(port, new URL(program.url).host, app.url);
      await use(nginx);
      await nginx.stop();
    },
    { auto: true },
  ],
});

const asProgram = { headers: { accept: "application/json" }, maxRedirects: 0 };

gate("somebody who is not signed in is sent to do so, and comes back", async ({ visitor, page, program, origin }) => {
  for (const path of ["/", "/premium/", "/photos/", "/app/x"]) {
    const sent = await page.request.get(path, { maxRedirects: 0, headers: { accept: "text/html" } });
    expect([sent.status(), sent.headers().location], path).toEqual([302, `${origin}/login?next=${encodeURIComponent(path)}`]);
    const refused = await page.request.get(path, asProgram);
    expect([refused.status(), await refused.text()], path).toEqual([401, expect.not.stringContaining("<h1>the site")]);
  }
  // Nobody asks the gate itself, and a form that is sent is no page.
  expect((await page.request.get("/gate", asProgram)).status()).toBe(401);
  expect((await page.request.get("/vouchsafe-gate", asProgram)).status()).toBe(404);
  expect((await page.request.post("/photos/", { ...asProgram, data: "x".repeat(100_000) })).status()).toBe(401);

  await page.goto("/photos/?week=47");
  await expect(page).toHaveURL(/\/login\?next=/);
  await visitor.enterCode(await visitor.sendAddress("ann@example.com"));
  await expect(page).toHaveURL("/photos/?week=47");
  await expect(page.getByRole("heading")).toHaveText("a photo");
  // nginx asked twice, the second time for index.html; one was counted.
  expect(JSON.parse(await program.run("check", "ann@example.com", "photos", "--json"))).toMatchObject({ used: 1 });
  await page.goto("/");
  await expect(page.getByRole("heading")).toHaveText("the site");
});

gate("members get what their tier gives, and no more", async ({ visitor, page, program, origin }) => {
  await visitor.signIn("ann@example.com");
  // The trial is premium; a restriction makes it like another tier.
  await program.run("setting", "set", "trial_tier", "basic");
  await page.goto("/premium/");
  await expect(page.getByRole("heading")).toHaveText("for those who pay");
  const echo = async () => {
    // What a client writes there itself.
    const forged = { "x-vouchsafe-user": "root", "x-vouchsafe-email": "root@example.com", "x-vouchsafe-tier": "selfhosted" };
    const answer = await page.request.get("/app/reports?q=1", { headers: { ...asProgram.headers, ...forged }, maxRedirects: 0 });
    expect(answer.status()).toBe(200);
    return (await answer.json()) as Echo;
  };
  const seen = await eventually("it is a basic member", async () => {
    const seen = await echo();
    return seen.headers["x-vouchsafe-tier"] === "basic" ? seen : undefined;
  });
  expect(seen.path).toBe("/app/reports?q=1");
  expect(seen.headers).toMatchObject({ "x-vouchsafe-email": "ann@example.com" });
  expect(seen.headers["x-vouchsafe-user"]).toMatch(/^[0-9a-f-]{36}$/);

  // On the free tier no page for those who pay, no app, and five photos.
  await program.run("setting", "set", "trial_tier", "free");
  await eventually("it is a free member", async () => {
    const sent = await page.request.get("/premium/", { maxRedirects: 0, headers: { accept: "text/html" } });
    return (sent.status() === 302 && sent.headers().location === `${origin}/pricing`) || undefined;
  });
  expect((await page.request.get("/premium/", asProgram)).status()).toBe(403);
  expect((await page.request.get("/app/x", asProgram)).status()).toBe(403);
  const statuses: number[] = [];
  for (let number = 0; number < 7; number += 1) statuses.push((await page.request.get("/photos/", asProgram)).status());
  expect(statuses).toEqual([200, 200, 200, 200, 200, 403, 403]);
  await page.goto("/photos/");
  await expect(page).toHaveURL("/pricing");
  // What is over in one place is not over elsewhere.
  await page.goto("/");
  await expect(page.getByRole("heading")).toHaveText("the site");
});

gate("with many at once no more pass than fit", async ({ visitor, page, program }) => {
  await visitor.signIn("ann@example.com");
  await program.run("setting", "set", "trial_tier", "free");
  await eventually("it is a free member", async () => (await page.request.get("/premium/", asProgram)).status() === 403 || undefined);
  const answers = await Promise.all(Array.from({ length: 24 }, () => page.request.get("/photos/", asProgram)));
  expect(answers.filter((answer) => answer.status() === 200)).toHaveLength(5);
  expect(answers.filter((answer) => answer.status() === 403)).toHaveLength(19);
});

gate("a program passes with a key that is bound to its user", async ({ page, program, visitor }) => {
  await visitor.signIn("ann@example.com");
  const key = async (...words: string[]) => (await program.run("key", "create", "test", ...words)).trim();
  const bound = await key("--user", "ann@example.com", "--days", "1");
  const server = await key();
  const ask = async (token: string) =>
    (await fetch(new URL("/app/x", page.url()), { headers: { authorization: `Bearer ${token}` } })).status;
  expect([await ask(bound), await ask(server), await ask("vs_nothing"), await ask("another")]).toEqual([200, 403, 401, 401]);
});

gate("while the gatekeeper is away, the gate is shut", async ({ page, program, visitor, origin }) => {
  await visitor.signIn("ann@example.com");
  const cookies = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const open = () => fetch(`${origin}/`, { headers: { cookie: cookies } }).then((answer) => answer.status);
  expect(await open()).toBe(200);
  await program.stop();
  expect(await open()).toBe(500);
});
