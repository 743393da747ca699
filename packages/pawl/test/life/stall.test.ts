/** A body that blocks the event loop is named in the log. */
import { afterEach, expect, test, vi } from "vitest";
import { actor } from "../../src/index.ts";
import { World } from "../runtime/harness.ts";

/** What has passed, and what of it the process has computed, by clocks of the test's own. */
let used = 0;
let idle = 0;

const busy = actor("busy", {
  actions: {
    crunch: (_, ms: number) => void (used += ms),
    stand: (_, ms: number) => {
      used += ms;
      idle += ms;
    },
  },
  workflow: async (ctx) => {
    await ctx.step("crunch numbers", () => void (used += 70));
    await ctx.step("be quick", () => void (used += 10));
  },
});

afterEach(() => void vi.restoreAllMocks());

test("an action or a step that has run for over 50 ms without an await is logged by name; a quick one is not", async () => {
  vi.spyOn(performance, "now").mockImplementation(() => used);
  vi.spyOn(process, "cpuUsage").mockImplementation((since) => ({
    user: (used - idle) * 1_000 - (since?.user ?? 0),
    system: 0,
  }));
  const world = new World("memory");
  const runtime = world.open([busy]);
  await (await runtime.create(busy, "1")).result();
  await runtime.get(busy, "1").actions.crunch(50);
  await runtime.get(busy, "1").actions.crunch(51);
  await runtime.get(busy, "1").actions.stand(999);
  await runtime.get(busy, "1").actions.stand(1_001);
  expect(world.log.at("warn")).toEqual([
    'step "crunch numbers" of busy/1 has blocked the event loop for 70 ms: nothing else could run meanwhile',
    'action "crunch" of busy/1 has blocked the event loop for 51 ms: nothing else could run meanwhile',
    'action "stand" of busy/1 has blocked the event loop for 1001 ms: nothing else could run meanwhile',
  ]);
  expect(world.log.lines.map(({ fields }) => fields)).toMatchObject([
    { actor: "busy/1", attempt: 1, ms: 70 },
    { ms: 51 },
    { ms: 1_001 },
  ]);
});
