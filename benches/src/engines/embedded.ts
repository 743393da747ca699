/** Pawl where the peer would be: `pawl/engine`, on the same plain driver. */
import { Loop, runWorkflow } from "pawl/engine";

import { type Api, type EngineOnDriver, onPlainDriver } from "./on-plain-driver.ts";

// Its contexts are typed apart from the peer's: a step's context may be the host's own.
const api = { runWorkflow, Loop } as unknown as Api;

export const embedded: EngineOnDriver = onPlainDriver(api);
