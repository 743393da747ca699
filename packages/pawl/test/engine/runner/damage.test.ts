/** Rows that were truncated, changed, or written by something else: the run is refused with the place, and nothing is written. */
import { beforeAll, describe, expect, test } from "vitest";
import { runWorkflow, type WorkflowContextInterface } from "../../../src/engine/index.ts";
import { PawlError } from "../../../src/errors.ts";
import { errorOf, TestDriver } from "./host.ts";

const STATE = "15031501";
const OUTPUT = "15031502";
const INPUT = "15031504";

async function workflow(ctx: WorkflowContextInterface, input: unknown): Promise<unknown> {
  const both = await ctx.join("both", {
    left: { run: (left) => left.step("left", async () => ["a value", 1]) },
    right: { run: (right) => right.step("right", async () => "another") },
  });
  const done = await ctx.step("last", async () => ({ both, input }));
  return done;
}

let whole: Record<string, Uint8Array>;

beforeAll(async () => {
  const driver = new TestDriver();
  await runWorkflow("w", workflow, { from: "tests" }, driver).result;
  whole = driver.snapshot().kv;
});

/** Runs on the rows with one of them replaced, and checks that the others, and it, are left as they were. */
async function refusal(key: string, value: Uint8Array): Promise<Error & { code?: string; data?: unknown }> {
  const damaged = { ...whole, [key]: value };
  const driver = TestDriver.of(damaged);
  const error = await errorOf(runWorkflow("w", workflow, undefined, driver).result);
  expect(driver.snapshot().kv).toEqual(damaged);
  return error;
}

/** The output is written at the end and read by nobody but the host. */
const records = () => Object.keys(whole).filter((key) => key !== OUTPUT);
const isText = (key: string) => key.startsWith("1501") || key === STATE || key === INPUT;

describe.each([
  ["that has lost its last byte", (row: Uint8Array) => row.slice(0, -1)],
  ["that is empty", () => new Uint8Array()],
  ["that holds JSON", () => new TextEncoder().encode('{"json":true}')],
])("a row %s", (_damage, damage) => {
  test("is refused by a typed error that names its key and the offset", async () => {
    for (const key of records()) {
      const error = await refusal(key, damage(whole[key] ?? new Uint8Array()));
      expect(error, key).toBeInstanceOf(PawlError);
      expect({ key, code: error.code, data: error.data }).toMatchObject({ code: "record_corrupt", data: { key } });
      expect(Number((error.data as { offset: unknown }).offset)).toBeGreaterThanOrEqual(0);
    }
  });
});

test("a record of a version to come is refused", async () => {
  for (const key of records()) {
    if (isText(key)) continue;
    const newer = (whole[key] ?? new Uint8Array()).slice();
    newer[0] = 9;
    const { code, message } = await refusal(key, newer);
    expect(code, key).toBe("record_newer");
    expect(message).toMatch(/found version 9, expected (record|row) version 1/);
    expect(message).toContain('what is stored of workflow "w" cannot be read');
  }
});

test("rows of changes that are gone are missed, and nothing is written", async () => {
  const changes = Object.keys(whole).filter((key) => key.startsWith("15091501"));
  let missed = 0;
  for (const gone of changes) {
    const { [gone]: _, ...damaged } = whole;
    const driver = TestDriver.of(damaged);
    const outcome = await runWorkflow("w", workflow, undefined, driver).result.catch((error: unknown) => error);
    if (!(outcome instanceof PawlError)) {
      // A row of which nothing is needed any more may be gone.
      expect(outcome).toMatchObject({ output: { both: { left: ["a value", 1], right: "another" } } });
      continue;
    }
    missed += 1;
    expect(outcome.code).toBe("record_corrupt");
    expect(driver.snapshot().kv).toEqual(damaged);
  }
  expect(missed).toBeGreaterThanOrEqual(changes.length / 2);
});

test("a step's output of which the bytes are none ends the run, and other runs go on", async () => {
  const [key = "", row = new Uint8Array()] =
    Object.entries(whole).find(([, value]) => Buffer.from(value).includes("another")) ?? [];
  const damaged = row.slice();
  // The head of a text of seven bytes becomes that of one of twenty.
  damaged[Buffer.from(row).indexOf("another") - 1] = 0x74;
  const error = await errorOf(
    runWorkflow("w", workflow, undefined, TestDriver.of({ ...whole, [key]: damaged })).result,
  );
  expect(error).toMatchObject({ code: "record_corrupt" });
  const { state } = await runWorkflow("other", workflow, undefined, new TestDriver()).result;
  expect(state).toBe("completed");
});
