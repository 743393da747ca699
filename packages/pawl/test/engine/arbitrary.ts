/** Records to try codecs with. */
import fc from "fast-check";
import type { BranchStatus, Entry, EntryKind, EntryMetadata, Location } from "../../src/engine/types.ts";

const u32 = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 32 - 1 }));
const time = fc.oneof(fc.nat(), fc.maxSafeNat());
const text = fc.string({ unit: "grapheme", maxLength: 12 });
/** Values that vitest's equality compares exactly enough. */
const value = fc.oneof(
  fc.constantFrom(null, true, 0, -1, "x"),
  fc.double({ noNaN: true }),
  text,
  fc.array(fc.integer(), { maxLength: 3 }),
  fc.record({ a: text, b: fc.date({ noInvalidDate: true }) }),
);
const output = fc.option(value, { nil: undefined });
const error = fc.option(text, { nil: undefined });

/** The record without the fields that are undefined. */
function defined<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, field]) => field !== undefined)) as T;
}

export const locations: fc.Arbitrary<Location> = fc.array(fc.oneof(u32, fc.record({ loop: u32, iteration: u32 })), {
  maxLength: 5,
});

const branch = fc
  .record({ status: fc.constantFrom("pending", "running", "completed", "failed", "cancelled"), output, error })
  .map((record) => defined(record) as BranchStatus);
const branches = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 5 }).map((name) => `b${name}`),
  branch,
  { maxKeys: 4 },
);

export const kinds: fc.Arbitrary<EntryKind> = fc.oneof(
  fc.record({ output, error }).map((data) => ({ type: "step", data: defined(data) }) as EntryKind),
  fc
    .record({ state: fc.option(value, { nil: undefined }), iteration: u32, output })
    .map(({ output, ...data }) => ({ type: "loop", data: { ...data, ...defined({ output }) } }) as EntryKind),
  fc
    .record({ deadline: time, state: fc.constantFrom("pending", "completed", "interrupted") })
    .map((data) => ({ type: "sleep", data }) as EntryKind),
  fc.record({ name: text, data: value }).map((data) => ({ type: "message", data }) as EntryKind),
  text.map((name): EntryKind => ({ type: "rollback_checkpoint", data: { name } })),
  branches.map((branches): EntryKind => ({ type: "join", data: { branches } })),
  fc.record({ winner: fc.option(text), branches }).map((data): EntryKind => ({ type: "race", data })),
  fc
    .record({ originalType: fc.constantFrom("step", "loop"), originalName: error })
    .map((data) => ({ type: "removed", data: defined(data) }) as EntryKind),
  fc.record({ resolved: u32, latest: u32 }).map((data): EntryKind => ({ type: "version_check", data })),
);

export const metadata: fc.Arbitrary<Omit<EntryMetadata, "dirty">> = fc
  .record({
    status: fc.constantFrom("pending", "running", "completed", "failed", "exhausted"),
    error,
    attempts: u32,
    lastAttemptAt: time,
    createdAt: time,
    completedAt: fc.option(time, { nil: undefined }),
    rollbackCompletedAt: fc.option(time, { nil: undefined }),
    rollbackError: error,
  })
  .map((record) => defined(record) as Omit<EntryMetadata, "dirty">);

export function entryOf(kind: EntryKind, location: Location = [0]): Entry {
  return { id: "id", location, kind, dirty: false };
}
