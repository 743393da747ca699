/** What programs do with an object. */
import { raw } from "../../../src/state/index.ts";
import { copy } from "../../../src/values/index.ts";
import { type Bag, existing, fresh, get, isPlain, keyOf, pick, put, type Side, type Step } from "./side.ts";

export const objects: Record<string, (at: Bag, step: Step, side: Side) => unknown> = {
  "set a key": (at, step) => put(at, keyOf(step), fresh(step)),
  "set an existing key": (at, step) => put(at, existing(at, step), fresh(step)),
  "delete a key": (at, step) => Reflect.deleteProperty(at, existing(at, step)),
  "delete what is not there": (at, step) => Reflect.deleteProperty(at, keyOf(step)),
  "delete and set again": (at, step) => {
    const name = existing(at, step);
    delete at[name];
    put(at, name, fresh(step));
  },
  "assign several": (at, step) => Object.assign(at, { [`n${pick(step, 2) % 5}`]: fresh(step), a: fresh(step), "7": 1 }),
  "define a property": (at, step) =>
    void Object.defineProperty(at, keyOf(step), {
      value: fresh(step),
      writable: true,
      enumerable: true,
      configurable: true,
    }),
  "redefine a value": (at, step) => {
    const name = existing(at, step);
    if (Object.hasOwn(at, name)) Object.defineProperty(at, name, { value: fresh(step) });
  },
  "copy a part to another key": (at, step) => put(at, keyOf(step), copy(raw(get(at, existing(at, step))))),
  "assign a part to another key": (at, step, side) => {
    const part = get(at, existing(at, step));
    put(at, keyOf(step), isPlain(side) ? copy(part) : part);
  },
  "assign a part to its own place": (at, step) => {
    const name = existing(at, step);
    if (Object.hasOwn(at, name)) put(at, name, get(at, name));
  },
  "assign a literal that holds parts": (at, step, side) => {
    const part = get(at, existing(at, step));
    put(at, keyOf(step), isPlain(side) ? copy({ wrapped: [part], part }) : { wrapped: [part], part });
  },
  "add to a number": (at, step) => {
    const name = existing(at, step);
    if (typeof get(at, name) === "number") at[name] = (at[name] as number) + 1;
  },
  "spread into itself": (at, step, side) => {
    const all = { ...at };
    put(at, keyOf(step), isPlain(side) ? copy(all) : all);
  },
  "rename a key": (at, step, side) => {
    const name = existing(at, step);
    if (!Object.hasOwn(at, name)) return;
    const { [name]: value, ...rest } = at;
    void rest;
    const moved = isPlain(side) ? copy(value) : raw(value);
    delete at[name];
    put(at, keyOf(step), moved);
  },
  clear: (at) => {
    for (const name of Object.keys(at)) delete at[name];
  },
  "write while iterating": (at, step) => {
    for (const name in at) if (typeof get(at, name) === "number") at[name] = pick(step, 2);
  },
  "read descriptors": (at, step) => Object.getOwnPropertyDescriptor(at, existing(at, step))?.enumerable,
  "ask what is there": (at, step) => [Object.hasOwn(at, keyOf(step)), Object.keys(at), Object.entries(at).length],
  "assign nothing": (at) => Object.assign(at, undefined, null, {}),
  "assign itself": (at) => void Object.assign(at, at),
  "count up or begin": (at, step) => {
    const name = existing(at, step);
    const value = get(at, name);
    if (value === undefined || typeof value === "number") put(at, name, ((value as number | undefined) ?? 0) + 1);
  },
  "set unless there": (at, step) => {
    const name = keyOf(step);
    if (!Object.hasOwn(at, name)) put(at, name, fresh(step));
  },
  "Reflect.set": (at, step) => (keyOf(step) === "__proto__" ? undefined : Reflect.set(at, keyOf(step), fresh(step))),
  "Reflect.set on another receiver": (at, step) => {
    if (keyOf(step) === "__proto__") return undefined;
    const other = {};
    Reflect.set(at, keyOf(step), fresh(step), other);
    return other;
  },
  "Reflect.ownKeys": (at) => Reflect.ownKeys(at),
  "define several": (at, step) =>
    void Object.defineProperties(at, {
      d1: { value: fresh(step), writable: true, enumerable: true, configurable: true },
      d2: { value: 2, writable: true, enumerable: true, configurable: true },
    }),
  "all descriptors": (at) =>
    Object.entries(Object.getOwnPropertyDescriptors(at)).map(([name, { enumerable }]) => [name, enumerable]),
  "delete while iterating": (at, step) => {
    for (const name in at) if (name.length > pick(step, 1) % 3) delete at[name];
  },
  "ask for what is inherited": (at) => [
    "hasOwnProperty" in at,
    typeof get(at, "toString"),
    at instanceof Object,
    Object.prototype.propertyIsEnumerable.call(at, "a"),
  ],
  "write as JSON": (at) => {
    try {
      return JSON.stringify(at);
    } catch (error) {
      return (error as Error).name;
    }
  },
};
