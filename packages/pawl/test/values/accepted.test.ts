import { describe, expect, test } from "vitest";
import { copy, decode, encode } from "../../src/values/index.ts";
import { CORRUPT, FOREIGN } from "./bytes-of-others.ts";
import { difference } from "./exact.ts";
import { ACCEPTED } from "./poison.ts";

const FIXTURE = "../../../../tests/fixtures/values.json";
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("every value that can be stored", () => {
  test.each(ACCEPTED)("$name comes back as it went in", ({ make }) => {
    expect(difference(decode(encode(make())), make())).toBeUndefined();
  });

  test.each(ACCEPTED)("$name is copied exactly, and shares nothing", ({ make }) => {
    const value = make();
    const copied = copy(value);
    expect(difference(copied, make())).toBeUndefined();
    if (typeof value === "object" && value !== null) expect(copied).not.toBe(value);
  });

  test.each(ACCEPTED)("$name is written the same way twice", ({ make }) => {
    expect(hex(encode(decode(encode(make()))))).toBe(hex(encode(make())));
  });

  test("each has a name of its own", () => {
    expect(new Set(ACCEPTED.map(({ name }) => name)).size).toBe(ACCEPTED.length);
  });

  test("the bytes on disk have not changed", async () => {
    const fixture = {
      about: "Stored values: what each is written as, what others wrote and is read as `as`, and what is no value.",
      accepted: ACCEPTED.map(({ name, make }) => ({ name, hex: hex(encode(make())) })),
      foreign: FOREIGN.map(({ name, bytes, make }) => ({ name, hex: bytes, as: hex(encode(make())) })),
      corrupt: CORRUPT.map(({ name, bytes, offset }) => ({ name, hex: bytes, offset })),
    };
    await expect(`${JSON.stringify(fixture, undefined, 2)}\n`).toMatchFileSnapshot(FIXTURE);
  });
});
