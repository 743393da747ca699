/**
 * Counts the bytes that pass between JavaScript and the native engine: what each turn hands in and gets back, and cells that
 * are read. It stands in for the engine of every runtime that is made afterwards.
 */
import { createRuntime } from "pawl";

type Advance = (now: number, input: Uint8Array, length: number, output: Uint8Array) => number;

interface NativeEngine {
  readonly advance: Advance;
  readCell(...args: readonly unknown[]): Uint8Array;
}

interface NativeModule {
  readonly Engine: new (...args: readonly unknown[]) => NativeEngine;
}

/** Where the package keeps the one binary of a process. */
const ENGINE = Symbol.for("pawl/native@1");

let crossed = 0;

/** Bytes that have crossed so far. */
export function bytesCrossed(): number {
  return crossed;
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
    override get advance(): Advance {
      const advance = super.advance;
      return (now, input, length, output) => {
        const written = advance(now, input, length, output);
        crossed += length + written;
        return written;
      };
    }

    override readCell(...args: readonly unknown[]): Uint8Array {
      const bytes = super.readCell(...args);
      crossed += bytes.length;
      return bytes;
    }
  };
}
