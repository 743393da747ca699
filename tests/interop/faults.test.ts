/**
 * Every story, on a driver whose calls fail, hang, answer late, or fail after they have written, at random: after any number of such faults and
 * restarts the ending is that of the undisturbed story.
 */
import type { WorkflowResult } from "@rivetkit/workflow-engine";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { pawl } from "../engine/engines.ts";
import { gate } from "../engine/harness.ts";
import { Host, HostDriver } from "../engine/host.ts";
import { interpret, Outside, show, Trace } from "./interpret.ts";
import { generate } from "./programs/generate.ts";
import { handwritten } from "./programs/handwritten.ts";
import type { Story } from "./programs/ops.ts";
import { type Ending, tell } from "./stages.ts";

const START = 1_700_000_000_000;
const SEEDS = 25;
const MOST_RUNS = 400;
const stories: readonly Story[] = [...handwritten, ...Array.from({ length: SEEDS }, (_, seed) => generate(seed + 1))];

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

/**
 * What becomes of one call of the driver. `hangs` and `hangs after` are where a process dies. Where the host evicts the run, the call goes on; the
 * next run follows when the evicted one has ended, or at once.
 */
type Fault = "fails" | "fails after" | "hangs" | "hangs after" | "late" | "evicts" | "evicts and runs again";
const FAULTS: readonly Fault[] = [
  "fails",
  "fails after",
  "hangs",
  "hangs after",
  "late",
  "evicts",
  "evicts and runs again",
];

/** After how many calls that go well the next fault comes, and which. */
type Faults = readonly { readonly after: number; readonly fault: Fault }[];
const faults: fc.Arbitrary<Faults> = fc.array(
  fc.record({ after: fc.integer({ min: 0, max: 25 }), fault: fc.constantFrom(...FAULTS) }),
  { maxLength: 12 },
);

class DriverError extends Error {
  override name = "DriverError";
}

/** Tells a story on drivers that do as `faults` says, in one process after the other. */
class Ordeal {
  readonly #story: Story;
  readonly #faults: { after: number; readonly fault: Fault }[];
  readonly #atomicBatch: boolean;
  readonly #host = new Host();
  readonly #outside = new Outside();
  #trace = new Trace();
  readonly #ids = new Set<string>();
  #driver: HostDriver | undefined;
  #died = gate<"died">();
  #evict: (atOnce: boolean) => void = () => {};
  #failed = false;
  #sent = 0;

  constructor(story: Story, plan: Faults, atomicBatch: boolean) {
    this.#story = story;
    this.#faults = plan.map((planned) => ({ ...planned }));
    this.#atomicBatch = atomicBatch;
    vi.setSystemTime(START);
  }

  async ending(): Promise<Ending> {
    for (let runs = 0; runs < MOST_RUNS; runs += 1) {
      const result = await this.#run();
      if (result === "died") this.#driver = undefined;
      else if (result === "evicted") continue;
      else if ("error" in result) {
        const faulty = this.#failed;
        this.#failed = false;
        if (!faulty) return this.#ending("failed", textOf(result.error));
      } else if (result.state === "completed") return this.#ending("completed", show(result.output));
      else if (!this.#deliver(result.waitingForMessages) && !passUntil(result.sleepUntil)) {
        return this.#ending("stuck", `${result.state}, waiting for ${result.waitingForMessages?.join() ?? "nothing"}`);
      }
    }
    return this.#ending("stuck", `not done in ${MOST_RUNS} runs`);
  }

  #run(): Promise<"died" | "evicted" | { error: unknown } | WorkflowResult> {
    this.#driver ??= this.#newDriver();
    const world = { engine: pawl, outside: this.#outside, trace: this.#trace };
    const { result, evict } = pawl.runWorkflow(
      "story",
      (ctx) => interpret(ctx, this.#story.program, world),
      undefined,
      this.#driver,
    );
    let evicted = false;
    const leftAtOnce = gate<"evicted">();
    this.#evict = (atOnce) => {
      evicted = true;
      evict();
      if (atOnce) leftAtOnce.open("evicted");
    };
    const told = result.then(
      (ended) => (evicted && ended.state !== "completed" ? "evicted" : ended),
      (error: unknown) => ({ error }),
    );
    return Promise.race([told, this.#died.opened, leftAtOnce.opened]);
  }

  #newDriver(): HostDriver {
    const driver = new HostDriver(this.#host, { atomicBatch: this.#atomicBatch });
    const add = driver.messageDriver.addMessage.bind(driver.messageDriver);
    // Messages come at least once under one id; a host ignores an id that it has had.
    driver.messageDriver.addMessage = async (message) => {
      if (this.#ids.has(message.id)) return;
      await add(message);
      this.#ids.add(message.id);
    };
    const died = gate<"died">();
    this.#died = died;
    let after: Fault | undefined;
    let dead = false;
    const die = () => {
      dead = true;
      died.open("died");
      return new Promise<never>(() => {});
    };
    driver.before = () => {
      if (dead) return new Promise<never>(() => {});
      const next = this.#faults[0];
      after = undefined;
      if (next === undefined) return undefined;
      if (next.after > 0) {
        next.after -= 1;
        return undefined;
      }
      this.#faults.shift();
      if (next.fault === "hangs") return die();
      if (next.fault === "evicts" || next.fault === "evicts and runs again") {
        this.#evict(next.fault !== "evicts");
        return undefined;
      }
      if (next.fault === "fails") {
        this.#failed = true;
        throw new DriverError("refused");
      }
      after = next.fault;
      return undefined;
    };
    driver.after = () => {
      const fault = after;
      after = undefined;
      if (fault === "hangs after") return die();
      if (fault === "late") return new Promise((resolve) => setTimeout(resolve, 3));
      if (fault !== "fails after") return undefined;
      this.#failed = true;
      throw new DriverError("nobody knows");
    };
    return driver;
  }

  #deliver(names: readonly string[] | undefined): boolean {
    const message = this.#story.messages[this.#sent];
    if (names === undefined || message === undefined) return false;
    if (names.length > 0 && !names.includes(message.name)) return false;
    this.#sent += 1;
    this.#host.send(message.name, message.data);
    return true;
  }

  #ending(state: Ending["state"], outcome: string): Ending {
    return { state, outcome, undone: [...new Set(this.#outside.undone)] };
  }
}

function passUntil(at: number | undefined): boolean {
  if (at === undefined) return false;
  vi.setSystemTime(Math.max(at, Date.now()));
  return true;
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : show(error);
}

describe.each([
  ["an atomic driver", true],
  ["a driver with limits", false],
])("on %s whose calls fail, hang and answer late", (_kind, atomicBatch) => {
  test.each(stories.map((story) => [story.title, story] as const))(
    "%s",
    async (_title, story) => {
      const { ending } = await tell(pawl, story);
      await fc.assert(
        fc.asyncProperty(faults, async (plan) => {
          expect(await new Ordeal(story, plan, atomicBatch).ending()).toEqual(ending);
        }),
        { numRuns: Number(process.env["RUNS"] ?? 12), endOnFailure: false },
      );
    },
    120_000,
  );
});
