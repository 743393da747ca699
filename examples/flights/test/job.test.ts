/** The whole example as its users start it, and the claims service by itself: from the built files. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { audit, readCalls } from "../src/claims-log.ts";
import { readFlights } from "../src/flights.ts";

const example = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "pawl-flights-test-"));
const started: ChildProcess[] = [];

beforeAll(async () => {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", example]);
}, 60_000);

afterAll(() => {
  for (const child of started) child.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the example to its end. */
async function main(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(example, "dist/main.js"), ...args], {
    env: { ...process.env, INIT_CWD: folder },
  });
  started.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}

test("the whole job survives the kill of its worker: figures as in the file, each claim under one key", async () => {
  const { code, output } = await main("--keep", "kept");
  expect(output).toMatch(/killed the worker, process \d+, with SIGKILL/);
  expect(output).toMatch(/back {3}as process \d+/);
  expect(output.match(/\| same$/gm), output).toHaveLength(59);
  expect(output).toContain("169 claims under 169 idempotency keys");
  expect(output).toContain("Everything agrees");
  expect(code).toBe(0);

  const calls = readCalls(readFileSync(join(folder, "kept", "claims.log"), "utf8"));
  const judged = audit(calls, readFlights());
  expect(judged.problems).toEqual([]);
  expect(judged.calls).toBe(169 + judged.refused + judged.repeated);
  expect(judged.refused).toBe(Math.floor(judged.calls / 10));
}, 180_000);

test("a folder that is not empty is left alone, with exit code 1", async () => {
  writeFileSync(join(folder, "thesis.txt"), "");
  const { code, output } = await main("--keep", ".");
  expect(output).toContain("is not empty");
  expect(code).toBe(1);
});

test("the claims service refuses every tenth call, and knows a claim that comes again by its key", async () => {
  const log = join(folder, "alone.log");
  const service = spawn(process.execPath, [join(example, "dist/claims.js"), log]);
  started.push(service);
  const first = await new Promise<string>((resolve) => createInterface(service.stdout).once("line", resolve));
  const { port } = JSON.parse(first) as { port: number };
  const call = async (row: number, key: string) => {
    const request = { method: "POST", headers: { "idempotency-key": key }, body: JSON.stringify({ row }) };
    const response = await fetch(`http://127.0.0.1:${port}/claims`, request);
    await response.arrayBuffer();
    return response.status;
  };
  const statuses: number[] = [];
  for (const key of "abcdefghij") statuses.push(await call(1, key));
  statuses.push(await call(1, "j"), await call(1, "j"), await call(1, ""));
  expect(statuses).toEqual([...Array<number>(9).fill(201), 503, 201, 200, 400]);
  expect(readCalls(readFileSync(log, "utf8"))).toHaveLength(13);
});
