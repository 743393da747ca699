import { expect, test } from "vitest";
import { PawlError } from "../errors.ts";
import { candidates, loadFirst, native, surroundings } from "./load.ts";
import { TARGETS } from "./platform.ts";

const HERE = { target: "linux-x64-gnu", glibc: "2.36", bundled: false, overridden: false };
const NATIVE = "@pawl/native-linux-x64-gnu";

test("the engine that was built for this machine is loaded, once", () => {
  expect(native().abi()).toBe(1);
  expect(native()).toBe(native());
});

test("the first candidate that loads is taken", () => {
  const engine = { abi: () => 1 };
  expect(loadFirst(HERE, [absent("here"), { from: "there", load: () => engine }])).toBe(engine);
});

test("every platform of the release has candidates: this workspace's build, then its package", () => {
  const { napi } = require("../../package.json") as { napi: { targets: string[] } };
  expect(napi.targets).toHaveLength(TARGETS.length);
  for (const target of TARGETS) {
    expect(candidates(target).map(({ from }) => from)).toEqual([
      `native/pawl.${target}.node`,
      `@pawl/native-${target}`,
    ]);
  }
});

test("in its own package this code knows that it was not bundled", () => {
  expect(surroundings().bundled).toBe(false);
});

test("a failure is a PawlError that names the platform, what was tried with its own error, the likely reason, and a command", () => {
  const error = failure(HERE, [absent("native/pawl.linux-x64-gnu.node"), absent(NATIVE)]);
  expect(error).toMatchObject({ code: "native_load_failed", cause: expect.any(AggregateError) });
  expect(error.message.split("\n")).toEqual([
    `Pawl's native engine could not be loaded on linux-x64-gnu (glibc 2.36), Node.js ${process.versions.node}.`,
    `  tried   ${NATIVE}: Cannot find module '${NATIVE}'`,
    expect.stringMatching(/^ {2}likely {2}optional dependencies were left out .*--omit=optional.*lockfile/),
    expect.stringMatching(/^ {2}do {6}npm install --include=optional/),
    expect.stringContaining("rm -rf node_modules package-lock.json && npm install"),
    expect.stringContaining("npm install --os=linux --cpu=x64 --libc=glibc"),
    "  see     npx pawl doctor",
  ]);
});

test.each([
  [
    "a bundler took the code away",
    { ...HERE, bundled: true },
    absent(NATIVE),
    /a bundler has copied.*--external:pawl/s,
  ],
  [
    "no binary is made for the platform",
    { ...HERE, target: "aix-ppc64" },
    undefined,
    /no binary for this platform.*build one/s,
  ],
  [
    "the boundary is another",
    HERE,
    { from: NATIVE, load: () => ({ abi: () => 2 }) },
    /boundary is 2, expected 1.*different versions/s,
  ],
  [
    "it is no engine at all",
    HERE,
    { from: NATIVE, load: () => ({}) },
    /boundary is unknown, expected 1.*different versions/s,
  ],
  [
    "the path in the environment is wrong",
    { ...HERE, overridden: true },
    absent("PAWL_NATIVE_PATH=/x"),
    /PAWL_NATIVE_PATH does not name a file/,
  ],
  [
    "glibc is too old",
    { ...HERE, glibc: "2.12" },
    refusing("/lib64/libc.so.6: version `GLIBC_2.17' not found (required by /x.node)"),
    /glibc, 2\.12, is older than the binary needs/,
  ],
  [
    "a glibc binary is on musl",
    { ...HERE, target: "linux-x64-musl", glibc: undefined },
    refusing("Error loading shared library ld-linux-x86-64.so.2: No such file or directory"),
    /another C library.*--libc=musl/s,
  ],
  [
    "a musl binary is on glibc",
    HERE,
    refusing("libc.musl-x86_64.so.1: cannot open shared object file"),
    /another C library.*--libc=glibc/s,
  ],
  [
    "the file is of another system",
    HERE,
    refusing("/x.node: invalid ELF header"),
    /another system or processor.*--os=linux --cpu=x64/s,
  ],
  [
    "the file is of another processor",
    { ...HERE, target: "darwin-arm64", glibc: undefined },
    refusing("mach-o file, but is an incompatible architecture"),
    /another system or processor.*--os=darwin --cpu=arm64/s,
  ],
  [
    "the file is no Windows library",
    { ...HERE, target: "win32-x64-msvc", glibc: undefined },
    refusing("%1 is not a valid Win32 application."),
    /another system or processor.*--os=win32 --cpu=x64/s,
  ],
  [
    "the folder is mounted noexec",
    HERE,
    refusing("failed to map segment from shared object: Operation not permitted"),
    /does not let this process run code/,
  ],
  ["nobody knows why", HERE, refusing("something new"), /the system refuses it.*report it/s],
])("the likely reason is told where %s", (_, here, candidate, expected) => {
  expect(failure(here, candidate === undefined ? [] : [absent("native/pawl.x.node"), candidate]).message).toMatch(
    expected,
  );
});

function failure(here: Parameters<typeof loadFirst>[0], list: Parameters<typeof loadFirst>[1]): PawlError {
  try {
    loadFirst(here, list);
  } catch (error) {
    if (error instanceof PawlError) return error;
  }
  throw new Error("it was loaded, or failed otherwise");
}

function absent(from: string): { from: string; load: () => never } {
  const message = `Cannot find module '${from}'\nRequire stack:\n- somewhere`;
  return {
    from,
    load: () => {
      throw Object.assign(new Error(message), { code: "MODULE_NOT_FOUND" });
    },
  };
}

function refusing(message: string): { from: string; load: () => never } {
  return {
    from: NATIVE,
    load: () => {
      throw Object.assign(new Error(message), { code: "ERR_DLOPEN_FAILED" });
    },
  };
}
