/** What people are told when the code of a workflow does not match what is recorded of a run. */
import { PawlError } from "./errors.ts";
import { callOf } from "./messages.ts";
import type { DivergenceRecord, OperationRecord } from "./wire.ts";

/** What is known beside what was recorded and what the code did. */
export interface Whereabouts {
  /** Where the code called what does not match, as `file:line`. */
  readonly site: string | undefined;
  /** How many other runs of its type this process knows to be parked. */
  readonly others: number;
  /** The file of the store; none: it has none. */
  readonly file: string | undefined;
}

export function diverged(actor: string, divergence: DivergenceRecord, where: Whereabouts): PawlError {
  const { scope, recorded, code, mismatch } = divergence;
  const type = actor.slice(0, actor.indexOf("/"));
  if (mismatch.kind === "no_handler") return noHandler(actor, type, mismatch.recorded, divergence, where);
  const culprit = mismatch.kind === "ends" ? undefined : mismatch.code;
  // Of branches that differ, both lists name the entry alone.
  const differs = mismatch.kind === "other" && isOf(mismatch.code, mismatch.recorded) ? mismatch : undefined;
  const history = recorded.map((operation) =>
    differs !== undefined && isOf(differs.recorded, operation) ? differs.recorded : operation,
  );
  const visited = code.filter((operation) => differs === undefined || !isOf(differs.code, operation));
  const found = listed([...visited, ...(culprit === undefined ? [] : [culprit])]);
  const note =
    mismatch.kind === "ends"
      ? "<- ends here, before entries that are recorded"
      : newness(mismatch.kind, differs !== undefined);
  const missed = recorded.find((operation) => !visited.some((done) => isOf(done, operation)));
  return parked(
    `the code of "${type}" does not match what ${actor} has recorded. The actor is parked, undamaged.
  recorded  ${listed(history)}${scope === "" ? "" : `    (in ${scope})`}
  code      ${found === "" ? "nothing" : found}    ${note}
  do        ${culprit === undefined ? broughtBack(missed) : wayOut(culprit, missed)}`,
    divergence,
    where,
  );
}

function noHandler(
  actor: string,
  type: string,
  step: OperationRecord,
  divergence: DivergenceRecord,
  where: Whereabouts,
): PawlError {
  return parked(
    `the code of "${type}" does not say how ${describe(step)} of ${actor} is undone. The actor is parked, undamaged.
  recorded  ${describe(step)}${divergence.scope === "" ? "" : `    (in ${divergence.scope})`}, which had a handler
  code      does not come to that step, or it has no \`rollback\` there
  do        bring the step back, with its handler`,
    divergence,
    where,
  );
}

function parked(found: string, divergence: DivergenceRecord, { site, others, file }: Whereabouts): PawlError {
  const anew =
    file === undefined ? "" : `\n            a development database?          delete ${file} and start again`;
  const beside = others === 0 ? "" : `. ${others} more wait${others === 1 ? "s" : ""} like this`;
  const at = site === undefined ? "" : `\n  at        ${site}`;
  const then = `it goes on by itself as soon as matching code is loaded${beside}`;
  return new PawlError("history_diverged", `${found}${anew}\n  then      ${then}${at}`, {
    data: { ...divergence, others, ...(site === undefined ? {} : { at: site }) },
  });
}

function listed(operations: readonly OperationRecord[]): string {
  return operations.map((operation, i) => `${i + 1} ${describe(operation)}`).join("    ");
}

/** How the engine names the branches of an entry in its name. */
const BRANCHES = '" of "';

/** The name of an operation, without its branches. */
export function nameOf(operation: OperationRecord): string {
  return operation.name.split(BRANCHES)[0] ?? "";
}

/** Whether one of them is the other, with its branches or without. */
function isOf(one: OperationRecord, other: OperationRecord): boolean {
  return one.kind === other.kind && nameOf(one) === nameOf(other);
}

function wayOut(culprit: OperationRecord, missed: OperationRecord | undefined): string {
  const name = nameOf(culprit);
  const change = culprit.name.includes(BRANCHES) ? `branches of ${name}` : `with ${name}`;
  return `leave old runs on the old path:  if (await ctx.getVersion("${change}", 2) >= 2) await ctx.${callOf(culprit.kind)}("${name}", ...)
            renamed or dropped something?    ${removal(missed)}   before the new code`;
}

function broughtBack(missed: OperationRecord | undefined): string {
  return `bring back the entries that were dropped, or say so: ${removal(missed)}`;
}

function removal(missed: OperationRecord | undefined): string {
  return missed === undefined
    ? "await ctx.removed(name, kind)"
    : `await ctx.removed("${nameOf(missed)}", "${missed.kind}")`;
}

function newness(kind: "new" | "other", isBranches: boolean): string {
  if (kind === "new") return "<- new, before entries that are already recorded; it has not run";
  return `<- ${isBranches ? "other branches" : "another kind"} than recorded; it has not run`;
}

function describe(operation: OperationRecord): string {
  return `${operation.kind} "${operation.name}"${operation.status === "" ? "" : ` (${operation.status})`}`;
}
