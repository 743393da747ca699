/** The canonical programs: small, and between them everything that an actor can do. */
import type { Program } from "../world.ts";
import { actions, migrations, onlyActions, sends, vars } from "./actors.ts";
import { ephemeral, failures, forks, redeployed } from "./forks.ts";
import { big, caught, failing, plain, retries, state } from "./steps.ts";
import { answers, cancelled, undone, undoneByOutput } from "./undo.ts";
import { approvals, loop, messages, nested, sleep } from "./waits.ts";

export const PROGRAMS: readonly Program[] = [
  ...[plain, retries, caught, failing, big, state],
  ...[sleep, messages, loop, nested, approvals],
  ...[forks, failures, ephemeral, redeployed],
  ...[undone, undoneByOutput, cancelled, answers],
  ...[actions, sends, vars, migrations, onlyActions],
];
export { answers, forks, plain, retries, sends, undone };
