/**
 * A workflow of an embedding host that is opened to be told something, while it is not running: what is told is one change. Only
 * for histories that Pawl has written to; those of another engine alone are changed row by row.
 */
import type { PumpedActor } from "../pump.ts";
import type { ActorSink, InputWriter, StoreProblem } from "../wire.ts";
import { DriverPort, OWN_ROWS } from "./driver-port.ts";
import { HistoryView } from "./history-view.ts";
import { engineHost, type Host } from "./host.ts";
import type { EngineDriver, WorkflowHistorySnapshot } from "./types.ts";

/** Whether Pawl has written to a history. */
export async function isOurs(driver: EngineDriver): Promise<boolean> {
  return (await driver.list(OWN_ROWS)).length > 0;
}

/**
 * Opens the workflow, lets `check` look at its history, tells it what `write` writes, and resolves to the history as it is then,
 * once that is durable. Rejects with why it was refused.
 */
export async function tell(
  workflowId: string,
  driver: EngineDriver,
  check: (history: WorkflowHistorySnapshot) => void,
  write: (input: InputWriter, handle: number, call: number) => void,
): Promise<WorkflowHistorySnapshot> {
  const host = engineHost();
  const port = new DriverPort(driver, workflowId);
  await port.quiet();
  const { handle, name } = host.open(workflowId, port, () => {});
  const control = new ControlRun(host, handle);
  try {
    await control.open(name);
    const history = new HistoryView(() => host.pump.engine.history(handle));
    check(history.snapshot());
    await control.tell((call) => write(host.pump.input, handle, call));
    const after = history.snapshot();
    history.keep();
    await port.settled();
    return after;
  } catch (error) {
    throw port.error ?? error;
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

  constructor(host: Host, handle: number) {
    this.#host = host;
    this.#handle = handle;
    const failed = (problem: StoreProblem) => this.#next?.reject(new Error(problem.message));
    const done = () => this.#next?.resolve();
    const sink: Partial<ActorSink> = {
      opened: done,
      openFailed: failed,
      lost: failed,
      reply: done,
      refuse: (_call, _reason, why) => this.#next?.reject(new Error(why)),
    };
    host.pump.add(handle, new Proxy(sink, { get: (of, name) => Reflect.get(of, name) ?? ignored }) as PumpedActor);
    host.pump.hold("wait");
  }

  async open(name: string): Promise<void> {
    const { input } = this.#host.pump;
    await this.#ask(() => input.open(this.#handle, name));
    input.start(this.#handle, false, 0, { frontier: false, patience: 0, controlled: true });
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
