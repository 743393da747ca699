/** Opening an embedding host's actor. */
import { badArgument, shown } from "../messages.ts";
import { checkDriver, checkEpoch, checkFunction, checkId, checkLimits, isThing } from "./checked-call.ts";
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
  checkDriver("openActor", driver, "run");
  checkActorOptions(options);
  const { id, cells, limits, epoch } = options;
  const port = new DriverPort(driver, id, { limits, epoch });
  const hosted = new HostedActor(engineHost(), driver, port, id, cells);
  await hosted.open();
  const actor: EngineActor<S> = {
    cell: async <T>(name: string, { initial }: { initial: () => T }): Promise<Cell<T>> => {
      checkCell("cell", name, { initial });
      hosted.addCell(name, initial);
      return { name, initial };
    },
    adopt: (values) => hosted.adopt(values),
    export: async () => hosted.values() as S,
    transaction: async (context, run) => {
      checkFunction("transaction", "the context", context);
      checkFunction("transaction", "what to run", run);
      return hosted.transact((attempt) => run(context(attempt as EngineAttempt<S>)));
    },
    close: () => hosted.close(),
  };
  actors.set(actor, hosted);
  return actor;
}

/** Throws `bad_argument`. */
function checkActorOptions(options: unknown): void {
  const given = isThing(options) ? options : {};
  checkId("openActor", given["id"]);
  checkEpoch("openActor", given["epoch"]);
  if (given["limits"] !== undefined) checkLimits("openActor", given["limits"]);
  if (!isThing(given["cells"])) throw badCell("cells", given["cells"]);
  for (const [name, cell] of Object.entries(given["cells"])) checkCell("openActor", name, cell);
}

function checkCell(call: string, name: unknown, cell: unknown): void {
  if (typeof name !== "string") throw badCell("a cell's name", name);
  if (!isThing(cell)) throw badCell(`cell "${name}"`, cell);
  checkFunction(call, `the first value of cell "${name}"`, cell["initial"]);
}

function badCell(what: string, found: unknown): Error {
  return badArgument(`openActor() was given cells that it cannot open: ${what}.
  found     ${shown(found)}
  expected  cells: { name: { initial: () => value } }, {} for none`);
}
