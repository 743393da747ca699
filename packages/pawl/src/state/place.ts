/**
 * Places: what an attempt holds of the state, where it is, and what was read there.
 *
 * A `Place` is one object that was handed out; a `StateNode` is one that holds others: an object, an array, a Map or a Set. Owns
 * position, detachment and the read set of its own level; knows no values and writes nothing. One law: a place changes its
 * parent only for the successor of that parent, for whatever is put elsewhere is captured by value.
 */
import { inspect } from "node:util";
import { isProxy } from "node:util/types";
import type { ByteWriter } from "../values/bytes.ts";
import { areMany, ChildIndex, findAmong } from "./children.ts";
import type { DraftTree } from "./tree.ts";

/** Slots read one by one before the whole level counts as read (part of the isolation contract). */
export const LEVEL_AFTER = 64;

/** Asks a proxy of ours for its node. Never leaves this folder. */
export const NODE: unique symbol = Symbol("pawl.node");

// What is true of a place, as bits of one number: a scan makes places by the hundred thousand.
const GONE = 1;
/** The draft put it there. */
export const OWNED = 2;
/** It is the key of its slot, and not the value. */
export const IS_KEY = 4;
const WROTE = 8;
const TRACKING = 16;
const SHAPE_SEEN = 32;
const LEVEL_SEEN = 64;
const SUBTREE_SEEN = 128;

/** What a new place is: none, one or both of `OWNED` and `IS_KEY`. */
export type Traits = number;

/** Something of the state that was handed out. */
export abstract class Place {
  #bits: number;
  readonly tree: DraftTree;
  parent: StateNode | undefined;
  /**
   * The slot of the parent that held it when last seen: a name, an index, or the key of a Map as the mirror has it.
   * `StateNode.locate` corrects it in an array that was reshuffled.
   */
  key: unknown;

  constructor(tree: DraftTree, parent: StateNode | undefined, key: unknown, traits: Traits) {
    this.tree = tree;
    this.parent = parent;
    this.key = key;
    this.#bits = parent?.gone === true ? traits | GONE : traits;
  }

  /** What it was made as. */
  protected get traits(): Traits {
    return this.#bits & (OWNED | IS_KEY);
  }

  protected is(bit: number): boolean {
    return (this.#bits & bit) !== 0;
  }

  protected mark(bit: number, on: boolean): void {
    this.#bits = on ? this.#bits | bit : this.#bits & ~bit;
  }

  /** True once another value has taken the slot it came from, or that of what it is in. */
  get gone(): boolean {
    return this.is(GONE);
  }

  set gone(on: boolean) {
    this.mark(GONE, on);
  }

  /** True if this draft put it there: then nothing of the pin is read through it. */
  get owned(): boolean {
    return this.is(OWNED);
  }

  /** Whether it is a key of a Map or a member of a Set. */
  get isKey(): boolean {
    return this.is(IS_KEY);
  }

  /** The key of a Map, or member of a Set, that it is or is in: what changes there is written by giving that entry another key. */
  get unit(): Place | undefined {
    return this.parent?.unit ?? (this.isKey ? this : undefined);
  }

  /** What user code holds: a proxy, or a detached instance of a leaf. */
  abstract readonly handle: object;
  /** The value behind it, in the mirror or the draft's own: its identity, never handed out. */
  abstract readonly base: object;

  /** It has lost its slot, and with it whatever was handed out below. */
  leave(): void {
    this.gone = true;
  }

  /** Where it is, as user code would write it: `state.items[3]`. */
  describe(): string {
    if (this.parent === undefined) return this.tree.name;
    return this.parent.describe() + this.parent.slotText(this.key);
  }

  /** Throws unless user code may still read it: what has lost its slot can be read as it was, but for an old root. */
  readable(): void {
    if (this.tree.closed) throw this.tree.stale(this.describe(), "ended");
    if (this.gone && this.parent === undefined) throw this.tree.stale(this.describe(), "detached");
  }

  /** Throws unless user code may still write it. */
  writable(): void {
    if (this.tree.closed) throw this.tree.stale(this.describe(), "ended");
    if (this.gone) throw this.tree.stale(this.describe(), "detached");
    if (this.tree.readOnly !== undefined) throw this.tree.readOnly();
  }
}

/** Slots that were read one by one. */
interface SlotsSeen {
  readonly keys: Set<unknown>;
  last: unknown;
}

/** Of a node that took over from another, or that another took over from. */
interface Succession {
  predecessor?: StateNode;
  successor?: StateNode;
  /** Places below that were themselves taken over later, by what they stand for. */
  past?: Map<object, Place>;
}

/** What most containers of a scan have nothing of. */
interface More {
  children: Place[] | undefined;
  index: ChildIndex | undefined;
  succession: Succession | undefined;
  slots: SlotsSeen | undefined;
}

/** What holds other values, as one draft sees it. */
export abstract class StateNode extends Place {
  #more: More | undefined;

  constructor(tree: DraftTree, parent: StateNode | undefined, key: unknown, traits: Traits) {
    super(tree, parent, key, traits);
    if ((traits & OWNED) === 0) {
      if (parent?.subtreeSeen === true) this.subtreeSeen = true;
      else if (!tree.wide) this.tracking = true;
    }
    parent?.adopt(this);
  }

  /** Segments on the path from the root. */
  get depth(): number {
    return this.parent === undefined ? 0 : this.parent.depth + 1;
  }

  /** True once an operation was written for this container. */
  get wrote(): boolean {
    return this.is(WROTE);
  }

  set wrote(on: boolean) {
    this.mark(WROTE, on);
  }

  /** False once nothing more need be recorded here: fresh containers, levels and subtrees that count as read. */
  get tracking(): boolean {
    return this.is(TRACKING);
  }

  set tracking(on: boolean) {
    this.mark(TRACKING, on);
  }

  get shapeSeen(): boolean {
    return this.is(SHAPE_SEEN);
  }

  set shapeSeen(on: boolean) {
    this.mark(SHAPE_SEEN, on);
  }

  get levelSeen(): boolean {
    return this.is(LEVEL_SEEN);
  }

  set levelSeen(on: boolean) {
    this.mark(LEVEL_SEEN, on);
  }

  get subtreeSeen(): boolean {
    return this.is(SUBTREE_SEEN);
  }

  set subtreeSeen(on: boolean) {
    this.mark(SUBTREE_SEEN, on);
  }

  /** The slot that holds `child` now. */
  abstract locate(child: Place): unknown;

  /** Puts a captured value into a slot of this kind of container without writing an operation. */
  abstract replace(key: unknown, raw: unknown): void;

  /** A slot as user code would write it after the container: `.name`, `[3]`, `.get("key")`. */
  abstract slotText(key: unknown): string;

  /** Appends the segment of a path that names a slot. */
  abstract writeSlot(out: ByteWriter, key: unknown): void;

  /** Another node takes over: its handle and what was handed out below, and later reads. This one can only be read. */
  protected bequeath(next: StateNode): void {
    const { tree, parent } = this;
    if (next.base !== this.base) {
      if (parent === undefined) tree.replaced = { root: next.base };
      else parent.replace(parent.locate(this), next.base);
    }
    tree.succeed(this, next);
    this.gone = true;
    next.shapeSeen = this.shapeSeen;
    next.levelSeen = this.levelSeen;
    next.subtreeSeen = this.subtreeSeen;
    next.tracking = this.tracking;
    next.wrote = this.wrote;
    const [mine, others] = [this.#having, next.#having];
    others.slots = mine.slots;
    others.children = mine.children;
    others.index = mine.index;
    mine.children = undefined;
    mine.index = undefined;
    for (const child of others.children ?? []) child.parent = next;
    next.#succeeding.predecessor = this;
    this.#succeeding.successor = next;
    let past = parent === undefined ? undefined : parent.#predecessor;
    for (; past !== undefined; past = past.#predecessor) past.#remember(this);
  }

  get #predecessor(): StateNode | undefined {
    return this.#more?.succession?.predecessor;
  }

  get #successor(): StateNode | undefined {
    return this.#more?.succession?.successor;
  }

  get #succeeding(): Succession {
    const more = this.#having;
    more.succession ??= {};
    return more.succession;
  }

  get #having(): More {
    this.#more ??= { children: undefined, index: undefined, succession: undefined, slots: undefined };
    return this.#more;
  }

  /** The places below that were handed out, detached ones included, in that order. */
  get children(): readonly Place[] | undefined {
    return this.#more?.children;
  }

  #remember(child: StateNode): void {
    const succession = this.#succeeding;
    succession.past ??= new Map();
    if (!succession.past.has(child.base)) succession.past.set(child.base, child);
  }

  /** The place below that stands for a raw value of this node, if it was handed out. */
  childOf(raw: object): Place | undefined {
    if (this.gone) return this.#childOfPast(raw);
    const found = this.#find(raw);
    return found?.gone === false ? found : undefined;
  }

  /** A node that is gone goes on showing what it has shown, though another has taken over what was handed out. */
  #childOfPast(raw: object): Place | undefined {
    const past = this.#more?.succession?.past?.get(raw);
    if (past !== undefined) return past;
    let heir: StateNode = this;
    for (let next = this.#successor; next !== undefined; next = next.#successor) heir = next;
    return heir.#find(raw);
  }

  #find(raw: object): Place | undefined {
    const more = this.#more;
    if (more?.children === undefined) return undefined;
    if (!areMany(more.children)) return findAmong(more.children, raw);
    more.index ??= new ChildIndex();
    return more.index.find(more.children, raw);
  }

  /** The place of a container or leaf in a slot, or of the slot's key; made if it was not handed out before. */
  child(key: unknown, raw: object, traits: Traits = 0): Place {
    return this.childOf(raw) ?? this.tree.make(this, key, traits, raw);
  }

  /** What user code holds for a container or leaf in a slot: the same for every read. */
  childHandle(key: unknown, raw: object): object {
    const known = this.childOf(raw);
    if (known === undefined) return this.tree.make(this, key, 0, raw).handle;
    known.key = key;
    return known.handle;
  }

  /** A value below has lost its slot: what was handed out of it is stale from now on. */
  detach(raw: unknown): void {
    if (this.children === undefined || typeof raw !== "object" || raw === null) return;
    this.childOf(raw)?.leave();
  }

  override leave(): void {
    this.gone = true;
    for (const child of this.children ?? []) child.leave();
  }

  /** A place below stands for another value now. */
  renamed(child: Place): void {
    this.#more?.index?.renamed(child);
  }

  /** Counts a place among those below. */
  adopt(child: Place): void {
    const more = this.#having;
    if (more.children === undefined) more.children = [child];
    else more.children.push(child);
  }

  /** Slots that were read one by one. */
  get slotsSeen(): ReadonlySet<unknown> | undefined {
    return this.#more?.slots?.keys;
  }

  /** A slot was read: its value or its absence. */
  sawSlot(key: unknown): void {
    const seen = this.#more?.slots;
    if ((seen !== undefined && key === seen.last) || !this.#counts()) return;
    if (seen === undefined) {
      this.#having.slots = { keys: new Set([key]), last: key };
      return;
    }
    seen.last = key;
    seen.keys.add(key);
    if (seen.keys.size > LEVEL_AFTER) this.sawLevel();
  }

  /** Keys, length, order or an iteration were read. */
  sawShape(): void {
    if (!this.shapeSeen && this.#counts()) this.shapeSeen = true;
  }

  /** The shape and every slot were read. */
  sawLevel(): void {
    if (!this.#counts()) return;
    this.levelSeen = true;
    this.#forgetSlots();
    this.tracking = false;
  }

  /** Everything at and below this place was read. */
  sawSubtree(): void {
    if (this.owned || this.subtreeSeen) return;
    this.#counts();
    this.subtreeSeen = true;
    this.tracking = false;
    this.#forgetSlots();
    for (const child of this.children ?? []) if (child instanceof StateNode) child.sawSubtree();
  }

  /** Counts this container among those that were read, and says whether its reads are still recorded one by one. */
  #counts(): boolean {
    if (!this.tracking) return false;
    if (!this.shapeSeen && this.#more?.slots === undefined) this.tracking = this.tree.countRead();
    return this.tracking;
  }

  #forgetSlots(): void {
    if (this.#more !== undefined) this.#more.slots = undefined;
  }
}

/** The places behind real instances: those of Maps, Sets, Dates and other leaves are no proxies. */
const instances = new WeakMap<object, Place>();

/** Remembers what a real instance stands for. */
export function register(instance: object, place: Place): void {
  instances.set(instance, place);
}

/** The place behind a value that user code gave us, if it was handed out by a draft. */
export function placeOf(value: unknown): Place | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return isProxy(value) ? nodeBehind(value) : instances.get(value);
}

/** The node behind a value that user code gave us, if it is an object, array, Map or Set of the state. */
export function nodeOf(value: unknown): StateNode | undefined {
  const place = placeOf(value);
  return place instanceof StateNode ? place : undefined;
}

function nodeBehind(value: object): StateNode | undefined {
  let found: unknown;
  try {
    found = (value as { readonly [NODE]?: unknown })[NODE];
  } catch {
    return undefined; // a foreign proxy that throws or was revoked: refused with its path like every other
  }
  return found instanceof StateNode && found.handle === value ? found : undefined;
}

/** Makes `util.inspect` print what a proxy shows: it looks past proxies, but calls this method of the target on the proxy. */
export function inspectable(prototype: object): void {
  const print = function (this: unknown): unknown {
    const node = nodeOf(this);
    return node?.tree.inspected(node);
  };
  Object.defineProperty(prototype, inspect.custom, { value: print });
}

/** One segment of a path as user code would write it. */
export function segmentText(key: string | number | symbol): string {
  if (typeof key === "number") return `[${key}]`;
  if (typeof key === "symbol") return `[${String(key)}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
