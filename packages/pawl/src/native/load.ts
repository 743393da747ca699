/**
 * Loads the native engine: the one file that imports it. It owns which binary is taken and what is said when there is none;
 * it knows nothing of what the engine does. One process has one engine, however many copies of this package it loads.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PawlError } from "../errors.ts";
import type * as Binding from "./binding.d.ts";
import { type Attempted, explain, OtherVersionError, type Surroundings } from "./explain.ts";
import { linuxLibc, target } from "./platform.ts";

/** What the binary exports, as generated from `crates/node`. */
export type NativeModule = typeof Binding;

/** One place where the binary may be, and how to load it from there. */
export interface Candidate {
  readonly from: string;
  readonly load: () => unknown;
}

/** The boundary that this code speaks: `ABI` in `crates/node/src/lib.rs`. */
const ABI = 1;

const ENGINE = Symbol.for(`pawl/native@${ABI}`);

/**
 * Returns the native engine, loaded at the first call.
 *
 * @throws PawlError `native_load_failed` if no binary for this platform is installed, or none of this version. Its `cause` is what the
 * system said to each candidate; its `data` is where this code runs.
 */
export function native(): NativeModule {
  return share(() => {
    const here = surroundings();
    return loadFirst(here, candidates(here.target));
  });
}

/** The one engine of this process: what is there already, or else what `load` gives. */
export function share(load: () => NativeModule): NativeModule {
  const shared = globalThis as { [ENGINE]?: NativeModule };
  shared[ENGINE] ??= load();
  return shared[ENGINE];
}

/** Loads the first candidate that is there and speaks this boundary; `here` is what a failure tells of the machine. */
export function loadFirst(here: Surroundings, candidates: readonly Candidate[]): NativeModule {
  const attempts: Attempted[] = [];
  for (const { from, load } of candidates) {
    try {
      return checked(load());
    } catch (error) {
      attempts.push({ from, error });
    }
  }
  const causes = attempts.map(({ error }) => error);
  const cause = causes.length === 1 ? causes[0] : new AggregateError(causes);
  throw new PawlError("native_load_failed", explain(here, attempts), { cause, data: here });
}

/** Where this code runs. */
export function surroundings(): Surroundings {
  const glibc = process.platform === "linux" ? linuxLibc().version : undefined;
  return { target: target(), glibc, bundled: isBundled(), overridden: override() !== undefined };
}

/**
 * The places of the binary, in order: the path in `PAWL_NATIVE_PATH` and nothing else, if it is set; this workspace's own build;
 * the platform package. The strings are static, so that bundlers and file tracers see them.
 */
export function candidates(target: string): readonly Candidate[] {
  const path = override();
  if (path !== undefined) return [{ from: `PAWL_NATIVE_PATH=${path}`, load: () => require(path) }];
  switch (target) {
    case "linux-x64-gnu":
      return [
        { from: "native/pawl.linux-x64-gnu.node", load: () => require("#native/pawl.linux-x64-gnu.node") },
        { from: "@pawl/native-linux-x64-gnu", load: () => require("@pawl/native-linux-x64-gnu") },
      ];
    case "linux-x64-musl":
      return [
        { from: "native/pawl.linux-x64-musl.node", load: () => require("#native/pawl.linux-x64-musl.node") },
        { from: "@pawl/native-linux-x64-musl", load: () => require("@pawl/native-linux-x64-musl") },
      ];
    case "linux-arm64-gnu":
      return [
        { from: "native/pawl.linux-arm64-gnu.node", load: () => require("#native/pawl.linux-arm64-gnu.node") },
        { from: "@pawl/native-linux-arm64-gnu", load: () => require("@pawl/native-linux-arm64-gnu") },
      ];
    case "linux-arm64-musl":
      return [
        { from: "native/pawl.linux-arm64-musl.node", load: () => require("#native/pawl.linux-arm64-musl.node") },
        { from: "@pawl/native-linux-arm64-musl", load: () => require("@pawl/native-linux-arm64-musl") },
      ];
    case "darwin-arm64":
      return [
        { from: "native/pawl.darwin-arm64.node", load: () => require("#native/pawl.darwin-arm64.node") },
        { from: "@pawl/native-darwin-arm64", load: () => require("@pawl/native-darwin-arm64") },
      ];
    case "darwin-x64":
      return [
        { from: "native/pawl.darwin-x64.node", load: () => require("#native/pawl.darwin-x64.node") },
        { from: "@pawl/native-darwin-x64", load: () => require("@pawl/native-darwin-x64") },
      ];
    case "win32-x64-msvc":
      return [
        { from: "native/pawl.win32-x64-msvc.node", load: () => require("#native/pawl.win32-x64-msvc.node") },
        { from: "@pawl/native-win32-x64-msvc", load: () => require("@pawl/native-win32-x64-msvc") },
      ];
    case "win32-arm64-msvc":
      return [
        { from: "native/pawl.win32-arm64-msvc.node", load: () => require("#native/pawl.win32-arm64-msvc.node") },
        { from: "@pawl/native-win32-arm64-msvc", load: () => require("@pawl/native-win32-arm64-msvc") },
      ];
    default:
      return [];
  }
}

function override(): string | undefined {
  const path = process.env["PAWL_NATIVE_PATH"];
  return path === "" ? undefined : path;
}

/** `loaded`, if it is an engine that speaks this boundary. */
export function checked(loaded: unknown): NativeModule {
  const module = loaded as Partial<NativeModule>;
  const found = typeof module.abi === "function" ? module.abi() : undefined;
  if (found === ABI) return module as NativeModule;
  throw new OtherVersionError(
    `the binary is of another version: its boundary is ${found ?? "unknown"}, expected ${ABI}`,
  );
}

/** In its package, this code is in `dist` (or `src/native`, while one works on it) of a folder whose package.json names it. */
function isBundled(): boolean {
  return !["..", "../.."].some((up) => {
    try {
      const manifest = JSON.parse(readFileSync(join(__dirname, up, "package.json"), "utf8")) as { name?: unknown };
      return manifest.name === "pawl";
    } catch {
      return false;
    }
  });
}
