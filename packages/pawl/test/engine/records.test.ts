import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeEntry, decodeMetadata, encodeEntry, encodeMetadata } from "../../src/engine/records.ts";
import type { EntryKind, EntryMetadata, Location } from "../../src/engine/types.ts";
import { PawlError } from "../../src/errors.ts";
import { holds } from "../values/holds.ts";
import { entryOf, kinds, locations, metadata } from "./arbitrary.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

interface Vector {
  readonly name: string;
  readonly kind: EntryKind;
  readonly location?: Location;
  readonly hex: string;
}

/** Computed once with the public BARE and cbor-x packages. */
const ENTRIES: readonly Vector[] = [
  { name: "step", kind: { type: "step", data: { output: "hi" } }, hex: "010002696401000000000000010362686900" },
  { name: "void step", kind: { type: "step", data: {} }, hex: "0100026964010000000000000000" },
  {
    name: "failed step",
    kind: { type: "step", data: { error: "Error: x" } },
    hex: "0100026964010000000000000001084572726f723a2078",
  },
  {
    name: "step in an iteration",
    kind: { type: "step", data: { output: 1 } },
    location: [3, { loop: 3, iteration: 5 }, 4],
    hex: "010002696403000300000001030000000500000000040000000001010100",
  },
  {
    name: "loop",
    kind: { type: "loop", data: { state: { count: 0 }, iteration: 300 } },
    hex: "0100026964010000000000010ab9000165636f756e74002c01000000",
  },
  {
    name: "loop without state",
    kind: { type: "loop", data: { state: undefined, iteration: 0 } },
    hex: "01000269640100000000000101f70000000000",
  },
  {
    name: "sleep",
    kind: { type: "sleep", data: { deadline: 1_700_000_000_000, state: "pending" } },
    hex: "0100026964010000000000020068e5cf8b01000000",
  },
  { name: "message", kind: { type: "message", data: { name: "n", data: 2 } }, hex: "010002696401000000000003016e0102" },
  {
    name: "checkpoint",
    kind: { type: "rollback_checkpoint", data: { name: "cp" } },
    hex: "010002696401000000000004026370",
  },
  {
    name: "join",
    kind: { type: "join", data: { branches: { a: { status: "pending" }, b: { status: "completed", output: 1 } } } },
    hex: "01000269640100000000000502016100000001620201010100",
  },
  {
    name: "decided race",
    kind: { type: "race", data: { winner: "a", branches: { a: { status: "completed", output: "w" } } } },
    hex: "010002696401000000000006010161010161020102617700",
  },
  {
    name: "empty race",
    kind: { type: "race", data: { winner: null, branches: {} } },
    hex: "0100026964010000000000060000",
  },
  {
    name: "removed step",
    kind: { type: "removed", data: { originalType: "step", originalName: "old" } },
    hex: "010002696401000000000007047374657001036f6c64",
  },
  {
    name: "version check",
    kind: { type: "version_check", data: { resolved: 1, latest: 2 } },
    hex: "0100026964010000000000080100000002000000",
  },
];

const METADATA: readonly { name: string; value: Omit<EntryMetadata, "dirty">; hex: string }[] = [
  {
    name: "completed",
    value: { status: "completed", attempts: 1, lastAttemptAt: 1, createdAt: 2, completedAt: 3 },
    hex: "0100020001000000010000000000000002000000000000000103000000000000000000",
  },
  {
    name: "exhausted and rolled back",
    value: {
      status: "exhausted",
      error: "E",
      attempts: 4,
      lastAttemptAt: 1,
      createdAt: 2,
      rollbackCompletedAt: 5,
      rollbackError: "r",
    },
    hex: "010004010145040000000100000000000000020000000000000000010500000000000000010172",
  },
];

/** What is thrown, as far as programs look at it. */
function failure(run: () => unknown): { code: string; message: string; data: unknown } {
  try {
    run();
  } catch (error) {
    if (!(error instanceof PawlError)) throw error;
    return { code: error.code, message: error.message, data: error.data };
  }
  throw new Error("nothing was thrown");
}

describe("the bytes of records", () => {
  test.each(ENTRIES)(
    "$name is written and read as the other engine does",
    ({ kind, location = [0], hex: expected }) => {
      const entry = { id: "id", location, kind };
      expect(hex(encodeEntry(entry))).toBe(expected);
      expect(decodeEntry(bytes(expected))).toEqual({ ...entry, dirty: false });
    },
  );

  test.each(METADATA)("metadata: $name is written and read as the other engine does", ({ value, hex: expected }) => {
    expect(hex(encodeMetadata(value))).toBe(expected);
    expect(decodeMetadata(bytes(expected))).toEqual({ ...value, dirty: false });
  });

  test("any entry comes back, and is written the same way again", () => {
    holds(fc.tuple(fc.string({ unit: "grapheme" }), locations, kinds), 300, ([id, location, kind]) => {
      const written = encodeEntry({ id, location, kind });
      const read = decodeEntry(written);
      expect(read).toEqual({ id, location, kind, dirty: false });
      expect(hex(encodeEntry(read))).toBe(hex(written));
    });
  });

  test("any metadata comes back", () => {
    holds(metadata, 300, (value) => {
      expect(decodeMetadata(encodeMetadata(value))).toEqual({ ...value, dirty: false });
    });
  });
});

describe("an output", () => {
  test("is absent exactly when it is undefined", () => {
    for (const output of [null, false, 0, ""]) {
      expect(decodeEntry(encodeEntry(entryOf({ type: "step", data: { output } }))).kind.data).toEqual({ output });
    }
    const absent = decodeEntry(encodeEntry(entryOf({ type: "step", data: { output: undefined } })));
    expect(Object.keys(absent.kind.data)).toEqual([]);
  });

  test("of a branch called __proto__ is data like any other", () => {
    const branches = JSON.parse('{"__proto__":{"status":"completed","output":1}}');
    const read = decodeEntry(encodeEntry(entryOf({ type: "join", data: { branches } })));
    expect(JSON.stringify(read.kind.data)).toBe('{"branches":{"__proto__":{"status":"completed","output":1}}}');
  });
});

describe("records that cannot be read", () => {
  test("cut short anywhere, or with a byte too many, they are refused with the offset", () => {
    holds(fc.tuple(locations, kinds), 100, ([location, kind]) => {
      const whole = encodeEntry({ id: "id", location, kind });
      for (let length = 0; length < whole.length; length++) {
        const { code, data } = failure(() => decodeEntry(whole.subarray(0, length)));
        expect(code).toMatch(/^record_(truncated|corrupt)$/);
        expect(data).toMatchObject({ offset: expect.any(Number) });
      }
      expect(failure(() => decodeEntry(Uint8Array.of(...whole, 0))).code).toBe("record_corrupt");
    });
  });

  test("cut short, metadata is refused, too", () => {
    holds(metadata, 100, (value) => {
      const whole = encodeMetadata(value);
      for (let length = 0; length < whole.length; length++) {
        expect(failure(() => decodeMetadata(whole.subarray(0, length))).code).toMatch(/^record_/);
      }
    });
  });

  test("any bytes are a record or a record error, never another failure", () => {
    holds(fc.uint8Array({ maxLength: 60 }), 2_000, (noise) => {
      for (const decode of [decodeEntry, decodeMetadata]) {
        try {
          decode(Uint8Array.of(1, 0, ...noise));
        } catch (error) {
          expect(error).toBeInstanceOf(PawlError);
        }
      }
    });
  });

  test.each([
    ["0200", "record_newer", "Unknown Entry version 2 (at byte 0): open it with the version that wrote it", 0],
    ["01", "record_truncated", "payload too short for embedded version (at byte 1): restore the row", 1],
    [
      "0100026964010000000000090000",
      "record_newer",
      "Unknown entry kind: 9 (at byte 11): open it with the version that wrote it",
      11,
    ],
    ["010002696401000000000002", "record_truncated", "found 0 bytes, expected 8 (at byte 12): restore the row", 12],
    [
      "0100026964010000000000000201",
      "record_corrupt",
      "found tag 2, expected an optional (0 to 1) (at byte 12): restore the row",
      12,
    ],
    ["01000269640100000000000001021c1c00", "record_corrupt", "found", 14],
  ])("%s is %s", (record, code, message, offset) => {
    const found = failure(() => decodeEntry(bytes(record)));
    expect(found.code).toBe(code);
    expect(found.message).toContain(message);
    expect(found.data).toMatchObject({ offset });
  });

  test("metadata of a newer version is refused by that name", () => {
    expect(failure(() => decodeMetadata(bytes("0900"))).message).toContain("Unknown EntryMetadata version 9");
  });
});

describe("numbers that would not come back", () => {
  test.each([2 ** 32, -1, 1.5, Number.NaN])("iteration %d is refused by the field's name", (iteration) => {
    const entry = entryOf({ type: "loop", data: { state: undefined, iteration } });
    expect(() => encodeEntry(entry)).toThrow(
      new RangeError(`found ${iteration} as iteration, expected an integer from 0 to 2^32-1`),
    );
  });

  test.each([-1, 0.5, Number.POSITIVE_INFINITY, 2 ** 64])("deadline %d is refused by the field's name", (deadline) => {
    const entry = entryOf({ type: "sleep", data: { deadline, state: "pending" } });
    expect(() => encodeEntry(entry)).toThrow(
      new RangeError(`found ${deadline} as deadline, expected an integer from 0 to 2^64-1`),
    );
  });

  test("the largest ones come back", () => {
    const version = entryOf({ type: "version_check", data: { resolved: 2 ** 32 - 1, latest: 2 ** 32 - 1 } });
    expect(decodeEntry(encodeEntry(version)).kind).toEqual(version.kind);
    const sleep = entryOf({ type: "sleep", data: { deadline: Number.MAX_SAFE_INTEGER, state: "pending" } });
    expect(decodeEntry(encodeEntry(sleep)).kind).toEqual(sleep.kind);
  });

  test("a name that UTF-8 cannot say is refused, the text of an error is not", () => {
    expect(() => encodeEntry(entryOf({ type: "rollback_checkpoint", data: { name: "\ud800" } }))).toThrow(RangeError);
    const step = decodeEntry(encodeEntry(entryOf({ type: "step", data: { error: "a\ud800" } })));
    expect(step.kind.data).toEqual({ error: "a\ufffd" });
  });
});
