import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  appendLoopIteration,
  appendName,
  compareKeys,
  createStorage,
  emptyLocation,
  errorKey,
  historyKey,
  historyRootPrefix,
  inputKey,
  isLocationPrefix,
  isLoopIterationMarker,
  iterationsRange,
  keyStartsWith,
  keyToHex,
  locationsEqual,
  locationToKey,
  metadataKey,
  metadataPrefix,
  nameKey,
  namesPrefix,
  outputKey,
  parentLocation,
  parseHistoryKey,
  parseMetadataKey,
  parseNameKey,
  registerName,
  resolveName,
  stateKey,
} from "../../src/engine/index.ts";
import { packTuple, unpackTuple } from "../../src/engine/tuple.ts";
import { holds } from "../values/holds.ts";
import { locations } from "./arbitrary.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const UUID = "a7b4e7b5-6a1c-4b93-8a0c-2f8f0f5f6f10";

describe("keys", () => {
  test.each([
    ["name 0", nameKey(0), "150114"],
    ["name 1", nameKey(1), "15011501"],
    ["name 256", nameKey(256), "1501160100"],
    ["all names", namesPrefix(), "1501"],
    ["entry at [0]", historyKey([0]), "150214"],
    ["all entries", historyRootPrefix(), "1502"],
    ["state", stateKey(), "15031501"],
    ["output", outputKey(), "15031502"],
    ["error", errorKey(), "15031503"],
    ["input", inputKey(), "15031504"],
    ["metadata", metadataKey(UUID), `150402${Buffer.from(UUID).toString("hex")}00`],
    ["all metadata", metadataPrefix(), "1504"],
    ["entry in an iteration", historyKey([3, { loop: 3, iteration: 5 }, 4]), "150215030515031505001504"],
    ["entry in iteration 0", historyKey([3, { loop: 3, iteration: 0 }, 4]), "1502150305150314001504"],
    ["scope of iteration 300", historyKey([3, { loop: 3, iteration: 300 }]), "1502150305150316012c00"],
  ])("%s", (_, key, hex) => {
    expect(keyToHex(key)).toBe(hex);
  });

  test("any location comes back from its key", () => {
    holds(locations, 300, (location) => expect(parseHistoryKey(historyKey(location))).toEqual(location));
  });

  test("any tuple comes back, and starts no other that it does not start", () => {
    const element = fc.oneof(fc.maxSafeNat(), fc.string({ unit: "binary" }));
    holds(fc.array(fc.oneof(element, fc.array(element, { maxLength: 3 })), { maxLength: 4 }), 300, (tuple) => {
      expect(unpackTuple(packTuple(tuple))).toEqual(tuple);
    });
    expect(keyStartsWith(historyKey([256]), historyKey([1]))).toBe(false);
    expect(keyStartsWith(historyKey([1, 2]), historyKey([1]))).toBe(true);
  });

  test("the range of iterations holds them and what is in them, and no other", () => {
    const { start, end } = iterationsRange([7, 3], 2, 300);
    const isIn = (key: Uint8Array): boolean => compareKeys(key, start) >= 0 && compareKeys(key, end) < 0;
    expect(isIn(historyKey([7, 3, { loop: 3, iteration: 2 }]))).toBe(true);
    expect(isIn(historyKey([7, 3, { loop: 3, iteration: 299 }, 5, 6]))).toBe(true);
    expect(isIn(historyKey([7, 3, { loop: 3, iteration: 1 }, 5]))).toBe(false);
    expect(isIn(historyKey([7, 3, { loop: 3, iteration: 300 }]))).toBe(false);
    expect(isIn(historyKey([7, 3]))).toBe(false);
    expect(() => iterationsRange([{ loop: 1, iteration: 1 }], 0, 1)).toThrow(
      "Expected loop location to end with a name index",
    );
  });

  test("others are refused by kind, arity and form", () => {
    expect(parseNameKey(bytes("15011501"))).toBe(1);
    for (const key of ["1501", "150214", "1501020000", "15011400", "1501150114", ""]) {
      expect(() => parseNameKey(bytes(key)), key).toThrow("Invalid name key");
    }
    expect(() => parseHistoryKey(bytes("1501"))).toThrow("Invalid history key");
    expect(() => parseHistoryKey(bytes("1502024100"))).toThrow('Invalid path segment tuple element: "A"');
    expect(() => parseHistoryKey(bytes("150205140014"))).toThrow("Invalid path segment tuple element: [0]");
    expect(parseMetadataKey(bytes("150402696400"))).toBe("id");
    expect(() => parseMetadataKey(bytes("150414"))).toThrow("Invalid entry metadata key");
  });
});

describe("names", () => {
  test("are numbered in the order of first use", () => {
    const storage = createStorage();
    expect([registerName(storage, "a"), registerName(storage, "b"), registerName(storage, "a")]).toEqual([0, 1, 0]);
    expect(resolveName(storage, 1)).toBe("b");
    expect(() => resolveName(storage, 2)).toThrow(new Error("Name index 2 not found in registry"));
  });

  test("are found where others have put them", () => {
    const storage = createStorage();
    registerName(storage, "a");
    storage.nameRegistry[0] = "b";
    expect(registerName(storage, "b")).toBe(0);
    expect(registerName(storage, "a")).toBe(1);
    storage.nameRegistry = ["x", "a"];
    expect(registerName(storage, "a")).toBe(1);
    storage.nameRegistry.length = 0;
    expect(registerName(storage, "a")).toBe(0);
  });

  test("are found without a search, however many there are", () => {
    const storage = createStorage();
    for (let i = 0; i < 5_000; i++) registerName(storage, `name ${i}`);
    storage.nameRegistry.indexOf = () => {
      throw new Error("searched");
    };
    for (let i = 0; i < 5_000; i++) expect(registerName(storage, `name ${i}`)).toBe(i);
  });
});

describe("locations", () => {
  test("read as names joined with slashes, iterations as ~n", () => {
    const storage = createStorage();
    const loop = appendName(storage, emptyLocation(), "loop");
    const step = appendName(storage, appendLoopIteration(storage, loop, "loop", 5), "step");
    expect(locationToKey(storage, step)).toBe("loop/~5/step");
    expect(locationToKey(storage, emptyLocation())).toBe("");
    expect(step).toEqual([0, { loop: 0, iteration: 5 }, 1]);
    expect(loop).toEqual([0]);
    expect(parentLocation(step)).toEqual([0, { loop: 0, iteration: 5 }]);
  });

  test("lie within a prefix of the same segments, themselves included", () => {
    const marker = { loop: 1, iteration: 2 };
    expect(isLoopIterationMarker(marker)).toBe(true);
    expect(isLoopIterationMarker(1)).toBe(false);
    expect(isLocationPrefix([], [1])).toBe(true);
    expect(isLocationPrefix([1, marker], [1, { ...marker }])).toBe(true);
    expect(isLocationPrefix([1, marker], [1, { ...marker, iteration: 3 }, 4])).toBe(false);
    expect(isLocationPrefix([1, 2], [1])).toBe(false);
    expect(isLocationPrefix([1], [marker])).toBe(false);
    expect(locationsEqual([1], [1, 2])).toBe(false);
    expect(locationsEqual([1, marker], [1, { ...marker }])).toBe(true);
  });
});
