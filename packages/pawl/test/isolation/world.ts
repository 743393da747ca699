/**
 * Runs a random program of concurrent attempts on a real runtime, and writes down what each of them saw and where it stands.
 *
 * Every body waits at a gate of its own before some of its operations; which gate opens next, and when time passes, is drawn.
 */
import { vi } from "vitest";
import { Attempt } from "../../src/attempt.ts";
import { type AttemptContext, actor, RAW_STATE, type Types } from "../../src/index.ts";
import { crash, type Gate, gate, quiet, turn, World } from "../runtime/harness.ts";
import { sameValue } from "../state/harness.ts";
import { initial, type Operation, perform, type Shared, type Unit } from "./programs.ts";

/** One run of a body, or of an `apply`. */
export interface Ran {
  readonly unit: Unit;
  readonly operations: readonly Operation[];
  readonly seen: unknown[];
  /** The change that it was pinned to; none: it has not looked at the state. */
  pin: number | undefined;
  /** The change that holds what it wrote. */
  seq: number | undefined;
  /** Whether it was overtaken, and so run again. */
  overtaken: boolean;
}

export interface Story {
  readonly runs: readonly Ran[];
  readonly final: Shared;
  readonly reopened: Shared;
  readonly conflicts: number;
  /** What a body that went on after its attempt had ended was told. */
  readonly stale: readonly unknown[];
}

const TIMEOUT_MS = 1_000;

/** What an attempt is just now, by its context. */
const current = new WeakMap<object, Ran>();

/** Notes where attempts stand: their pins and their commits. Undone by `vi.restoreAllMocks`. */
export function noteAttempts(): void {
  const { verdict, fail, beginApply } = Attempt.prototype;
  vi.spyOn(Attempt.prototype, "verdict").mockImplementation(function (this: Attempt, said) {
    const ran = pinned(this);
    if (ran !== undefined && said.kind === "queued") ran.seq = said.seq;
    if (ran !== undefined && said.kind === "conflict") ran.overtaken = true;
    return verdict.call(this, said);
  });
  vi.spyOn(Attempt.prototype, "fail").mockImplementation(function (this: Attempt, reason) {
    pinned(this);
    fail.call(this, reason);
  });
  vi.spyOn(Attempt.prototype, "beginApply").mockImplementation(function (this: Attempt, step) {
    pinned(this);
    beginApply.call(this, step);
  });
}

function pinned(attempt: Attempt): Ran | undefined {
  const ran = current.get(attempt.context);
  if (ran !== undefined) ran.pin ??= attempt.pin;
  return ran;
}

export class Stage {
  readonly #world = new World("memory");
  readonly #waiting: Gate[] = [];
  readonly #runs: Ran[] = [];
  readonly #stale: unknown[] = [];
  readonly #units: readonly Unit[];
  readonly #draw: () => number;

  constructor(units: readonly Unit[], draw: () => number) {
    this.#units = units;
    this.#draw = draw;
  }

  /** Runs everything to its end. */
  async play(): Promise<Story> {
    const { shared, calls } = this.#program();
    const runtime = this.#world.open([shared]);
    const handle = await runtime.create(shared, "1");
    let left = calls.length + 1;
    const over = () => {
      left -= 1;
    };
    for (const call of calls) void handle.actions.run(call).then(over, over);
    void handle.result().then(over, over);
    while (left > 0) {
      const next = this.#draw();
      if (next % 12 === 0) this.#world.clock.advance(TIMEOUT_MS);
      this.#waiting.splice(next % Math.max(this.#waiting.length, 1), 1)[0]?.open();
      if (next % 3 !== 0) await turn();
    }
    for (const still of this.#waiting.splice(0)) still.open();
    await quiet(runtime);
    const { conflicts, actorState } = await runtime.admin.show("shared", "1");
    const final = (await handle.actions.state()) as Shared;
    if (!sameValue(actorState, final)) throw new Error("two ways to read the state differ");
    crash(runtime);
    const reopened = (await this.#world.open([shared]).get(shared, "1").actions.state()) as Shared;
    return { runs: this.#runs, final, reopened, conflicts, stale: this.#stale };
  }

  #program() {
    const units = this.#units;
    const steps = units.map((unit, index) => ({ unit, index })).filter(({ unit }) => unit.kind === "step");
    const body = (c: AttemptContext<Types>, index: number) => this.#body(c, units[index] as Unit);
    const apply = (c: AttemptContext<Types>, index: number) => this.#apply(c, units[index] as Unit);
    const shared = actor("shared", {
      state: initial,
      actions: {
        run: (c, index: number) => body(c as unknown as AttemptContext<Types>, index),
        state: (c) => c[RAW_STATE](),
      },
      workflow: async (ctx) => {
        const branch = (unit: Unit, index: number) => (inner: typeof ctx) =>
          inner.tryStep({
            name: "step",
            maxRetries: 2,
            retryBackoffBase: 0,
            retryBackoffMax: 0,
            timeout: unit.hasTimeout ? TIMEOUT_MS : 0,
            exclusive: unit.exclusive,
            run: (c) => body(c as unknown as AttemptContext<Types>, index),
            ...(unit.apply === undefined ? {} : { apply: (c) => apply(c as unknown as AttemptContext<Types>, index) }),
          });
        const branches = steps.map(({ unit, index }) => [`b${index}`, branch(unit, index)]);
        if (branches.length > 0) await ctx.join("all", Object.fromEntries(branches));
      },
    });
    const calls = units.map((_, index) => index).filter((index) => units[index]?.kind === "action");
    return { shared, calls };
  }

  #begin(c: object, unit: Unit, operations: readonly Operation[]): Ran {
    const ran: Ran = { unit, operations, seen: [], pin: undefined, seq: undefined, overtaken: false };
    current.set(c, ran);
    this.#runs.push(ran);
    return ran;
  }

  async #body(c: AttemptContext<Types>, unit: Unit): Promise<void> {
    const ran = this.#begin(c, unit, unit.operations);
    for (const operation of unit.operations) {
      if (operation.waits) await this.#wait();
      try {
        const state = c.state as Shared;
        // An attempt that has ended shows nothing: what it saw before is what counts.
        ran.seen.push(perform(state, operation));
      } catch (error) {
        this.#stale.push(error);
        throw error;
      }
    }
    if (unit.throws && c.attempt === 1) throw new Error("on purpose");
  }

  #apply(c: AttemptContext<Types>, unit: Unit): void {
    const operations = unit.apply ?? [];
    const ran = this.#begin(c, unit, operations);
    for (const operation of operations) ran.seen.push(perform(c.state as Shared, operation));
  }

  #wait(): Promise<void> {
    const waits = gate();
    this.#waiting.push(waits);
    return waits.promise;
  }
}
