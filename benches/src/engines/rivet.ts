/** The peer, `@rivetkit/workflow-engine`. */
import { Loop, runWorkflow } from "@rivetkit/workflow-engine";

import { type EngineOnDriver, onPlainDriver } from "./on-plain-driver.ts";

export const rivet: EngineOnDriver = onPlainDriver({ runWorkflow, Loop });
