// Other sites beside the program: on this machine, each on a port of its own.

import { readFile } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";

/** Where npm puts packages. */
const PACKAGES = resolve(import.meta.dirname, "..", "node_modules");

export interface Site {
  url: string;
  port: number;
  stop: () => Promise<void>;
}

/** Starts a site that answers as it is told. */
export async function startSite(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Site> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return { url: `http://127.0.0.1:${port}`, port, stop };
}

/** Starts a site of one page, which may import npm packages by these names from these files. */
export async function startPage(imports: Record<string, string>, scopes: Record<string, Record<string, string>>): Promise<Site> {
  const under = (files: Record<string, string>) =>
    Object.fromEntries(Object.entries(files).map(([name, file]) => [name, `/packages/${file}`]));
  const map = {
    imports: under(imports),
    scopes: Object.fromEntries(Object.entries(scopes).map(([file, files]) => [`/packages/${file}`, under(files)])),
  };
  const html = `<!doctype html><title>A product</title><script type="importmap">${JSON.stringify(map)}</script>`;
  return startSite((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (!path.startsWith("/packages/")) {
      response.setHeader("content-type", "text/html");
      response.end(path === "/" ? html : "");
      return;
    }
    readFile(resolve(PACKAGES, path.slice("/packages/".length))).then(
      (script) => response.setHeader("content-type", "text/javascript").end(script),
      () => response.writeHead(404).end(),
    );
  });
}
