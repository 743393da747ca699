/** Divergence in the words of the embedding API (engine behaviour 4.11). */
import type { DivergenceRecord, OperationRecord } from "../wire.ts";
import { HistoryDivergedError } from "./errors.ts";
import { withRounds } from "./location.ts";

export function divergedError({ scope, recorded, code, mismatch }: DivergenceRecord): HistoryDivergedError {
  const at = (name: string) => [...(scope === "" ? [] : [withRounds(scope)]), name].join("/");
  switch (mismatch.kind) {
    case "other":
      return new HistoryDivergedError(otherKind(mismatch.recorded, mismatch.code, at));
    case "no_handler":
      return new HistoryDivergedError(
        `Step "${mismatch.recorded.name}" at ${at(mismatch.recorded.name)} has no rollback handler in the code`,
      );
    default: {
      const visited = new Set(code.map(({ name }) => name));
      const missed = recorded.find(({ name }) => !visited.has(name));
      return new HistoryDivergedError(
        `Entry "${at(missed?.name ?? "")}" exists in history but was not visited. Workflow code may have changed. Use ctx.removed() to handle migrations.`,
      );
    }
  }
}

function otherKind(recorded: OperationRecord, code: OperationRecord, at: (name: string) => string): string {
  if (recorded.status === "missing") return `Expected queue message "${recorded.name}" in history`;
  if (recorded.kind === code.kind && code.status !== "removed") return otherBranches(recorded, code);
  const found = kindOf(recorded.kind);
  const place = at(code.name);
  if (code.status === "removed") return `Expected ${kindOf(code.kind)} or removed at ${place}, found ${found}`;
  if (code.kind === "version_check") return `Expected version_check at ${place}, found ${found}`;
  if (code.kind === "rollback") return `Expected rollback checkpoint "${code.name}" at ${place}, found ${found}`;
  return `Expected ${code.kind} "${code.name}" at ${place}, found ${found}`;
}

function kindOf(word: string): string {
  return word === "rollback" ? "rollback_checkpoint" : word;
}

/** Both are shown as `name" of "a", "b`. */
function otherBranches(recorded: OperationRecord, code: OperationRecord): string {
  const parts = ({ name }: OperationRecord) => name.split('" of "');
  const [name = "", branches = ""] = parts(recorded);
  const known = new Set((parts(code)[1] ?? "").split('", "'));
  const missing = branches.split('", "').find((branch) => !known.has(branch));
  const extra = [...known].find((branch) => !branches.split('", "').includes(branch));
  return `Expected ${recorded.kind} branch "${missing ?? extra ?? ""}" in "${name}"`;
}
