/** What programs do with an array. */
import { raw } from "../../../src/state/index.ts";
import { copy } from "../../../src/values/index.ts";
import {
  type Bag,
  byText,
  fresh,
  given,
  indexIn,
  isBag,
  isPlain,
  pick,
  type Side,
  type Step,
  separate,
} from "./side.ts";

export const arrays: Record<string, (at: unknown[], step: Step, side: Side) => unknown> = {
  push: (at, step) => at.push(fresh(step)),
  "push several": (at, step) => at.push(fresh(step), 1, fresh(step)),
  pop: (at) => at.pop(),
  shift: (at) => at.shift(),
  unshift: (at, step) => at.unshift(fresh(step), 2),
  splice: (at, step) =>
    at.splice(indexIn(at, step), pick(step, 2) % 3, ...Array.from({ length: pick(step, 3) % 3 }, () => fresh(step))),
  "splice from the end": (at, step) => at.splice(-(pick(step, 1) % 4), pick(step, 2) % 3, fresh(step)),
  "splice all": (at) => at.splice(0),
  reverse: (at) => at.reverse().length,
  sort: (at) => at.sort(byText).length,
  "sort by text": (at) => {
    if (at.every((one) => typeof one !== "object" || one === null)) at.sort();
  },
  fill: (at, step, side) => {
    const [from, to] = [indexIn(at, step), indexIn(at, step, 2)];
    at.fill(fresh(step), from, to);
    if (isPlain(side)) separate(at, from, to);
  },
  copyWithin: (at, step, side) => {
    const [target, from, to] = [indexIn(at, step), indexIn(at, step, 2), indexIn(at, step, 3)];
    at.copyWithin(target, from, to);
    if (isPlain(side)) separate(at, target, target + Math.min(to - from, at.length - target));
  },
  "set an index": (at, step) => {
    at[indexIn(at, step)] = fresh(step);
  },
  "set beyond the end": (at, step) => {
    at[at.length + (pick(step, 1) % 3)] = fresh(step);
  },
  shorten: (at, step) => {
    at.length = indexIn(at, step);
  },
  lengthen: (at, step) => {
    at.length += pick(step, 1) % 3;
  },
  empty: (at) => {
    at.length = 0;
  },
  "delete an index": (at, step) => Reflect.deleteProperty(at, String(indexIn(at, step))),
  "define an index": (at, step) =>
    void Object.defineProperty(at, indexIn(at, step), {
      value: fresh(step),
      writable: true,
      enumerable: true,
      configurable: true,
    }),
  "define the length": (at, step) => Reflect.defineProperty(at, "length", { value: indexIn(at, step) }),
  "swap by destructuring": (at, step, side) => {
    if (at.length < 2) return;
    const i = pick(step, 1) % at.length;
    const j = pick(step, 2) % at.length;
    const [x, y] = [raw(at[i]), raw(at[j])];
    [at[i], at[j]] = isPlain(side) ? [copy(y), copy(x)] : [y, x];
  },
  "assign one element to another slot": (at, step, side) => {
    const part = at[indexIn(at, step)];
    at[indexIn(at, step, 2)] = isPlain(side) ? copy(part) : part;
  },
  "change elements while iterating": (at, step) => {
    for (const one of at) if (isBag(one)) one["touched"] = pick(step, 2);
  },
  "push while iterating": (at) => {
    let count = 0;
    for (const one of at) if (count++ < 2) at.push(typeof one === "number" ? one : count);
  },
  "remove while iterating": (at) => {
    at.forEach((_, i) => {
      if (i === 1) at.splice(0, 1);
    });
  },
  "change what find gives": (at, step) => {
    const one = at.find(isBag) as Bag | undefined;
    if (one !== undefined) one["found"] = fresh(step);
  },
  "change after a shift": (at, step) => {
    const one = at.at(-1);
    at.shift();
    if (at.length > 0 && isBag(one)) one["shifted"] = pick(step, 1);
  },
  "native push": (at, step) => Array.prototype.push.call(at, fresh(step)),
  "native splice": (at, step, side) => {
    const from = indexIn(at, step);
    Array.prototype.splice.call(at, from, 1);
    if (isPlain(side)) separate(at, from, at.length); // moved slot by slot, through assignments
  },
  "filter and assign back": (at, step, side) => {
    const kept = at.filter((_, i) => i % 2 === pick(step, 1) % 2);
    at.push(isPlain(side) ? copy(kept) : kept);
  },
  "ask what is there": (at, step) => [
    at.length,
    indexIn(at, step) in at,
    at.includes(1),
    at.indexOf(undefined),
    at.join(),
  ],
  "reverse a copy": (at) => at.slice().reverse().length,
  "push what was popped": (at, _, side) => {
    const last = at.pop();
    if (isBag(last)) last["popped"] = true;
    if (last !== undefined) at.push(given(side, last));
  },
  "push the first again": (at, _, side) => at.length > 0 && at.push(given(side, at[0])),
  "unshift nothing": (at) => [at.unshift(), at.push()],
  "sort by number": (at) => {
    if (at.every((one) => typeof one === "number")) at.sort((a, b) => Number(a) - Number(b));
  },
  "a method taken off it": (at, step) => {
    const { push, at: atIndex } = at;
    push.call(at, fresh(step));
    return atIndex.call(at, -1);
  },
  "Array.from": (at) => Array.from(at, (one) => typeof one),
  "concat and flat": (at) => [at.concat([1], at).length, at.flat().length, at.flatMap((one) => [one, one]).length],
  "entries and reduce": (at) => [
    [...at.entries()].map(([i, one]) => [i, typeof one]),
    at.reduce((sum: number, one) => sum + (typeof one === "number" ? one : 1), 0),
  ],
  "some, every, findLast": (at) => [at.some(isBag), at.every(isBag), at.lastIndexOf(1)],
  "splice by what was found": (at) => {
    const index = at.findIndex(isBag);
    return index < 0 ? [] : at.splice(index, 1);
  },
  "empty one by one": (at) => {
    let count = 0;
    while (at.length > 0) {
      at.pop();
      count += 1;
    }
    return count;
  },
  "empty while iterating": (at, step) => {
    let count = 0;
    for (const one of at) {
      void one;
      count += 1;
      if (count > pick(step, 1) % 3) at.length = 0;
    }
    return count;
  },
  "copyWithin by call": (at, step, side) => {
    const [target, from] = [indexIn(at, step), indexIn(at, step, 2)];
    Array.prototype.copyWithin.call(at, target, from);
    if (isPlain(side) && target !== from) separate(at, target, target + Math.min(at.length - from, at.length - target));
  },
  "Reflect.set at an index": (at, step) => Reflect.set(at, String(indexIn(at, step)), fresh(step)),
  destructure: (at) => {
    const [first, ...rest] = at;
    return [typeof first, rest.length];
  },
};
