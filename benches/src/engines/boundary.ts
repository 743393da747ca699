/**
 * Counts what passes between JavaScript and the native engine: what each turn hands in and gets back, and cells that are read. It
 * stands in for the engine of every runtime that is made afterwards.
 */
import { createRuntime } from "pawl";

type Advance = (now: number, input: Uint8Array, length: number, output: Uint8Array) => number;

interface NativeEngine {
  readonly advance: Advance;
  readCell(...args: readonly unknown[]): Uint8Array;
  stats(): { readonly transactions: number };
}

interface NativeModule {
  readonly Engine: new (...args: readonly unknown[]) => NativeEngine;
}

/** What has crossed so far. */
export interface Crossed {
  /** Calls of the engine, looks at cells included. */
  readonly calls: number;
  readonly bytes: number;
  /** Microseconds of processor time within timed turns: the boundary, the core, and what of the store runs on this thread. */
  readonly us: number;
}

/** Where the package keeps the one binary of a process. */
const ENGINE = Symbol.for("pawl/native@1");

let [calls, bytes, us] = [0, 0, 0];
let newest: NativeEngine | undefined;
/** Read before and after each turn that is timed; none: it is not. */
let clock: (() => number) | undefined;

export function crossed(): Crossed {
  return { calls, bytes, us };
}

/** Bytes that have crossed so far. */
export function bytesCrossed(): number {
  return bytes;
}

/** Transactions of the newest runtime's store so far: one sync each. */
export function transactions(): number {
  return newest?.stats().transactions ?? 0;
}

/** Nanoseconds of a turn that says nothing and is told nothing, in the newest runtime, which has to be idle. */
export function emptyTurn(count: number): number {
  if (newest === undefined) throw new Error("no runtime was made since crossings are counted");
  const { advance } = newest;
  const [input, output, now] = [new Uint8Array(64), new Uint8Array(16_384), Date.now()];
  const began = performance.now();
  for (let i = 0; i < count; i++) advance(now, input, 0, output);
  return ((performance.now() - began) * 1e6) / count;
}

/** Times all turns from now on by this clock, in microseconds; by none: no more. */
export function timeTurns(by: (() => number) | undefined): void {
  clock = by;
}

/** Begins to count. */
export async function countCrossings(): Promise<void> {
  const shared = globalThis as unknown as Record<symbol, NativeModule | undefined>;
  await using runtime = createRuntime({ actors: [], store: "memory:" });
  await runtime.start();
  const native = shared[ENGINE];
  if (native === undefined) throw new Error("found no native engine where the package keeps it");
  shared[ENGINE] = { ...native, Engine: counting(native.Engine) };
}

function counting(Engine: NativeModule["Engine"]): NativeModule["Engine"] {
  return class extends Engine {
    constructor(...args: readonly unknown[]) {
      super(...args);
      newest = this;
    }

    override get advance(): Advance {
      const advance = super.advance;
      return (now, input, length, output) => {
        const began = clock?.();
        const written = advance(now, input, length, output);
        if (began !== undefined && clock !== undefined) us += clock() - began;
        calls += 1;
        bytes += length + written;
        return written;
      };
    }

    override readCell(...args: readonly unknown[]): Uint8Array {
      const cell = super.readCell(...args);
      calls += 1;
      bytes += cell.length;
      return cell;
    }
  };
}
