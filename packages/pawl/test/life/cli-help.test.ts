/** What `npx pawl` says of itself. */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { VERBS } from "../../src/cli/verbs.ts";

const CLI = join(dirname(fileURLToPath(import.meta.url)), "../../dist/cli.cjs");

function pawl(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

test.each([[], ["--help"], ["-h"], ["help"]])("npx pawl %j names every verb", (...args) => {
  const { status, stdout } = pawl(...args.filter((arg) => typeof arg === "string"));
  expect(status).toBe(0);
  for (const verb of Object.keys(VERBS)) expect(stdout).toMatch(new RegExp(`^ {2}pawl ${verb}\\b`, "m"));
});

test.each(Object.keys(VERBS))("npx pawl %s --help says how it is called, what it is for, and does nothing", (verb) => {
  const { status, stdout, stderr } = pawl(verb, "--help");
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain(`pawl ${VERBS[verb]?.usage}\n`);
  expect(stdout).toContain(VERBS[verb]?.purpose);
  for (const [option] of VERBS[verb]?.usage.matchAll(/--[a-z-]+/g) ?? [])
    expect(stdout.split(option).length).toBeGreaterThan(2);
});

test("what is called wrongly is told how it is called", () => {
  expect(pawl("ls").stderr).toMatch(/^pawl: there is no verb "ls"\n[\s\S]*pawl list/);
  expect(pawl("backup", "one", "two").stderr).toMatch(/^pawl: backup takes no "two"\n\npawl backup FILE\n/);
  expect(pawl("list", "--bogus")).toMatchObject({ status: 2, stderr: expect.stringContaining("--bogus") });
});
