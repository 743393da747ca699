/**
 * Records, schema v1: entries and their metadata. A record is a two-byte little-endian version, 1, and BARE; user values
 * inside are CBOR. The bytes are shared with another engine: change them never.
 */
import { BareReader, BareWriter } from "./bare.ts";
import { isLoopIterationMarker } from "./location.ts";
import { atOffset, recordError } from "./record-error.ts";
import type {
  BranchStatus,
  BranchStatusType,
  Entry,
  EntryKind,
  EntryKindType,
  EntryMetadata,
  EntryStatus,
  Location,
  SleepState,
} from "./types.ts";
import { decodeValue, encodeValue, type Flattened } from "./values.ts";

const VERSION = 1;

// A tag is the position in its list: append only.
const KINDS: readonly EntryKindType[] = [
  "step",
  "loop",
  "sleep",
  "message",
  "rollback_checkpoint",
  "join",
  "race",
  "removed",
  "version_check",
];
const ENTRY_STATUSES: readonly EntryStatus[] = ["pending", "running", "completed", "failed", "exhausted"];
const SLEEP_STATES: readonly SleepState[] = ["pending", "completed", "interrupted"];
const BRANCH_STATUSES: readonly BranchStatusType[] = ["pending", "running", "completed", "failed", "cancelled"];

/** The record of an entry. Throws `RangeError` for a number that the field cannot hold, and what encoding a value throws. */
export function encodeEntry(entry: Omit<Entry, "dirty">, flattened?: Flattened): Uint8Array {
  const out = new BareWriter();
  out.u16(VERSION);
  out.str(entry.id, "entry id");
  writeLocation(out, entry.location);
  out.u8(indexIn(KINDS, entry.kind.type, "entry kind"));
  writeKind(out, entry.kind, flattened);
  return out.finish();
}

/** The entry whose record is `bytes`, not dirty. Throws a record error. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const from = openRecord(bytes, "Entry");
  const entry: Entry = { id: from.str(), location: readLocation(from), kind: readKind(from), dirty: false };
  from.finish();
  return entry;
}

/** The record of metadata. Throws `RangeError` for a number that the field cannot hold. */
export function encodeMetadata(metadata: Omit<EntryMetadata, "dirty">): Uint8Array {
  const out = new BareWriter();
  out.u16(VERSION);
  out.u8(indexIn(ENTRY_STATUSES, metadata.status, "entry status"));
  out.optional(metadata.error, (text) => out.prose(text));
  out.u32(metadata.attempts, "attempts");
  out.u64(metadata.lastAttemptAt, "lastAttemptAt");
  out.u64(metadata.createdAt, "createdAt");
  out.optional(metadata.completedAt, (time) => out.u64(time, "completedAt"));
  out.optional(metadata.rollbackCompletedAt, (time) => out.u64(time, "rollbackCompletedAt"));
  out.optional(metadata.rollbackError, (text) => out.prose(text));
  return out.finish();
}

/** The metadata whose record is `bytes`, not dirty. Throws a record error. */
export function decodeMetadata(bytes: Uint8Array): EntryMetadata {
  const from = openRecord(bytes, "EntryMetadata");
  const status = readTag(from, ENTRY_STATUSES, "an entry status");
  const error = from.optional(() => from.str());
  const metadata: EntryMetadata = {
    status,
    ...(error !== undefined && { error }),
    attempts: from.u32(),
    lastAttemptAt: from.u64(),
    createdAt: from.u64(),
    dirty: false,
  };
  const completedAt = from.optional(() => from.u64());
  if (completedAt !== undefined) metadata.completedAt = completedAt;
  const rollbackCompletedAt = from.optional(() => from.u64());
  if (rollbackCompletedAt !== undefined) metadata.rollbackCompletedAt = rollbackCompletedAt;
  const rollbackError = from.optional(() => from.str());
  if (rollbackError !== undefined) metadata.rollbackError = rollbackError;
  from.finish();
  return metadata;
}

function openRecord(bytes: Uint8Array, type: string): BareReader {
  if (bytes.length < 2) throw recordError("record_truncated", "payload too short for embedded version", bytes.length);
  const reader = new BareReader(bytes);
  const version = reader.u16();
  if (version === VERSION) return reader;
  throw recordError(version > VERSION ? "record_newer" : "record_corrupt", `Unknown ${type} version ${version}`, 0);
}

// Locations

function writeLocation(out: BareWriter, location: Location): void {
  out.count(location.length);
  for (const segment of location) {
    if (isLoopIterationMarker(segment)) {
      out.u8(1);
      out.u32(segment.loop, "loop");
      out.u32(segment.iteration, "iteration");
    } else {
      out.u8(0);
      out.u32(segment, "name index");
    }
  }
}

function readLocation(from: BareReader): Location {
  const location: Location = [];
  for (let left = from.count(); left > 0; left--) {
    const isName = from.tag(1, "a path segment") === 0;
    location.push(isName ? from.u32() : { loop: from.u32(), iteration: from.u32() });
  }
  return location;
}

// Kinds

function writeKind(out: BareWriter, kind: EntryKind, flattened: Flattened | undefined): void {
  const value = (data: unknown): void => out.data(encodeValue(data, flattened));
  switch (kind.type) {
    case "step":
      out.optional(kind.data.output, value);
      out.optional(kind.data.error, (text) => out.prose(text));
      break;
    case "loop":
      value(kind.data.state);
      out.u32(kind.data.iteration, "iteration");
      out.optional(kind.data.output, value);
      break;
    case "sleep":
      out.u64(kind.data.deadline, "deadline");
      out.u8(indexIn(SLEEP_STATES, kind.data.state, "sleep state"));
      break;
    case "message":
      out.str(kind.data.name, "message name");
      value(kind.data.data);
      break;
    case "rollback_checkpoint":
      out.str(kind.data.name, "checkpoint name");
      break;
    case "join":
      writeBranches(out, kind.data.branches, value);
      break;
    case "race":
      out.optional(kind.data.winner ?? undefined, (name) => out.str(name, "winner"));
      writeBranches(out, kind.data.branches, value);
      break;
    case "removed":
      out.str(kind.data.originalType, "originalType");
      out.optional(kind.data.originalName, (name) => out.str(name, "originalName"));
      break;
    case "version_check":
      out.u32(kind.data.resolved, "resolved");
      out.u32(kind.data.latest, "latest");
  }
}

function readKind(from: BareReader): EntryKind {
  const offset = from.offset;
  const tag = from.u8();
  const type = KINDS[tag];
  switch (type) {
    case "step":
      return { type, data: readStep(from) };
    case "loop": {
      const data = { state: readValue(from), iteration: from.u32() };
      return { type, data: { ...data, ...readOutput(from) } };
    }
    case "sleep":
      return { type, data: { deadline: from.u64(), state: readTag(from, SLEEP_STATES, "a sleep state") } };
    case "message":
      return { type, data: { name: from.str(), data: readValue(from) } };
    case "rollback_checkpoint":
      return { type, data: { name: from.str() } };
    case "join":
      return { type, data: { branches: readBranches(from) } };
    case "race":
      return { type, data: { winner: from.optional(() => from.str()) ?? null, branches: readBranches(from) } };
    case "removed": {
      const originalType = from.str() as EntryKindType; // of newer code, perhaps; only ever compared
      const originalName = from.optional(() => from.str());
      return { type, data: { originalType, ...(originalName !== undefined && { originalName }) } };
    }
    case "version_check":
      return { type, data: { resolved: from.u32(), latest: from.u32() } };
    default:
      throw recordError("record_newer", `Unknown entry kind: ${tag}`, offset);
  }
}

function readStep(from: BareReader): { output?: unknown; error?: string } {
  const output = readOutput(from);
  const error = from.optional(() => from.str());
  return { ...output, ...(error !== undefined && { error }) };
}

/** Absent is the output of what returned nothing; what is there may be anything else, null included. */
function readOutput(from: BareReader): { output?: unknown } {
  return from.optional(() => ({ output: readValue(from) })) ?? {};
}

function writeBranches(
  out: BareWriter,
  branches: Readonly<Record<string, BranchStatus>>,
  value: (data: unknown) => void,
): void {
  const entries = Object.entries(branches);
  out.count(entries.length);
  for (const [name, { status, output, error }] of entries) {
    out.str(name, "branch name");
    out.u8(indexIn(BRANCH_STATUSES, status, "branch status"));
    out.optional(output, value);
    out.optional(error, (text) => out.prose(text));
  }
}

function readBranches(from: BareReader): Record<string, BranchStatus> {
  const branches: Record<string, BranchStatus> = {};
  for (let left = from.count(); left > 0; left--) {
    const name = from.str();
    const status = readTag(from, BRANCH_STATUSES, "a branch status");
    const value = { status, ...readStep(from) };
    // Not by assignment: a branch may be called `__proto__`.
    Object.defineProperty(branches, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return branches;
}

function readValue(from: BareReader): unknown {
  const bytes = from.data();
  return atOffset(from.offset - bytes.length, () => decodeValue(bytes));
}

function readTag<T>(from: BareReader, list: readonly T[], what: string): T {
  return list[from.tag(list.length - 1, what)] as T;
}

function indexIn<T>(list: readonly T[], value: T, what: string): number {
  const index = list.indexOf(value);
  if (index < 0) throw new RangeError(`found ${JSON.stringify(value)} as ${what}, expected one of ${list.join(", ")}`);
  return index;
}
