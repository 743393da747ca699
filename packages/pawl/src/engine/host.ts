/**
 * The engine of embedding hosts: one for each environment (thread), whatever the number of drivers. Owns the pump and the table of
 * runs; knows nothing of workflows.
 */
import { PawlError } from "../errors.ts";
import { Pump, type PumpListener } from "../pump.ts";
import type { DriverCall } from "../wire.ts";
import type { DriverPort } from "./driver-port.ts";

class Host implements PumpListener {
  readonly pump: Pump;
  readonly #ports = new Map<string, DriverPort>();
  /** Who wants to know that rows were written. */
  readonly #listeners = new Map<string, () => void>();
  #next = 1;

  constructor() {
    this.pump = new Pump({ url: "driver:", namespace: "default" }, this, {
      now: () => Date.now(),
      wakes: true,
      believesTimers: true,
    });
  }

  /** A name under which a driver is known, and the number of its actor. */
  open(workflowId: string, port: DriverPort, written: () => void): { readonly handle: number; readonly name: string } {
    const handle = this.#next++;
    // The engine says the name in UTF-8: half a character would come back as another.
    const name = `${handle}/${Buffer.from(workflowId).toString()}`;
    this.#ports.set(name, port);
    this.#listeners.set(name, written);
    return { handle, name };
  }

  forget(name: string): void {
    this.#ports.delete(name);
    this.#listeners.delete(name);
    this.#say(() => this.pump.input.forget(name));
  }

  load(ticket: number, actor: string): void {
    const port = this.#ports.get(actor);
    if (port === undefined) return this.#say(() => this.pump.input.notLoaded(ticket, "the run is over"));
    port.rows().then(
      (rows) => this.#say(() => this.pump.input.loaded(ticket, rows, port)),
      (error: unknown) => {
        port.error = error;
        this.#say(() => this.pump.input.notLoaded(ticket, textOf(error)));
      },
    );
  }

  write(ticket: number, actor: string, calls: readonly DriverCall[], after: readonly DriverCall[]): void {
    const port = this.#ports.get(actor);
    if (port === undefined)
      return this.#say(() => this.pump.input.written(ticket, { certain: true, why: "the run is over" }));
    void this.#write(ticket, actor, port, calls, after);
  }

  async #write(
    ticket: number,
    actor: string,
    port: DriverPort,
    calls: readonly DriverCall[],
    after: readonly DriverCall[],
  ): Promise<void> {
    const written = await port.write(calls, after);
    const { failed } = written;
    const why = failed === undefined ? undefined : { ...failed, why: textOf(port.error) };
    this.#say(() => this.pump.input.written(ticket, why));
    if (written.failed !== undefined) return;
    if (calls.some(writesHistory)) this.#listeners.get(actor)?.();
    if (written.settled === undefined) return;
    const missed = await written.settled;
    this.#say(() => this.pump.input.settledAfter(ticket, missed));
  }

  #say(write: () => void): void {
    write();
    this.pump.schedule();
  }

  ready(): void {}
  wake(): void {}
  resumed(): void {}
  resumeFailed(): void {}

  storeFailed(problem: { readonly code: string; readonly message: string }): void {
    this.defect(new PawlError(problem.code, problem.message));
  }

  defect(error: unknown): void {
    console.error("pawl: something went wrong that must not happen; please report it", error);
  }
}

/** Whether a call writes names, entries or metadata: rows of the tuples (1), (2) and (4). */
function writesHistory(call: DriverCall): boolean {
  return call.kind === "batch" && call.writes.some(({ key }) => [1, 2, 4].includes(key[1] ?? 0));
}

function textOf(error: unknown): string {
  if (error === undefined) return "the driver failed, and did not say why";
  try {
    return String(error);
  } catch {
    return "an error that cannot be read";
  }
}

let host: Host | undefined;

/** The environment's own. */
export function engineHost(): Host {
  host ??= new Host();
  return host;
}
export type { Host };
