/**
 * Undo lists: what attempts with an older pin still need of slots that later commits overwrote.
 *
 * Owns the old values and when they are forgotten; knows neither drafts nor proxies. One law: a reader pinned at `p` takes the
 * first entry whose seq is above `p`, and where there is none, what the mirror holds now.
 */

/** The most old slots that are kept for attempts with an older pin. */
export const MOST_SLOTS: number = 100_000;
/** The most bytes of old values that are kept for them: of what can be told at a glance, texts, buffers and orders of keys. */
export const MOST_BYTES: number = 16 * 1024 * 1024;

/** Stands for a slot that is not there: an absent key, or a hole. */
export const ABSENT: unique symbol = Symbol("absent");
/** Says that no later commit touched the slot: the mirror's value is the pin's. */
export const UNTOUCHED: unique symbol = Symbol("untouched");

const KEYS: unique symbol = Symbol("keys");
const LENGTH: unique symbol = Symbol("length");
const WHOLE: unique symbol = Symbol("whole");

/** A name, an index, a key of a Map, or one of those above. */
type Slot = unknown;

interface Past {
  /** The change that overwrote `old`. */
  readonly seq: number;
  readonly old: unknown;
}

interface Logged {
  readonly seq: number;
  readonly container: object;
  readonly slot: Slot;
  readonly bytes: number;
}

/** The undo lists of one mirror. */
export class History {
  readonly #lists = new Map<object, Map<Slot, Past[]>>();
  /** Every entry in the order of commits, so that a cut costs what it forgets. */
  #log: Logged[] = [];
  #forgotten = 0;
  #bytes = 0;

  /** Whether more is held than may be. */
  get isOverfull(): boolean {
    return this.size > MOST_SLOTS || this.#bytes > MOST_BYTES;
  }

  /** Number of old slots that are held. */
  get size(): number {
    return this.#log.length - this.#forgotten;
  }

  /** Keeps the value (or `ABSENT`) that change `seq` overwrites, if a pin up to `newestPin` may still read it. */
  keepSlot(container: object, slot: unknown, old: unknown, seq: number, newestPin: number): void {
    if (typeof slot === "number" && lastSeq(this.#lists.get(container)?.get(WHOLE)) > newestPin) return;
    this.#keep(container, slot, old, seq, newestPin);
  }

  /** Keeps the order of keys before change `seq` removes one; `old` is called only if it is needed. */
  keepKeys(container: object, old: () => readonly unknown[], seq: number, newestPin: number): void {
    if (lastSeq(this.#lists.get(container)?.get(KEYS)) <= newestPin) this.#keep(container, KEYS, old(), seq, newestPin);
  }

  /** Keeps the length of an array, or the size of a Map or Set, before change `seq` changes it. */
  keepLength(container: object, old: number, seq: number, newestPin: number): void {
    this.#keep(container, LENGTH, old, seq, newestPin);
  }

  /** Keeps every slot of an array before change `seq` moves them; `old` is called only if it is needed. */
  keepWhole(container: object, old: () => readonly unknown[], seq: number, newestPin: number): void {
    if (lastSeq(this.#lists.get(container)?.get(WHOLE)) <= newestPin)
      this.#keep(container, WHOLE, old(), seq, newestPin);
  }

  /** The value of a slot of an object at `pin`: a value, `ABSENT` or `UNTOUCHED`. */
  keyAt(container: object, key: unknown, pin: number): unknown {
    const past = firstAfter(this.#lists.get(container)?.get(key), pin);
    return past === undefined ? UNTOUCHED : past.old;
  }

  /** The value of a slot of an array at `pin`: a value, `ABSENT` or `UNTOUCHED`. The caller has compared with the length. */
  indexAt(container: object, index: number, pin: number): unknown {
    const lists = this.#lists.get(container);
    if (lists === undefined) return UNTOUCHED;
    const slot = firstAfter(lists.get(index), pin);
    const whole = firstAfter(lists.get(WHOLE), pin);
    if (whole !== undefined && (slot === undefined || whole.seq < slot.seq)) {
      const old = whole.old as readonly unknown[];
      return index in old ? old[index] : ABSENT;
    }
    return slot === undefined ? UNTOUCHED : slot.old;
  }

  /** The length of an array at `pin`, given its length now. */
  lengthAt(container: readonly unknown[], pin: number): number {
    const past = firstAfter(this.#lists.get(container)?.get(LENGTH), pin);
    return past === undefined ? container.length : (past.old as number);
  }

  /** The keys of a Map or Set at `pin`, if their order was kept since; those that are not there at `pin` included. */
  orderAt(container: object, pin: number): readonly unknown[] | undefined {
    return firstAfter(this.#lists.get(container)?.get(KEYS), pin)?.old as readonly unknown[] | undefined;
  }

  /** Of a Map or Set: how many entries it had at `pin`, given how many it has now. */
  sizeAt(container: object, pin: number, now: number): number {
    const past = firstAfter(this.#lists.get(container)?.get(LENGTH), pin);
    return past === undefined ? now : (past.old as number);
  }

  /** The keys of an object at `pin`, in their order then. */
  keysAt(container: object, pin: number): readonly string[] {
    const lists = this.#lists.get(container);
    const past = firstAfter(lists?.get(KEYS), pin);
    const keys = past === undefined ? Object.keys(container) : (past.old as readonly string[]);
    if (lists === undefined) return keys;
    return keys.filter((key) => firstAfter(lists.get(key), pin)?.old !== ABSENT);
  }

  /** Forgets what no pin at or above `oldestPin` reads; `undefined`: no pin is open. */
  cut(oldestPin: number | undefined): void {
    if (oldestPin === undefined) {
      if (this.#log.length === 0) return;
      this.#lists.clear();
      this.#log = [];
      this.#forgotten = 0;
      this.#bytes = 0;
      return;
    }
    for (
      let entry = this.#log[this.#forgotten];
      entry !== undefined && entry.seq <= oldestPin;
      entry = this.#log[this.#forgotten]
    ) {
      this.#forget(entry);
      this.#forgotten += 1;
    }
    if (this.#forgotten > 1024 && this.#forgotten * 2 > this.#log.length) {
      this.#log = this.#log.slice(this.#forgotten);
      this.#forgotten = 0;
    }
  }

  #keep(container: object, slot: Slot, old: unknown, seq: number, newestPin: number): void {
    const lists = this.#lists.get(container) ?? new Map<Slot, Past[]>();
    if (lists.size === 0) this.#lists.set(container, lists);
    const list = lists.get(slot);
    if (list === undefined) lists.set(slot, [{ seq, old }]);
    else if (lastSeq(list) > newestPin) return;
    else list.push({ seq, old });
    const bytes = bytesOf(old);
    this.#bytes += bytes;
    this.#log.push({ seq, container, slot, bytes });
  }

  #forget({ container, slot, bytes }: Logged): void {
    this.#bytes -= bytes;
    const lists = this.#lists.get(container);
    const list = lists?.get(slot);
    list?.shift();
    if (list?.length !== 0) return;
    lists?.delete(slot);
    if (lists?.size === 0) this.#lists.delete(container);
  }
}

const SLOT_BYTES = 8;

/** About how much memory an old value keeps, without looking into objects: the engine's own log counts those. */
function bytesOf(old: unknown): number {
  if (typeof old === "string") return old.length * 2;
  if (Array.isArray(old)) return old.length * SLOT_BYTES;
  if (ArrayBuffer.isView(old) || old instanceof ArrayBuffer) return old.byteLength;
  return SLOT_BYTES;
}

/** An entry written after every open pin makes a further one useless: each reader takes the earlier. */
function lastSeq(list: readonly Past[] | undefined): number {
  return list?.[list.length - 1]?.seq ?? 0;
}

function firstAfter(list: readonly Past[] | undefined, pin: number): Past | undefined {
  if (list === undefined) return undefined;
  for (const past of list) if (past.seq > pin) return past;
  return undefined;
}
