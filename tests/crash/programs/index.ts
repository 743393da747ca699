/** The canonical programs: small, and between them everything that an actor can do. */
import type { Program } from "../world.ts";
import { actions, migrations, onlyActions, sends, vars } from "./actors.ts";
import { big, caught, failing, plain, retries, state } from "./steps.ts";
import { approvals, loop, messages, nested, sleep } from "./waits.ts";

export const PROGRAMS: readonly Program[] = [
  ...[plain, retries, caught, failing, big, state],
  ...[sleep, messages, loop, nested, approvals],
  ...[actions, sends, vars, migrations, onlyActions],
];
export { plain, retries, sends };
