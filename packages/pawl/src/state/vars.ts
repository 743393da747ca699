/**
 * `vars`: what an actor keeps in memory only, with an undo journal for attempts that fail.
 *
 * Owns the proxy over plain objects and arrays of vars. Everything else (sockets, clients, functions, class instances, Map) is
 * handed out as it is. One law: nothing is ever cloned, and a slot is put back only if it still holds what the attempt wrote.
 */
import { isModuleNamespaceObject, isProxy } from "node:util/types";
import { knownByPrototype } from "../values/kinds.ts";

/** What is told to the vars of one attempt. */
export interface VarsOptions {
  /** Makes the error for the use of vars through the context of an attempt that has failed. */
  readonly stale: (what: string) => Error;
}

type Container = Record<string | symbol, unknown>;

/** One slot that the attempt wrote: how it was found, and how it was left; `undefined` where there was none. */
interface Written {
  readonly before: PropertyDescriptor | undefined;
  after: PropertyDescriptor | undefined;
}

type Journal = Map<Container, Map<string | symbol, Written>>;

/** What each proxy of any attempt stands for. */
const targets = new WeakMap<object, Container>();

/** The vars of one attempt. */
export class AttemptVars {
  #state: "running" | "succeeded" | "failed" = "running";
  readonly #proxies = new WeakMap<object, Container>();
  #journal: Journal = new Map();
  /** What was written before the point that the attempt may go back to. */
  #before: Journal | undefined;
  readonly #traps: ProxyHandler<Container>;
  readonly #root: unknown;
  readonly #options: VarsOptions;

  constructor(root: unknown, options: VarsOptions) {
    this.#root = root;
    this.#options = options;
    this.#traps = this.#makeTraps();
  }

  /** What `c.vars` gives. */
  get value(): unknown {
    this.#usable();
    return this.#wrapped(this.#root);
  }

  /** The attempt has succeeded: its vars stay usable, and are no longer journaled. */
  succeed(): void {
    if (this.#state !== "running") return;
    this.#state = "succeeded";
    this.#journal = new Map();
    this.#before = undefined;
  }

  /** The attempt has failed: undoes what still holds, and refuses every further use. */
  fail(): void {
    if (this.#state !== "running") return;
    this.#state = "failed";
    this.#undo();
    this.#journal = this.#before ?? this.#journal;
    this.#undo();
    this.#before = undefined;
  }

  /** A point that `goBack` leads to. There is one at most. */
  save(): void {
    if (this.#state !== "running") return;
    this.#before = this.#journal;
    this.#journal = new Map();
  }

  /** Undoes what was written since `save`, where it still holds. */
  goBack(): void {
    this.#undo();
  }

  #undo(): void {
    for (const [target, slots] of this.#journal) undo(target, slots);
    this.#journal = new Map();
  }

  #usable(): void {
    if (this.#state === "failed") throw this.#options.stale("vars");
  }

  #wrapped(value: unknown): unknown {
    const target = unwrapped(value);
    if (!isContainer(target)) return target;
    let proxy = this.#proxies.get(target);
    if (proxy === undefined) {
      proxy = new Proxy(target, this.#traps);
      this.#proxies.set(target, proxy);
      targets.set(proxy, target);
    }
    return proxy;
  }

  #makeTraps(): ProxyHandler<Container> {
    return {
      get: (target, key, receiver) => this.#get(target, key, receiver),
      set: (target, key, value, receiver: unknown) => this.#set(target, key, value, receiver),
      has: (target, key) => this.#through(() => Reflect.has(target, key)),
      ownKeys: (target) => this.#through(() => Reflect.ownKeys(target)),
      getPrototypeOf: (target) => this.#through(() => Reflect.getPrototypeOf(target)),
      getOwnPropertyDescriptor: (target, key) => this.#through(() => this.#descriptor(target, key)),
      defineProperty: (target, key, descriptor) => this.#through(() => this.#define(target, key, descriptor)),
      deleteProperty: (target, key) =>
        this.#through(() => this.#journaled(target, [key], () => Reflect.deleteProperty(target, key))),
    };
  }

  #through<T>(act: () => T): T {
    this.#usable();
    return act();
  }

  #get(target: Container, key: string | symbol, receiver: unknown): unknown {
    this.#usable();
    if (Array.isArray(target) && typeof key === "string") {
      const search = SEARCHES.get(key);
      if (search !== undefined) return search;
    }
    const value: unknown = Reflect.get(target, key, receiver);
    if (typeof value !== "object" || value === null) return value;
    const own = Reflect.getOwnPropertyDescriptor(target, key);
    return own !== undefined && isFixed(own) ? value : this.#wrapped(value);
  }

  #set(target: Container, key: string | symbol, value: unknown, receiver: unknown): boolean {
    this.#usable();
    const raw = unwrapped(value);
    const own = Reflect.getOwnPropertyDescriptor(target, key);
    const plain = receiver === this.#proxies.get(target) && (own === undefined ? !(key in target) : "value" in own);
    // A setter, or an heir: the language finds its way, and back to `defineProperty` here if the slot is ours.
    if (!plain) return Reflect.set(target, key, raw, receiver);
    return this.#journaled(target, affected(target, key, raw), () => Reflect.set(target, key, raw));
  }

  #define(target: Container, key: string | symbol, descriptor: PropertyDescriptor): boolean {
    const raw = "value" in descriptor ? { ...descriptor, value: unwrapped(descriptor.value) } : descriptor;
    return this.#journaled(target, affected(target, key, raw.value), () => Reflect.defineProperty(target, key, raw));
  }

  #descriptor(target: Container, key: string | symbol): PropertyDescriptor | undefined {
    const own = Reflect.getOwnPropertyDescriptor(target, key);
    if (own === undefined || !("value" in own) || isFixed(own)) return own;
    return { ...own, value: this.#wrapped(own.value) };
  }

  #journaled(target: Container, keys: readonly (string | symbol)[], write: () => boolean): boolean {
    if (this.#state !== "running") return write();
    const slots = this.#journal.get(target) ?? new Map<string | symbol, Written>();
    const before = keys.map(
      (key) => slots.get(key)?.before ?? (slots.has(key) ? undefined : Reflect.getOwnPropertyDescriptor(target, key)),
    );
    const done = write();
    if (!done) return false;
    this.#journal.set(target, slots);
    keys.forEach((key, i) => {
      slots.set(key, { before: before[i], after: Reflect.getOwnPropertyDescriptor(target, key) });
    });
    return true;
  }
}

/** `includes` and its kin look for a value by identity: both sides are compared as they are stored. */
const SEARCHES: ReadonlyMap<string, (this: unknown, ...args: unknown[]) => unknown> = new Map(
  (["includes", "indexOf", "lastIndexOf"] as const).map((name) => {
    const plain = Array.prototype[name] as (this: unknown, ...args: unknown[]) => unknown;
    const search = function (this: unknown, ...args: unknown[]): unknown {
      const stored: unknown = unwrapped(this);
      return Reflect.apply(plain, Array.isArray(stored) ? stored.map(unwrapped) : stored, [
        unwrapped(args[0]),
        ...args.slice(1),
      ]);
    };
    return [name, search];
  }),
);

function unwrapped(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (targets.get(value) ?? value) : value;
}

/** A plain object or array that is journaled; everything else is handed out as it is. */
function isContainer(value: unknown): value is Container {
  if (typeof value !== "object" || value === null || isProxy(value) || isModuleNamespaceObject(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null) return true;
  const kind = knownByPrototype(prototype)?.kind;
  return kind === "object" || (kind === "array" && Array.isArray(value));
}

/** A slot of which a proxy must give the very value. */
function isFixed(descriptor: PropertyDescriptor): boolean {
  return descriptor.configurable === false && descriptor.writable === false;
}

/** The slots that a write changes: of an array also its length, and what a shorter length cuts off. */
function affected(target: Container, key: string | symbol, value: unknown): (string | symbol)[] {
  if (!Array.isArray(target)) return [key];
  if (key !== "length") return [key, "length"];
  const cut: (string | symbol)[] = ["length"];
  for (let i = Number(value); i < target.length; i++) if (i in target) cut.push(String(i));
  return cut;
}

function undo(target: Container, slots: ReadonlyMap<string | symbol, Written>): void {
  const held = [...slots].filter(([key, { after }]) => same(after, Reflect.getOwnPropertyDescriptor(target, key)));
  for (const [key, { before }] of held) {
    if (before === undefined) Reflect.deleteProperty(target, key);
    else Reflect.defineProperty(target, key, before);
  }
}

function same(a: PropertyDescriptor | undefined, b: PropertyDescriptor | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Object.is(a.value, b.value) && a.get === b.get && a.set === b.set;
}
