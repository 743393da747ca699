/** The peer, `@rivetkit/workflow-engine`. */
import { Loop, runWorkflow } from "@rivetkit/workflow-engine";
import type { Engine } from "./engine.ts";
import { onPlainDriver } from "./on-plain-driver.ts";

export const rivet: Engine = onPlainDriver({ runWorkflow, Loop });
