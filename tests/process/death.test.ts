/** A process that user code kills: the next one goes on from what was committed, and from nothing else. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runScript } from "./script.ts";

const folder = mkdtempSync(join(tmpdir(), "pawl-death-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DEATHS = { throw: 1, reject: 1, exit: 7, abort: "SIGABRT", term: "SIGTERM" } as const;
const FULL = ["first", "call", "fatal", "last"];

describe.each(Object.entries(DEATHS))("by %s", (how, end) => {
  test.concurrent.each(["step", "action", "workflow", "commit"])("in a %s", async (where) => {
    const store = join(folder, `${where}-${how}.db`);
    const died = await runScript("dies.mjs", [store, where, how], folder);
    expect(died.signal ?? died.code, died.stderr).toBe(end);

    const next = await runScript("dies.mjs", [store, where, "not"], folder);
    expect([next.code, next.stderr]).toEqual([0, ""]);
    const { log, output } = next.said.at(-1) as { log: string[]; output: number };
    // The action and the first step come in either order; everything is there once.
    expect([...log].sort()).toEqual([...FULL].sort());
    expect(output).toBe(4);

    // What was committed before the death is not done again; what was not, is.
    const again = next.said.filter((said) => typeof said === "string" && said !== "call" && said !== "called");
    const committed = { step: ["first"], action: [], workflow: ["first"], commit: ["first", "fatal"] }[where] ?? [];
    for (const body of committed) expect(again, `${body} was committed`).not.toContain(body);
  });
});
