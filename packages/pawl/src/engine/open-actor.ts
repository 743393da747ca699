/** Opening an embedding host's actor. */
import { DriverPort } from "./driver-port.ts";
import { engineHost } from "./host.ts";
import { HostedActor } from "./hosted-actor.ts";
import type { Cell, Cells, EngineActor, EngineAttempt, EngineDriver, StateOf } from "./types.ts";

/** The actor behind what `openActor` returned. */
const actors = new WeakMap<object, HostedActor>();

export function hostedActor(actor: object | undefined): HostedActor | undefined {
  return actor === undefined ? undefined : actors.get(actor);
}

/**
 * Opens an actor's cells on a host's driver: the state that its transactions, and the steps of a workflow that is run with
 * `{ actor }`, read and write. All that an attempt does to them is one change, and so one batch of the driver.
 *
 * `cells` gives each cell's first value. Close the actor before the driver is used by another.
 */
export async function openActor<C extends Cells>(
  driver: EngineDriver,
  options: { id: string; epoch?: bigint; cells: C; limits?: { rows: number; bytes: number } },
): Promise<EngineActor<StateOf<C>>> {
  type S = StateOf<C>;
  const { id, cells, limits, epoch } = options;
  const port = new DriverPort(driver, id, { limits, epoch });
  const hosted = new HostedActor(engineHost(), driver, port, id, cells);
  await hosted.open();
  const actor: EngineActor<S> = {
    cell: async <T>(name: string, { initial }: { initial: () => T }): Promise<Cell<T>> => {
      hosted.addCell(name, initial);
      return { name, initial };
    },
    adopt: (values) => hosted.adopt(values),
    export: async () => hosted.values() as S,
    transaction: (context, run) => hosted.transact((attempt) => run(context(attempt as EngineAttempt<S>))),
    close: () => hosted.close(),
  };
  actors.set(actor, hosted);
  return actor;
}
