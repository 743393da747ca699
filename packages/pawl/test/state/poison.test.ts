import { describe, expect, test } from "vitest";
import { raw } from "../../src/state/index.ts";
import { difference } from "../values/exact.ts";
import { ACCEPTED, REFUSED } from "../values/poison.ts";
import { given, opsOf, settle } from "./harness.ts";
import { readThrough } from "./read-through.ts";

interface Places {
  property: unknown;
  list: unknown[];
  values: Map<string, unknown>;
  keys: Map<unknown, string>;
  set: Set<unknown>;
}

const empty = (): Places => ({ property: 0, list: [], values: new Map(), keys: new Map(), set: new Set() });
const SHALLOW = ACCEPTED.filter(({ name }) => !name.startsWith("nesting of 255"));

/** The value in every kind of place. */
const full = (make: () => unknown): Places => ({
  property: make(),
  list: [make(), { deep: make() }],
  values: new Map([["k", make()]]),
  keys: new Map([[make(), "v"]]),
  set: new Set([make()]),
});

describe("every value that can be stored", () => {
  test.each(SHALLOW)("$name is exact in every place of the state, written at once or one by one", ({ make }) => {
    const world = given(empty());
    const draft = world.mirror.open();
    const state = draft.value as Places;
    state.property = make();
    state.list.push(make(), { deep: make() });
    state.values.set("k", make());
    state.keys.set(make(), "v");
    state.set.add(make());
    expect(difference(raw(state), full(make))).toBeUndefined();
    expect(difference(draft.raw(), full(make))).toBeUndefined();
    expect(settle(world, draft)).toBe(true);
    expect(difference(world.cell.value, full(make))).toBeUndefined();
    world.mirror.drop();
    expect(difference(raw(world.mirror.open().value), full(make))).toBeUndefined();
  });

  test.each(SHALLOW)("$name is not changed by being read", ({ make }) => {
    const draft = given(full(make)).mirror.open();
    expect(difference(readThrough(draft.value), full(make))).toBeUndefined();
    expect(opsOf(draft)).toEqual([]);
  });
});

test.each(REFUSED)("$name is refused in every place, and changes none", ({ make, path }) => {
  const draft = given(empty()).mirror.open();
  const state = draft.value as Places;
  const uses: Record<string, () => unknown> = {
    "state.property": () => (state.property = make()),
    "state.list[1]": () => state.list.push("good", make()),
    "state.list[0]": () => state.list.splice(0, 0, make(), "good"),
    "state.list[7]": () => (state.list[7] = make()),
    'state.values.get("k")': () => state.values.set("k", make()),
    "state.set.values()[0].in": () => state.set.add({ in: make() }),
    "state.keys.keys()[0].in": () => state.keys.set({ in: make() }, "v"),
  };
  for (const [place, use] of Object.entries(uses)) expect(use, place).toThrow(` at ${place}${path}: `);
  expect(draft.wrote).toBe(false);
  expect(difference(readThrough(state), empty())).toBeUndefined();
});
