/** How long a state that was can be looked at: as long as retention keeps what it is made of. */
import { expect, test } from "vitest";
import { actor } from "../../src/index.ts";
import { KINDS, World } from "../runtime/harness.ts";

const FEW = 3;
/** Enough of them make an actor due to be compacted. */
const LONG = 40_000;

const job = actor("job", {
  state: () => ({ notes: [] as string[], text: "" }),
  actions: {
    write: (c, turn: number) => void (c.state.text = String(turn).padEnd(LONG, ".")),
    notes: (c) => [...c.state.notes],
  },
  workflow: async (ctx) => {
    await ctx.step("first", (c) => void c.state.notes.push("first"));
    await ctx.step("second", (c) => void c.state.notes.push("second"));
  },
});

test.each(KINDS)(
  "stateAt and a rewind are refused once retention keeps no more of it, and nothing changes, on %s",
  async (kind) => {
    const retention = { deltas: FEW, deltaBytes: 1 << 30 };
    const runtime = new World(kind).open([job], {}, { retention });
    const handle = await runtime.create(job, "1");
    await handle.result();
    const [first, second] = (await runtime.admin.show("job", "1")).history.map(({ id }) => id);
    const at = (entry = "") => runtime.admin.stateAt("job", "1", entry).catch((error: unknown) => error);
    expect(await at(first)).toEqual({ notes: ["first"], text: "" });
    let found: { code?: string } = {};
    for (let turn = 0; found.code === undefined; turn++) {
      await handle.actions.write(turn);
      found = (await at(first)) as { code?: string };
    }
    expect(found).toMatchObject({ code: "state_unavailable" });
    const rewind = runtime.admin.replay("job", "1", { entry: second ?? "", state: "rewind", force: true });
    await expect(rewind).rejects.toMatchObject({ code: "state_unavailable" });
    expect(await handle.actions.notes()).toEqual(["first", "second"]);
  },
);

test.each(KINDS)("as long as retention covers it, compaction takes nothing of it away, on %s", async (kind) => {
  const runtime = new World(kind).open([job]);
  const handle = await runtime.create(job, "1");
  await handle.result();
  const [first] = (await runtime.admin.show("job", "1")).history.map(({ id }) => id);
  for (let turn = 0; turn < 60; turn++) {
    await handle.actions.write(turn);
    expect(await runtime.admin.stateAt("job", "1", first ?? "")).toEqual({ notes: ["first"], text: "" });
  }
});
