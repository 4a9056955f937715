import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { expect, test } from "../support/test.ts";

const server = process.env.TEST_POSTGRES_URL;

/** Runs one statement on the server. */
const psql = (statement: string) =>
  promisify(execFile)("psql", [server ?? "", "--quiet", "--set=ON_ERROR_STOP=1", `--command=${statement}`]);

test.skip(server === undefined, "TEST_POSTGRES_URL names no server");
test.use({
  settings: async ({}, use) => {
    const name = `e2e_${process.pid}_${Date.now()}`;
    const url = new URL(server ?? "");
    url.pathname = name;
    await psql(`CREATE DATABASE ${name}`);
    await use({ DATABASE_URL: url.href, VOUCHSAFE_SECRET: "only-for-this-test-0123456789abcdef" });
    await psql(`DROP DATABASE ${name}`);
  },
});

test("signing in and changing a limit go as well on PostgreSQL", { tag: "@alive" }, async ({ visitor, page }) => {
  await visitor.becomeAdmin("root@example.com");
  await visitor.openMatrix();
  await visitor.type("free", "photos", "8");
  await page.getByRole("button", { name: "Review" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Save changes" }).click();
  await expect(page.getByRole("status")).toContainText("1 change is saved.");
  await expect(visitor.cell("free", "photos")).toHaveText("8");
});
