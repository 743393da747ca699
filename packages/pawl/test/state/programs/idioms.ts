/** What people write every day: assignments of something made of what was there. */
import { raw } from "../../../src/state/index.ts";
import { type Bag, existing, fresh, get, given, indexIn, isBag, pick, put, type Side, type Step } from "./side.ts";

type Act = (side: Side, step: Step) => unknown;

/** An array of the root, and how to assign it. */
function list(side: Side, step: Step): { at: unknown[]; set: (next: unknown[]) => void } | undefined {
  const root = side.root as Bag;
  const names = Object.keys(root).filter((name) => Array.isArray(get(root, name)));
  const name = names[pick(step, 0) % Math.max(1, names.length)];
  if (name === undefined) return undefined;
  return { at: get(root, name) as unknown[], set: (next) => put(side.root as Bag, name, next) };
}

/** Runs on an array without holes: with holes it is a new value to the state, and its parts are not kept. */
const lists =
  (act: (at: unknown[], set: (next: unknown[]) => void, step: Step, side: Side) => unknown): Act =>
  (side, step) => {
    const found = isBag(side.root) ? list(side, step) : undefined;
    if (found !== undefined && Object.keys(found.at).length === found.at.length) act(found.at, found.set, step, side);
  };

const rooted =
  (act: (root: Bag, side: Side, step: Step) => unknown): Act =>
  (side, step) =>
    isSpread(side.root) ? act(side.root, side, step) : undefined;

export const idioms: Record<string, Act> = {
  "replace the root": (side, step) => {
    side.root = { root: fresh(step), list: [1, { n: 1 }] };
  },
  "the root to itself": (side) => {
    const { root } = side;
    side.root = root;
  },
  "spread the root and add": rooted((root, side, step) => {
    side.root = { ...root, [`s${pick(step, 1) % 3}`]: fresh(step) };
  }),
  "spread the root after new keys": rooted((root, side, step) => {
    side.root = { first: pick(step, 1), ...root };
  }),
  "spread the root within": rooted((root, side, step) => {
    const name = existing(root, step);
    const part = get(root, name);
    if (isBag(part) && Object.getPrototypeOf(part) === Object.prototype && !Object.hasOwn(part, "__proto__"))
      side.root = { ...root, [name]: { ...part, spread: pick(step, 2) } };
  }),
  "the root without a key": rooted((root, side, step) => {
    const { [existing(root, step)]: left, ...rest } = root;
    void left;
    side.root = rest;
  }),
  "the root by entries": rooted((root, side) => {
    side.root = Object.fromEntries(Object.entries(root).reverse());
  }),
  "the root as JSON and back": rooted((root, side) => {
    const { a } = root;
    put(
      side.root as Bag,
      "json",
      given(side, JSON.parse(JSON.stringify(typeof a === "bigint" ? "big" : (keys(a) ?? null)))),
    );
  }),
  "a detached copy, changed and put back": rooted((root, side, step) => {
    const copy = raw(root);
    put(copy, "copied", fresh(step));
    side.root = copy;
  }),
  filter: lists((at, set, step) => set(at.filter((_, i) => (i + pick(step, 1)) % 3 !== 0))),
  "filter one out": lists((at, set, step) => set(at.filter((_, i) => i !== pick(step, 1)))),
  "spread and append": lists((at, set, step) => set([...at, fresh(step)])),
  "spread and prepend": lists((at, set, step) => set([fresh(step), ...at])),
  "insert between": lists((at, set, step) => {
    const i = indexIn(at, step);
    set([...at.slice(0, i), fresh(step), ...at.slice(i)]);
  }),
  "replace one by map": lists((at, set, step) => {
    set(at.map((one, i) => (i === pick(step, 1) % 4 && isSpread(one) ? { ...one, done: true } : one)));
  }),
  "sorted copy": lists((at, set) => set([...at].sort((a, b) => (String(typeof a) < String(typeof b) ? -1 : 1)))),
  "reversed copy": lists((at, set) => set([...at].reverse())),
  "two halves swapped": lists((at, set, step) => {
    const i = indexIn(at, step);
    set([...at.slice(i), ...at.slice(0, i)]);
  }),
  "every element twice": lists((at, set, _, side) => set([...at, ...at.map((one) => given(side, one))])),
  "a slice": lists((at, set, step) => set(at.slice(indexIn(at, step)))),
  "the array to itself": lists((at, set) => set(at)),
  "a copy of all": lists((at, set) => set([...at])),
  "a part moved to another list": lists((at, _, __, side) => {
    const root = side.root as Bag;
    const other = get(root, "list");
    const one = at.find(isBag);
    if (Array.isArray(other) && one !== undefined) other.push(given(side, one));
  }),
};

function keys(value: unknown): unknown {
  return isBag(value) ? Object.keys(value) : typeof value;
}

/** Spread, an object without a prototype gets one: what is assigned then is of another kind, and its parts are not kept. */
function isSpread(value: unknown): value is Bag {
  return isBag(value) && Object.getPrototypeOf(value) === Object.prototype;
}
