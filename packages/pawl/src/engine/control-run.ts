/**
 * Telling a workflow of an embedding host something from outside: that it is cancelled, tries again, or goes back to a step. What
 * is told is one change: through the actor that is open on the driver, if one is; else the rows are opened for it. Only for histories
 * that Pawl has written to; those of another engine alone are changed row by row.
 */
import type { PumpedActor } from "../pump.ts";
import type { ActorSink, StoreProblem } from "../wire.ts";
import { listFrom } from "./driver-answer.ts";
import { DriverPort, OWN_ROWS } from "./driver-port.ts";
import { HistoryView } from "./history-view.ts";
import { engineHost, type Host } from "./host.ts";
import { actorOn, CONTROLLED, type Telling } from "./hosted-actor.ts";
import { Pauses } from "./pauses.ts";
import { storeError } from "./store-error.ts";
import type { EngineDriver, WorkflowHistorySnapshot } from "./types.ts";
import { bounded, runsOn } from "./under-way.ts";

/** Whose rows. */
export interface Target {
  readonly workflowId: string;
  readonly driver: EngineDriver;
  readonly epoch: bigint | undefined;
  /** The host's alarm stays as it is: it runs the workflow again by itself. Default false. */
  readonly keepsAlarm?: boolean;
}

/** Whether Pawl has written to a history. Rejects with `DriverHangError` after 30 s. */
export async function isOurs(driver: EngineDriver): Promise<boolean> {
  return actorOn(driver) !== undefined || listFrom("list", await bounded(driver.list(OWN_ROWS))).length > 0;
}

/**
 * Lets `check` look at the history, tells the engine what `write` writes, and resolves to the history as it is then, once that is
 * durable. Rejects with why it was refused. Runs that wait in memory on this driver object begin anew from there; others are
 * waited for.
 */
export async function tell(
  target: Target,
  check: (history: WorkflowHistorySnapshot) => void,
  write: Telling,
): Promise<WorkflowHistorySnapshot> {
  const { driver, workflowId, keepsAlarm = false } = target;
  const actor = actorOn(driver);
  if (actor !== undefined) {
    const after = await actor.tell(check, write);
    // Other changes of the actor set it, too: what it was is not known here.
    if (keepsAlarm) await driver.clearAlarm(workflowId);
    return after;
  }
  await bounded(untilAllWait(driver));
  const after = await tellRows(target, check, write);
  for (const run of runsOn(driver)) run.look();
  return after;
}

/** No run is in the midst of something. */
async function untilAllWait(driver: EngineDriver): Promise<void> {
  const pauses = new Pauses();
  while (runsOn(driver).some((run) => !run.isWaiting)) await pauses.next();
}

async function tellRows(
  { workflowId, driver, epoch, keepsAlarm = false }: Target,
  check: (history: WorkflowHistorySnapshot) => void,
  write: Telling,
): Promise<WorkflowHistorySnapshot> {
  const host = engineHost();
  const port = new DriverPort(driver, workflowId, { epoch, keepsAlarm });
  await port.quiet((run) => run.isWaiting);
  const { handle, name } = host.open(workflowId, port, () => {});
  const control = new ControlRun(host, handle, (problem) => port.error ?? storeError(problem, name, workflowId));
  port.watch((error) => control.fail(error));
  try {
    await control.open(name);
    const history = new HistoryView(() => host.pump.engine.history(handle));
    check(history.snapshot());
    await control.tell((call) => write(host.pump.input, handle, call));
    const after = history.snapshot();
    history.keep();
    await port.settled();
    return after;
  } finally {
    control.close();
    host.forget(name);
  }
}

const CALL = 1;

/** What the engine says of it: an answer, or that something failed. */
class ControlRun {
  readonly #host: Host;
  readonly #handle: number;
  #next: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;

  constructor(host: Host, handle: number, errorOf: (problem: StoreProblem) => unknown) {
    this.#host = host;
    this.#handle = handle;
    const failed = (problem: StoreProblem) => this.fail(errorOf(problem));
    const done = () => this.#next?.resolve();
    const sink: Partial<ActorSink> = {
      opened: done,
      openFailed: failed,
      lost: failed,
      reply: done,
      refuse: (_call, _reason, why) => this.fail(new Error(why)),
    };
    host.pump.add(handle, new Proxy(sink, { get: (of, name) => Reflect.get(of, name) ?? ignored }) as PumpedActor);
    host.pump.hold("wait");
  }

  fail(error: unknown): void {
    this.#next?.reject(error);
  }

  async open(name: string): Promise<void> {
    const { input } = this.#host.pump;
    await this.#ask(() => input.open(this.#handle, name));
    input.start(this.#handle, false, "", false, CONTROLLED);
  }

  tell(write: (call: number) => void): Promise<void> {
    return this.#ask(() => write(CALL));
  }

  close(): void {
    const { pump } = this.#host;
    pump.remove(this.#handle);
    pump.input.close(this.#handle);
    pump.schedule();
    pump.release("wait");
  }

  #ask(write: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#next = { resolve, reject };
      write();
      this.#host.pump.schedule();
    });
  }
}

function ignored(): undefined {
  return undefined;
}
