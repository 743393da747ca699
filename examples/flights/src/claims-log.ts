/** What the claims service reports and logs, and the judgement over its log. */
import { CLAIM_MINUTES, type Flight } from "./flights.ts";

/** One call at the claims service, as it stands in its log. */
export interface Call {
  /** The number of the call, from 1. */
  readonly call: number;
  readonly outcome: "accepted" | "repeated" | "refused" | "invalid";
  /** The idempotency key that it bore. */
  readonly key: string;
  /** The flight that the claim is for. */
  readonly row: number;
}

export type ClaimsReport = { readonly kind: "listening"; readonly port: number } | ({ readonly kind: "call" } & Call);

export interface Audit {
  /** What is wrong, in words. */
  readonly problems: readonly string[];
  readonly claims: number;
  readonly keys: number;
  readonly calls: number;
  readonly refused: number;
  readonly repeated: number;
  /** How many claims took one call, how many two, ... */
  readonly claimsByCalls: ReadonlyMap<number, number>;
}

/** The calls of a log file. A last line without an end, from a service that was stopped while writing, is left out. */
export function readCalls(log: string): Call[] {
  return log
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Call);
}

/** Judges whether each flight that was late enough was claimed, under one key of its own, and nothing else was. */
export function audit(calls: readonly Call[], flights: readonly Flight[]): Audit {
  const byRow = group(calls, ({ row }) => row);
  const byKey = group(calls, ({ key }) => key);
  const due = flights.filter(({ delay }) => delay >= CLAIM_MINUTES).map(({ row }) => row);
  const number = (outcome: Call["outcome"]) => calls.filter((call) => call.outcome === outcome).length;
  return {
    problems: [
      ...due.flatMap((row) => problemsOf(row, byRow.get(row) ?? [])),
      ...[...byRow.keys()]
        .filter((row) => !due.includes(row))
        .map((row) => `flight ${row} was claimed, and is not due`),
      ...[...byKey].filter(([, own]) => rowsOf(own).size > 1).map(([key]) => `key ${key} was used for several flights`),
    ],
    claims: byRow.size,
    keys: byKey.size,
    calls: calls.length,
    refused: number("refused"),
    repeated: number("repeated"),
    claimsByCalls: new Map(
      [...group([...byRow.values()], (own) => own.length)].map(([times, own]) => [times, own.length]),
    ),
  };
}

function problemsOf(row: number, calls: readonly Call[]): string[] {
  const keys = new Set(calls.map(({ key }) => key));
  const accepted = calls.filter(({ outcome }) => outcome === "accepted").length;
  if (calls.length === 0) return [`the claim for flight ${row} never arrived`];
  if (keys.has("")) return [`the claim for flight ${row} came without a key`];
  if (keys.size > 1) return [`the claim for flight ${row} came under ${keys.size} keys`];
  return accepted === 1 ? [] : [`the claim for flight ${row} was accepted ${accepted} times`];
}

function rowsOf(calls: readonly Call[]): Set<number> {
  return new Set(calls.map(({ row }) => row));
}

function group<K, V>(values: readonly V[], keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}
