/**
 * Plain objects of the state: one draft's view of one container, and the traps that make it look like the plain object.
 *
 * Owns the patch of a container: slots that were set, keys that were removed. One law: a write is validated and encoded before
 * anything changes, and costs the depth of the path, never the size of the container.
 */
import type { ByteWriter } from "../values/bytes.ts";
import { Unread } from "../values/unread.ts";
import { writeName } from "./delta.ts";
import type { Head } from "./head.ts";
import { ABSENT, UNTOUCHED } from "./history.ts";
import type { Place, Traits } from "./place.ts";
import { inspectable, NODE, StateNode, segmentText } from "./place.ts";
import type { DraftTree } from "./tree.ts";
import { slotOf } from "./unread.ts";

type Slots = Record<string, unknown>;

const INTEGER_KEY = /^(?:0|[1-9]\d*)$/;

interface ObjectPatch {
  /** Slots that were set, in the order in which absent ones were added. */
  readonly set: Map<string, unknown>;
  /** Keys of the pin that were removed: they have lost their place in the order even if they were set again. */
  removed: Set<string> | undefined;
}

/** One draft's view of a plain object. The record is its own proxy's target. */
export class ObjectNode extends StateNode {
  readonly handle: Slots;
  readonly base: Slots;
  /** What the draft has changed; none in a container of its own. */
  #patch: ObjectPatch | undefined;

  constructor(tree: DraftTree, parent: StateNode | undefined, key: unknown, traits: Traits, base: Slots) {
    super(tree, parent, key, traits);
    this.base = base;
    this.handle = new Proxy<Slots>(this as never, objectTraps as ProxyHandler<never>);
  }

  /** The value user code sees in a slot; `undefined` if there is none. */
  read(key: string): unknown {
    let value: unknown;
    if (this.#patch !== undefined || this.tree.behind) {
      value = this.slot(key);
    } else {
      value = this.base[key];
      const mayBeInherited = value === undefined || typeof value === "function" || typeof value === "object";
      if (mayBeInherited && value !== null && !Object.hasOwn(this.base, key)) value = ABSENT;
    }
    if (value === ABSENT) {
      if (key === "toJSON") this.sawSubtree(); // JSON.stringify asks for it first, and will read everything
      this.#saw(key);
      return key === "__proto__" || this.prototype === null ? undefined : Reflect.get(this.prototype, key);
    }
    if (typeof value === "object" && value !== null)
      return this.childHandle(key, value instanceof Unread ? (slotOf(this.base, key) as object) : value);
    this.#saw(key);
    return value;
  }

  /** The raw value of a slot, or `ABSENT`. Records nothing. */
  slot(key: string): unknown {
    const found = this.#found(key);
    return found instanceof Unread ? slotOf(this.base, key) : found;
  }

  /** What is in a slot; it may not have been read yet. */
  #found(key: string): unknown {
    const patch = this.#patch;
    if (patch !== undefined) {
      const own = patch.set.get(key);
      if (own !== undefined || patch.set.has(key)) return own;
      if (patch.removed?.has(key) === true) return ABSENT;
    }
    return this.#pinned(key);
  }

  /** Sets a slot to a copy of `value`; changes nothing if it is refused. */
  write(key: string, value: unknown): void {
    const { tree } = this;
    const old = this.#found(key);
    if (tree.holds(old, value)) {
      this.#saw(key);
      return;
    }
    tree.assign(this, key, old, value);
  }

  /** Sets a slot to a captured value. */
  put(key: string, raw: unknown): void {
    const { tree } = this;
    tree.delta.set(this, key, raw);
    this.detach(this.#found(key));
    this.replace(key, raw);
  }

  /** Removes a slot. */
  remove(key: string): void {
    const { tree } = this;
    const old = this.#found(key);
    if (old === ABSENT) {
      this.#saw(key);
      return;
    }
    tree.delta.remove(this, key);
    this.detach(old);
    this.#forget(key);
  }

  #forget(key: string): void {
    if (this.owned) {
      delete this.base[key];
      return;
    }
    const patch = this.#patched();
    patch.set.delete(key);
    if (this.#pinned(key) === ABSENT) return;
    patch.removed ??= new Set();
    patch.removed.add(key);
  }

  has(key: string): boolean {
    this.#saw(key);
    if (this.#found(key) !== ABSENT) return true;
    return key !== "__proto__" && this.prototype !== null && key in this.prototype;
  }

  /** The keys in their order. Records nothing. */
  keys(): readonly string[] {
    const { base, tree } = this;
    if (this.owned) return Object.keys(base);
    const pinned = tree.behind ? tree.head.history.keysAt(base, tree.pin) : Object.keys(base);
    const patch = this.#patch;
    if (patch === undefined) return pinned;
    const { set, removed } = patch;
    const kept = removed === undefined ? pinned : pinned.filter((key) => !removed.has(key));
    const added = [...set.keys()].filter((key) => removed?.has(key) === true || this.#pinned(key) === ABSENT);
    if (added.length === 0) return kept;
    const all = [...kept, ...added];
    return added.some((key) => INTEGER_KEY.test(key)) ? inEngineOrder(all) : all;
  }

  get prototype(): object | null {
    return Object.getPrototypeOf(this.base) as object | null;
  }

  /** Puts a captured value into a slot without writing an operation. */
  replace(key: string, raw: unknown): void {
    if (this.owned) define(this.base, key, raw);
    else this.#patched().set.set(key, raw);
  }

  locate(child: Place): unknown {
    return child.key;
  }

  slotText(key: unknown): string {
    return segmentText(key as string);
  }

  writeSlot(out: ByteWriter, key: unknown): void {
    writeName(out, key as string);
  }

  /** Gives the keys another order: they are the same, indices stay in front. */
  reorder(keys: readonly string[]): void {
    const ranks = new Map(this.keys().map((key, rank) => [key, rank]));
    const order = keys.map((key) => ranks.get(key) as number);
    this.tree.delta.permute(this, order);
    const moved = keys.slice(order.findIndex((old, rank) => old !== rank));
    const raws = moved.map((key) => this.slot(key));
    for (const key of moved) this.#forget(key);
    moved.forEach((key, i) => {
      this.replace(key, raws[i]);
    });
  }

  /** Another node for the same object, with the same view: what was handed out of this one becomes its own. */
  successor(): ObjectNode {
    const { tree, parent, key, owned, base, traits } = this;
    const slots = owned
      ? Object.defineProperties(Object.create(this.prototype) as Slots, Object.getOwnPropertyDescriptors(base))
      : base;
    const next = new ObjectNode(tree, parent, key, traits, slots);
    const patch = this.#patch;
    if (patch !== undefined) {
      const removed = patch.removed === undefined ? undefined : new Set(patch.removed);
      next.#patch = { set: new Map(patch.set), removed };
      tree.dirty.push(next);
    }
    this.bequeath(next);
    return next;
  }

  /** Applies the patch to the mirror as change `seq`. */
  commit(head: Head, seq: number, newestPin: number): void {
    const { base } = this;
    const { history } = head;
    for (const key of this.#patch?.removed ?? []) {
      if (!Object.hasOwn(base, key)) continue;
      if (newestPin >= 0) {
        history.keepKeys(base, () => Object.keys(base), seq, newestPin);
        history.keepSlot(base, key, slotOf(base, key), seq, newestPin);
      }
      delete base[key];
    }
    for (const [key, raw] of this.#patch?.set ?? []) {
      if (newestPin >= 0)
        history.keepSlot(base, key, Object.hasOwn(base, key) ? slotOf(base, key) : ABSENT, seq, newestPin);
      define(base, key, raw);
    }
  }

  /** Begins an enumeration: engines ask for a descriptor of each key next, in this order. */
  list(): readonly string[] {
    this.sawShape();
    const keys = this.keys();
    this.tree.listing = { node: this, keys, asked: 0 };
    return keys;
  }

  /**
   * The descriptor of a slot. `Object.keys` and spread ask for one per key only to learn that it is enumerable: those get an
   * accessor that reads when it is used, so that an enumeration reads the shape and not every value.
   */
  descriptor(key: string): PropertyDescriptor | undefined {
    const enumerating = this.#isListed(key);
    const raw = this.#found(key);
    if (raw === ABSENT) {
      this.#saw(key);
      return undefined;
    }
    if (enumerating && (this.tracking || typeof raw === "object")) {
      const { handle } = this;
      return { get: () => handle[key], set: (value) => (handle[key] = value), enumerable: true, configurable: true };
    }
    return { value: this.read(key), writable: true, enumerable: true, configurable: true };
  }

  /** Whether this is the next key that the enumeration in progress asks for. */
  #isListed(key: string): boolean {
    const { tree } = this;
    const { listing } = tree;
    if (listing?.node !== this || listing.keys[listing.asked] !== key) return false;
    listing.asked += 1;
    if (listing.asked === listing.keys.length) tree.listing = undefined;
    return true;
  }

  #pinned(key: string): unknown {
    const { base, tree } = this;
    if (tree.behind && !this.owned) {
      const past = tree.head.history.keyAt(base, key, tree.pin);
      if (past !== UNTOUCHED) return past;
    }
    return Object.hasOwn(base, key) ? base[key] : ABSENT;
  }

  #saw(key: string): void {
    if (!this.tracking) return;
    const patch = this.#patch;
    if (patch?.set.has(key) !== true && patch?.removed?.has(key) !== true) this.sawSlot(key);
  }

  #patched(): ObjectPatch {
    if (this.#patch === undefined) {
      this.#patch = { set: new Map(), removed: undefined };
      this.tree.dirty.push(this);
    }
    return this.#patch;
  }
}

inspectable(ObjectNode.prototype);

/** Sets an own data property, whatever the key is called. */
export function define(object: Slots, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else object[key] = value;
}

/** Integer keys first, ascending; then the others as they were added. */
function inEngineOrder(keys: readonly string[]): string[] {
  const ordered = Object.create(null) as Slots;
  for (const key of keys) ordered[key] = true;
  return Object.keys(ordered);
}

const objectTraps: ProxyHandler<ObjectNode> = {
  get(node, key) {
    if (key === NODE) return node;
    node.readable();
    if (typeof key === "string") return node.read(key);
    return node.prototype === null ? undefined : Reflect.get(node.prototype, key);
  },

  set(node, key, value, receiver: unknown) {
    node.writable();
    if (receiver !== node.handle) return setOnHeir(receiver, key, value);
    if (typeof key === "symbol") throw node.tree.refused(node, key, "a symbol key cannot be stored");
    node.write(key, value);
    return true;
  },

  has(node, key) {
    node.readable();
    if (typeof key === "string") return node.has(key);
    return node.prototype !== null && key in node.prototype;
  },

  deleteProperty(node, key) {
    node.writable();
    if (typeof key === "string") node.remove(key);
    return true;
  },

  ownKeys(node) {
    node.readable();
    return node.list() as string[];
  },

  getOwnPropertyDescriptor(node, key) {
    node.readable();
    return typeof key === "string" ? node.descriptor(key) : undefined;
  },

  defineProperty(node, key, descriptor) {
    node.writable();
    if (typeof key === "symbol") throw node.tree.refused(node, key, "a symbol key cannot be stored");
    checkDescriptor(node, key, descriptor, node.slot(key) !== ABSENT);
    if ("value" in descriptor || node.slot(key) === ABSENT) node.write(key, descriptor.value);
    return true;
  },

  getPrototypeOf(node) {
    node.readable();
    return node.prototype;
  },

  setPrototypeOf: (node, prototype) => keepPrototype(node, prototype, node.prototype),
  preventExtensions: (node) => refuseFreeze(node),
};

/** An object that inherits from a proxy gets its own property, as it would from a plain object. */
export function setOnHeir(heir: unknown, key: string | symbol, value: unknown): boolean {
  if (typeof heir !== "object" || heir === null) return false;
  const own = Object.getOwnPropertyDescriptor(heir, key);
  if (own !== undefined) return own.writable === true && Reflect.defineProperty(heir, key, { value });
  return Reflect.defineProperty(heir, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Refuses accessors and attributes that no stored value has. */
export function checkDescriptor(
  node: StateNode,
  key: string | number,
  descriptor: PropertyDescriptor,
  exists: boolean,
): void {
  if (descriptor.get !== undefined || descriptor.set !== undefined)
    throw node.tree.refused(node, key, "an accessor cannot be stored");
  const lacks = (flag: boolean | undefined): boolean => (exists ? flag === false : flag !== true);
  if (lacks(descriptor.writable) || lacks(descriptor.enumerable) || lacks(descriptor.configurable)) {
    throw node.tree.refused(node, key, "only a writable, enumerable, configurable property can be stored");
  }
}

/** State has the prototypes of plain values and no others. */
export function keepPrototype(node: StateNode, wanted: object | null, prototype: object | null): boolean {
  node.readable();
  if (wanted === prototype) return true;
  throw new TypeError(`${node.describe()}: the prototype of stored state cannot be changed`);
}

/** State stays writable: `freeze`, `seal` and `preventExtensions` have no meaning that could be stored. */
export function refuseFreeze(node: StateNode): never {
  node.readable();
  throw new TypeError(`${node.describe()}: stored state cannot be frozen, sealed or made non-extensible`);
}
