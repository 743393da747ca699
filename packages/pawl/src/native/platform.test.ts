import { expect, test } from "vitest";
import { linuxLibc, target } from "./platform.ts";

test("a platform's name ends with its C library where it has several", () => {
  expect(target("linux", "x64", "musl")).toBe("linux-x64-musl");
  expect(target("darwin", "arm64")).toBe("darwin-arm64");
  expect(target("win32", "x64")).toBe("win32-x64-msvc");
});

test("the C library is told by Node's report, and by ldd where there is none", () => {
  expect(linuxLibc({ header: { glibcVersionRuntime: "2.36" } })).toEqual({ kind: "gnu", version: "2.36" });
  expect(linuxLibc({ header: {} })).toEqual({ kind: "musl" });
  expect(linuxLibc(null, () => "# the ldd of musl")).toEqual({ kind: "musl" });
  expect(linuxLibc(null, () => "")).toEqual({ kind: "gnu" });
});
