import assert from "node:assert";
import fc from "fast-check";
import { describe, test } from "vitest";
import { type Draft, raw } from "../../src/state/index.ts";
import { copy } from "../../src/values/index.ts";
import { given, sameValue, settle } from "./harness.ts";
import { anyRoot, anyStep, PlainSide, run, type Side, type Step } from "./programs/index.ts";
import { readThrough } from "./read-through.ts";

const RUNS = Number(process.env["PAWL_STATE_PROGRAMS"] ?? 200);
/** A slow machine takes a tenth of a second for one. */
const TIMEOUT_MS = 60_000 + RUNS * 1_000;

class StateSide implements Side {
  readonly held: unknown[] = [];
  readonly iterators: Iterator<unknown>[] = [];
  readonly #draft: Draft;
  constructor(draft: Draft) {
    this.#draft = draft;
  }
  get root(): unknown {
    return this.#draft.value;
  }
  set root(next: unknown) {
    this.#draft.value = next;
  }
}

function compare(step: Step, draft: Draft, state: Side, plain: Side): void {
  const actual = run(step, state);
  const expected = run(step, plain);
  assert.ok(sameValue(actual, expected), `${step.name} gave another result`);
  assert.ok(sameValue(readThrough(draft.value), plain.root), `reads differ after ${step.name}`);
  assert.ok(sameValue(raw(draft.value), plain.root), `raw() differs after ${step.name}`);
}

describe("random programs on drafts over a cell that is written from the specification alone", {
  timeout: TIMEOUT_MS,
}, () => {
  test("a program on the state and on a plain value read equal after every operation, and RAW_STATE is equal", () => {
    fc.assert(
      fc.property(anyRoot, fc.array(anyStep, { minLength: 1, maxLength: 25 }), (initial, steps) => {
        const { mirror } = given(initial);
        const draft = mirror.open();
        const plain = new PlainSide(copy(initial));
        const state = new StateSide(draft);
        for (const step of steps) {
          compare(step, draft, state, plain);
          assert.ok(sameValue(draft.raw(), plain.root), `RAW_STATE differs after ${step.name}`);
        }
      }),
      { numRuns: RUNS, includeErrorInReport: true },
    );
  });

  test("what a program wrote is what later drafts see, in memory and read back, and a dropped one leaves no trace", () => {
    fc.assert(
      fc.property(
        anyRoot,
        fc.array(fc.tuple(fc.array(anyStep, { maxLength: 8 }), fc.boolean()), { maxLength: 5 }),
        (initial, attempts) => {
          const world = given(initial);
          let plain = copy(initial);
          for (const [steps, succeeds] of attempts) {
            const draft = world.mirror.open();
            const side = new PlainSide(copy(plain));
            const state = new StateSide(draft);
            for (const step of steps) {
              const expected = run(step, side);
              assert.ok(sameValue(run(step, state), expected), `${step.name} gave another result`);
            }
            if (succeeds) {
              assert.ok(settle(world, draft), "an attempt alone cannot conflict");
              plain = side.root;
            } else {
              draft.drop();
            }
            assert.equal(world.mirror.oldestPin(), undefined);
            assert.ok(sameValue(world.cell.value, plain), "the core has another value");
            const look = world.mirror.open();
            assert.ok(sameValue(readThrough(look.value), plain), "the mirror has another value");
            look.drop();
          }
          world.mirror.drop();
          assert.ok(sameValue(world.mirror.open().value, plain), "another value was read back");
        },
      ),
      { numRuns: RUNS, includeErrorInReport: true },
    );
  });

  test("a program with an older pin reads its version and its own writes, whatever others commit meanwhile", () => {
    fc.assert(
      fc.property(anyRoot, fc.array(fc.tuple(anyStep, anyStep), { minLength: 1, maxLength: 12 }), (initial, steps) => {
        const world = given(initial);
        const draft = world.mirror.open();
        void draft.value;
        const state = new StateSide(draft);
        const plain = new PlainSide(copy(initial));
        for (const [own, theirs] of steps) {
          const other = world.mirror.open();
          run(theirs, new StateSide(other));
          settle(world, other);
          compare(own, draft, state, plain);
        }
        assert.ok(sameValue(draft.raw(), plain.root), "RAW_STATE differs");
        draft.drop();
        assert.equal(world.mirror.undoSlots, 0);
        assert.ok(sameValue(readThrough(world.mirror.open().value), world.cell.value), "the mirror has another value");
      }),
      { numRuns: RUNS, includeErrorInReport: true },
    );
  });
});
