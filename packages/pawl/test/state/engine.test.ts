/**
 * The differential proof: random programs on `c.state` of a real actor and on a plain value, side by side.
 *
 * 500 programs by default; `PAWL_STATE_PROGRAMS=10000` for more.
 */
import assert from "node:assert";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AttemptContext, actor, type Bag, RAW_STATE, raw, type } from "../../src/index.ts";
import { copy } from "../../src/values/index.ts";
import { crash, World } from "../runtime/harness.ts";
import { sameValue } from "./harness.ts";
import { anyRoot, anyStep, NAMES, PlainSide, run, type Side, type Step } from "./programs/index.ts";
import { readThrough } from "./read-through.ts";

const PROGRAMS = Number(process.env["PAWL_STATE_PROGRAMS"] ?? 500);
/** A slow machine takes a tenth of a second for one. */
const TIMEOUT_MS = 60_000 + PROGRAMS * 1_000;

type Context = AttemptContext<Bag<unknown, unknown, unknown, unknown, object>>;

class StateSide implements Side {
  readonly held: unknown[] = [];
  readonly iterators: Iterator<unknown>[] = [];
  readonly #c: Context;
  constructor(c: Context) {
    this.#c = c;
  }
  get root(): unknown {
    return this.#c.state;
  }
  set root(next: unknown) {
    this.#c.state = next;
  }
}

/** What the action of the moment does. */
let act: (c: Context) => void = () => {};

const box = actor("box", {
  input: type<unknown>(),
  state: (input) => input,
  actions: { act: (c) => act(c as unknown as Context) },
});

const UNDONE = "undone on purpose";

/** One attempt: some steps, after each of which both sides are equal, and whether it succeeds. */
type Program = readonly { readonly steps: readonly Step[]; readonly succeeds: boolean }[];

const anyProgram: fc.Arbitrary<Program> = fc.array(
  fc.record({ steps: fc.array(anyStep, { minLength: 1, maxLength: 12 }), succeeds: fc.boolean() }),
  { minLength: 1, maxLength: 4 },
);

function attempt(c: Context, steps: readonly Step[], plain: Side): void {
  const state = new StateSide(c);
  for (const step of steps) {
    const expected = run(step, plain);
    assert.ok(sameValue(run(step, state), expected), `${step.name} gave another result`);
    assert.ok(sameValue(readThrough(c.state), plain.root), `reads differ after ${step.name}`);
    assert.ok(sameValue(raw(c.state), plain.root), `raw() differs after ${step.name}`);
    assert.ok(sameValue(c[RAW_STATE](), plain.root), `RAW_STATE differs after ${step.name}`);
  }
}

describe("random programs on the state of an actor", () => {
  test("there are at least 60 kinds of operation", () => {
    expect(new Set(NAMES).size).toBe(NAMES.length);
    expect(NAMES.length).toBeGreaterThanOrEqual(60);
  });

  test("read equal after every operation, after commit and reopening, and after a failure as before", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const world = new World("memory");
    let runtime = world.open([box]);
    let count = 0;
    const look = async (key: string): Promise<unknown> => {
      let seen: unknown;
      act = (c) => {
        seen = c[RAW_STATE]();
        assert.ok(sameValue(readThrough(c.state), seen), "the mirror has another value");
      };
      await runtime.get(box, key).actions.act();
      return seen;
    };
    await fc.assert(
      fc.asyncProperty(anyRoot, anyProgram, async (initial, program) => {
        const key = String(count++);
        await runtime.create(box, key, initial);
        let plain = copy(initial);
        for (const { steps, succeeds } of program) {
          const side = new PlainSide(copy(plain));
          act = (c) => {
            attempt(c, steps, side);
            if (!succeeds) throw new Error(UNDONE);
          };
          const outcome = await runtime
            .get(box, key)
            .actions.act()
            .catch((error: unknown) => error);
          if (succeeds) plain = side.root;
          assert.ok(
            succeeds ? outcome === undefined : String(outcome).includes(UNDONE),
            String((outcome as Error)?.stack),
          );
          assert.ok(
            sameValue(await look(key), plain),
            succeeds ? "another value was committed" : "a failure left a trace",
          );
        }
        crash(runtime);
        runtime = world.open([box]);
        assert.ok(sameValue(await look(key), plain), "another value was read back");
      }),
      { numRuns: PROGRAMS, includeErrorInReport: true },
    );
  });
});
