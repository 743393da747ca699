/** P5: whatever a body has kept, once its attempt has settled it reads and writes nothing, and says so. */
import { describe, expect, test } from "vitest";
import { type AttemptContext, actor, RAW_STATE, raw } from "../../src/index.ts";
import { gate, until, World } from "../runtime/harness.ts";

interface Things {
  n: number;
  part: { deep: number };
  list: number[];
  map: Map<string, { v: number }>;
  set: Set<string>;
  bytes: Uint8Array;
}

const things = (): Things => ({
  n: 0,
  part: { deep: 1 },
  list: [3, 1, 2],
  map: new Map([["a", { v: 1 }]]),
  set: new Set(["a"]),
  bytes: new Uint8Array([1, 2, 3]),
});

type Kept = Readonly<Record<string, () => unknown>>;

/** What a body may keep, to use it later. */
function keep(c: { state: Things; [RAW_STATE](): unknown } & Pick<AttemptContext<never>, "afterCommit">): Kept {
  const { state } = c;
  const { part, list, map, set } = state;
  const { push, sort } = list;
  const iterator = list[Symbol.iterator]();
  iterator.next();
  const entries = map.entries();
  const deep = map.get("a") as { v: number };
  return {
    "c.state": () => c.state,
    "an assignment to c.state": () => (c.state = things()),
    RAW_STATE: () => c[RAW_STATE](),
    "raw of a part": () => raw(part),
    "a read": () => state.n,
    "a write": () => (state.n = 9),
    "a read of a part": () => part.deep,
    "a write of a part": () => (part.deep = 9),
    delete: () => Reflect.deleteProperty(part, "deep"),
    in: () => "deep" in part,
    keys: () => Object.keys(part),
    spread: () => ({ ...part }),
    "a kept method": () => push.call(list, 9),
    "another kept method": () => sort.call(list),
    "a bound method": () => list.push(9),
    length: () => (list.length = 0),
    "an iterator": () => iterator.next(),
    iteration: () => [...list],
    "a Map's get": () => map.get("a"),
    "a Map's set": () => map.set("b", { v: 2 }),
    "a Map's delete": () => map.delete("a"),
    "a Map's clear": () => map.clear(),
    "a Map's size": () => map.size,
    "an iterator of a Map": () => entries.next(),
    "a value of a Map": () => (deep.v = 9),
    "a Set's has": () => set.has("a"),
    "a Set's add": () => set.add("b"),
    "a Set's iteration": () => [...set],
    "JSON.stringify": () => JSON.stringify(state),
    "c.afterCommit": () => c.afterCommit(() => {}),
  };
}

const ENDS = ["returned", "threw", "timed out", "was overtaken", "was cancelled"] as const;

/** Things of which one attempt was kept, and has ended. */
async function dead(how: (typeof ENDS)[number]) {
  const world = new World("memory");
  let kept: Kept | undefined;
  const goOn = gate();
  const body = async (c: Parameters<typeof keep>[0]) => {
    if (kept !== undefined) return;
    if (how === "was overtaken") c.state.n += 0.5;
    kept = keep(c);
    if (how !== "returned" && how !== "threw") await goOn.promise;
    if (how === "threw") throw new Error("on purpose");
  };
  const owner = actor("owner", {
    state: things,
    actions: { add: (c) => void (c.state.n += 1), state: (c) => c[RAW_STATE]() },
    workflow: (ctx) => ctx.tryStep({ name: "keeps", maxRetries: 0, timeout: 1_000, run: (c) => body(c) }),
  });
  const handle = await world.open([owner]).create(owner, "1");
  await until(() => kept !== undefined);
  if (how === "timed out") world.clock.advance(1_000);
  if (how === "was overtaken") await handle.actions.add();
  if (how === "was cancelled") await handle.cancel();
  if (how === "was overtaken") goOn.open();
  await handle.result().catch(() => {});
  return { kept: kept ?? {}, handle };
}

describe.each(ENDS)("of an attempt that %s", (how) => {
  test("everything that was kept throws stale_step, and nothing changes", async () => {
    const { kept, handle } = await dead(how);
    const before = await handle.actions.state();
    const found = Object.entries(kept).map(([what, use]) => {
      try {
        return [what, `gave ${String(use())}`];
      } catch (error) {
        return [what, (error as { code?: unknown }).code];
      }
    });
    expect(found.filter(([, code]) => code !== "stale_step")).toEqual([]);
    expect(await handle.actions.state()).toEqual(before);
    expect(before).toEqual({ ...things(), n: how === "was overtaken" ? 1 : 0 });
  });
});
