/** What programs do with a Map or a Set. */
import { copy } from "../../../src/values/index.ts";
import { type Bag, type Entries, fresh, given, isBag, isLeaf, pick, type Side, type Step } from "./side.ts";

/** A key that is there, or one of a few that may be. */
function keyIn(at: Entries, step: Step): unknown {
  const keys = [...at.keys()];
  const some: readonly unknown[] = ["k", 1, -0, Number.NaN, 10n, undefined, null, true, "é\ud800", ""];
  const all = [...keys, ...some];
  return all[pick(step, 1) % all.length];
}

/** A new key: of an object every use makes another entry. */
const newKey = (step: Step): unknown => copy([fresh(step), "new", 7, { k: 1 }, [1]][pick(step, 1) % 5]);

const only =
  <T extends Entries>(kind: new () => T, act: (at: T, step: Step, side: Side) => unknown) =>
  (at: Entries, step: Step, side: Side): unknown =>
    at instanceof kind ? act(at, step, side) : undefined;

type Act = (at: Entries, step: Step, side: Side) => unknown;

const maps: Record<string, Act> = {
  "Map.set": only(Map, (at, step) => at.set(keyIn(at, step), fresh(step)).size),
  "Map.set under a new key": only(Map, (at, step) => at.set(newKey(step), fresh(step)).size),
  "Map.get": only(Map, (at, step) => at.get(keyIn(at, step))),
  "count up in a Map": only(Map, (at, step) => {
    const key = keyIn(at, step);
    const value = at.get(key);
    if (value === undefined || typeof value === "number") at.set(key, ((value as number | undefined) ?? 0) + 1);
  }),
  "a list in a Map": only(Map, (at, step) => {
    const list = at.get("list");
    if (Array.isArray(list)) list.push(pick(step, 2));
    else at.set("list", [pick(step, 2)]);
  }),
  "a part to another key of a Map": only(Map, (at, step, side) => {
    const [first] = at.values();
    if (typeof first === "object" && first !== null) at.set("moved", given(side, first));
    void step;
  }),
  "a part to its own key of a Map": only(Map, (at, step) => {
    const key = keyIn(at, step);
    if (at.has(key)) at.set(key, at.get(key));
  }),
  "change values while iterating": only(Map, (at, step) => {
    for (const [key, value] of at) {
      if (isBag(value)) value["seen"] = pick(step, 2);
      else if (typeof value === "number") at.set(key, value + 1);
    }
  }),
  "Map to object and back": only(Map, (at) =>
    Object.keys(Object.fromEntries([...at].map(([, one], i) => [`k${i}`, one]))),
  ),
  "map.forEach deletes": only(Map, (at) => {
    at.forEach((value, key) => {
      if (typeof value !== "object") at.delete(key);
    });
  }),
};

const sets: Record<string, Act> = {
  "Set.add": only(Set, (at, step) => at.add(pick(step, 1) % 9).size),
  "Set.add of anything": only(Set, (at, step) => at.add(fresh(step)).size),
  "Set.add of what is there": only(Set, (at, step) => at.add(keyIn(at, step)).size),
  "toggle in a Set": only(Set, (at, step) => (at.delete(keyIn(at, step)) ? undefined : void at.add(pick(step, 1) % 9))),
  "filter a Set": only(Set, (at, step) => {
    for (const one of at) if (typeof one === "number" && one > pick(step, 2) % 5) at.delete(one);
  }),
};

export const entries: Record<string, Act> = {
  ...maps,
  ...sets,
  has: (at, step) => [at.has(keyIn(at, step)), at.has({}), at.size],
  "delete an entry": (at, step) => at.delete(keyIn(at, step)),
  "delete the first": (at) => at.delete([...at.keys()][0]),
  "delete and add again": (at, step) => {
    const key = keyIn(at, step);
    if (!at.has(key) || isLeaf(key) || (typeof key === "object" && key !== null)) return;
    const value = at instanceof Map ? copy(plain(at.get(key))) : undefined;
    at.delete(key);
    if (at instanceof Map) at.set(key, value);
    else at.add(key);
  },
  "clear entries": (at) => at.clear(),
  "clear and add": (at, step) => {
    at.clear();
    if (at instanceof Map) at.set("only", fresh(step));
    else at.add("only");
  },
  "add while iterating": (at) => {
    let left = 2;
    for (const key of at.keys()) {
      if (left-- <= 0) break;
      if (at instanceof Map) at.set(`${typeof key}${left}`, left);
      else at.add(`${typeof key}${left}`);
    }
  },
  "delete entries while iterating": (at) => {
    let i = 0;
    for (const key of at.keys()) if (i++ % 2 === 0) at.delete(key);
  },
  "change an object in a key": (at, step) => {
    for (const key of at.keys()) if (isBag(key)) (key as Bag)["changed"] = pick(step, 2);
  },
  "make a key like another": (at, step) => {
    const keys = [...at.keys()].filter(isBag);
    const one = keys[pick(step, 1) % Math.max(1, keys.length)];
    if (one !== undefined) one["m"] = pick(step, 2) % 3;
  },
  "push into an array in a key": (at, step) => {
    for (const key of at.keys()) if (Array.isArray(key)) key.push(pick(step, 2));
  },
  "what it lists": (at) => [[...at], [...at.entries()], [...at.keys()], [...at.values()]],
};

function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null && !isLeaf(value) ? undefined : value;
}
