/** B5: what a process holds of one large state. */
import { actor, createRuntime, type as input } from "pawl";
import { bytesCrossed, countCrossings } from "./boundary.ts";
import { rest } from "./rest.ts";
import { setField, shelfOf, thingsIn } from "./things.ts";

/** Bytes, each after a collection of garbage, and beyond what the process held before. */
export interface HeldState {
  /** All that the system counts for the process, once the actor is loaded and nobody has read its state. */
  readonly residentUnread: number;
  /** What the engine's native half holds, about, once steps have written to it: all that is resident and not JavaScript's. */
  readonly nativeWritten: number;
  /** JavaScript's heap and what it knows of outside of it: unread; read to the last leaf; and read so once more. */
  readonly heapUnread: number;
  readonly heapRead: number;
  readonly heapReadAgain: number;
  /** The same in the middle of an attempt that has read everything. */
  readonly heapInAttempt: number;
  /** What the plain value takes. */
  readonly plain: number;
}

export interface StateMemoryBench {
  /** Makes an actor with a state of about `bytes` bytes of JSON in a new database at `url`; the bytes of the encoded state. */
  make(url: string, bytes: number): Promise<number>;
  /** Loads it, reads its state, and says what that took. To be asked in a new process. */
  hold(url: string, bytes: number): Promise<HeldState>;
}

let sample: () => void = () => {};

const shelf = actor("shelf", {
  input: input<{ things: number }>(),
  state: ({ things }) => shelfOf(things),
  actions: {
    ping: () => 1,
    count: (c): number => {
      let sum = 0;
      for (const { count, name, price, id, tags } of c.state.things)
        sum += count + name.length + price + id + (tags[0]?.length ?? 0);
      sample();
      return sum;
    },
    write: (c, count: number, turn: number) => setField(c.state, count, turn),
  },
});

const WRITES = 1_000;
const LIMITS = { valueBytes: 256 << 20 };

export const stateMemory: StateMemoryBench = {
  async make(url, bytes) {
    await countCrossings();
    await using runtime = createRuntime({ actors: [shelf], store: url, limits: LIMITS });
    await runtime.create(shelf, "small", { things: 10 });
    const before = bytesCrossed();
    await runtime.create(shelf, "large", { things: thingsIn(bytes) });
    const crossed = bytesCrossed() - before;
    await rest(bytes); // or whoever loads it next would compact it
    return crossed;
  },

  async hold(url, bytes) {
    await using runtime = createRuntime({ actors: [shelf], store: url, limits: LIMITS });
    const small = runtime.get(shelf, "small");
    const large = runtime.get(shelf, "large");
    for (let i = 0; i < 100; i++) await small.actions.count();
    for (let i = 0; i < 100; i++) await small.actions.write(10, i);
    const before = now();
    await large.actions.ping();
    const unread = now();
    let during = unread;
    sample = () => (during = now());
    await large.actions.count();
    const read = now();
    sample = () => {};
    await large.actions.count();
    const again = now();
    for (let i = 0; i < WRITES; i++) await large.actions.write(thingsIn(bytes), i);
    const written = now();
    const plain = parsed(thingsIn(bytes));
    const beside = now();
    if (plain === undefined) throw new Error("found no plain value");
    return {
      residentUnread: unread.resident - before.resident,
      nativeWritten: written.native - before.native,
      heapUnread: unread.heap - before.heap,
      heapRead: read.heap - before.heap,
      heapReadAgain: again.heap - before.heap,
      heapInAttempt: during.heap - before.heap,
      plain: beside.heap - written.heap,
    };
  },
};

/** A plain value as programs get theirs. */
function parsed(things: number): unknown {
  const texts = shelfOf(things).things.map((thing) => JSON.stringify(thing));
  return texts.map((text) => JSON.parse(text) as unknown);
}

interface Now {
  readonly heap: number;
  readonly resident: number;
  readonly native: number;
}

function now(): Now {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss, native: rss - heapTotal - external };
}
