import { expect, test } from "vitest";
import { loadFirst, NativeLoadError, native, target } from "./load.ts";

const absent = (from: string) => ({
  from,
  load: (): never => {
    throw new Error(`Cannot find module '${from}'\nRequire stack:\n- somewhere`);
  },
});

test("the engine that was built for this machine is loaded, once", () => {
  expect(native().abi()).toBe(1);
  expect(native()).toBe(native());
});

test("a platform's name ends with its C library where it has several", () => {
  expect(target("linux", "x64", "musl")).toBe("linux-x64-musl");
  expect(target("darwin", "arm64")).toBe("darwin-arm64");
  expect(target("win32", "x64")).toBe("win32-x64-msvc");
});

test("the first candidate that loads is taken", () => {
  const engine = { abi: () => 1 };
  expect(loadFirst("linux-x64-gnu", [absent("here"), { from: "there", load: () => engine }])).toBe(engine);
});

test("a failure names the platform, each place with its own error, and a command", () => {
  const load = () => loadFirst("linux-x64-gnu", [absent("here"), absent("there")]);
  expect(load).toThrow(NativeLoadError);
  expect(load).toThrow(/on linux-x64-gnu, Node\.js \d+/);
  expect(load).toThrow(/tried {2}here: Cannot find module 'here'\n {2}tried {2}there: Cannot find module 'there'\n/);
  expect(load).toThrow(/npm install --include=optional @pawl\/native-linux-x64-gnu/);
  expect(load).toThrow(expect.objectContaining({ code: "native_load_failed", cause: expect.any(AggregateError) }));
});

test("a binary of another version is refused", () => {
  const load = () => loadFirst("linux-x64-gnu", [{ from: "here", load: () => ({ abi: () => 2 }) }]);
  expect(load).toThrow(/here: the binary is of another version: its boundary is 2, expected 1/);
});

test("a platform without a binary is told to build one", () => {
  expect(() => loadFirst("aix-ppc64", [])).toThrow(/no binary for this platform\. Build one/);
});
