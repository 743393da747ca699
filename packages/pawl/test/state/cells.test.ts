/** The differential proof for several cells of one actor at once, on an embedding host's driver. */
import assert from "node:assert";
import fc from "fast-check";
import { test } from "vitest";
import { type EngineAttempt, openActor } from "../../src/engine/index.ts";
import { InMemoryDriver } from "../../src/engine/testing.ts";
import { RAW_STATE } from "../../src/index.ts";
import { copy } from "../../src/values/index.ts";
import { sameValue } from "./harness.ts";
import { anyRoot, anyStep, PlainSide, run, type Side } from "./programs/index.ts";
import { readThrough } from "./read-through.ts";

type Pair = readonly [unknown, unknown];
const UNDONE = "undone on purpose";

/** A declared cell, or one that was added later. */
class CellSide implements Side {
  readonly held: unknown[] = [];
  readonly iterators: Iterator<unknown>[] = [];
  readonly #cell: { value: unknown };
  constructor(cell: { value: unknown }) {
    this.#cell = cell;
  }
  get root(): unknown {
    return this.#cell.value;
  }
  set root(next: unknown) {
    this.#cell.value = next;
  }
}

const aProgram = fc.record({
  steps: fc.array(fc.tuple(fc.constantFrom<0 | 1>(0, 1), anyStep), { minLength: 1, maxLength: 10 }),
  succeeds: fc.boolean(),
});

test("two cells that one transaction writes are what two plain values are", { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(anyRoot, anyRoot, fc.array(aProgram, { maxLength: 3 }), async (one, two, programs) => {
      const driver = new InMemoryDriver();
      driver.latency = 0;
      const open = () => openActor(driver, { id: "actor", cells: { one: { initial: () => one } } });
      let actor = await open();
      let cell = await actor.cell("two", { initial: () => two });
      let plain: Pair = [copy(one), copy(two)];
      const seen = (a: EngineAttempt<{ one: unknown }>): Pair => [a.raw("one"), a.open(cell)[RAW_STATE]()];
      for (const { steps, succeeds } of programs) {
        const plains = [new PlainSide(copy(plain[0])), new PlainSide(copy(plain[1]))] as const;
        const outcome = await actor
          .transaction(
            (attempt) => attempt,
            (a) => {
              const declared = {
                get value() {
                  return a.cells.one;
                },
                set value(next: unknown) {
                  a.cells.one = next;
                },
              };
              const sides = [new CellSide(declared), new CellSide(a.open(cell))] as const;
              for (const [which, step] of steps) {
                const expected = run(step, plains[which]);
                assert.ok(sameValue(run(step, sides[which]), expected), `${step.name} gave another result`);
              }
              const expected = plains.map(({ root }) => root);
              assert.ok(sameValue(seen(a), expected), "a cell has another value");
              assert.ok(sameValue([readThrough(sides[0].root), readThrough(sides[1].root)], expected), "reads differ");
              if (!succeeds) throw new Error(UNDONE);
            },
          )
          .catch((error: unknown) => error);
        assert.ok(succeeds ? outcome === undefined : String(outcome).includes(UNDONE), String(outcome));
        if (succeeds) plain = [plains[0].root, plains[1].root];
        assert.ok(sameValue(await actor.transaction((a) => a, seen), plain), "another value was committed");
      }
      await actor.close();
      actor = await open();
      cell = await actor.cell("two", { initial: () => two });
      assert.ok(sameValue(await actor.transaction((a) => a, seen), plain), "another value was read back");
      await actor.close();
    }),
    { numRuns: Math.max(50, Number(process.env["PAWL_STATE_PROGRAMS"] ?? 500) / 10), includeErrorInReport: true },
  );
});
