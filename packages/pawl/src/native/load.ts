/**
 * Loads the native engine: the one file that imports it. It owns which binary is taken and what is said when there is none;
 * it knows nothing of what the engine does. One process has one engine, however many copies of this package it loads.
 */
import { readFileSync } from "node:fs";
import type * as Binding from "./binding.d.ts";

/** What the binary exports, as generated from `crates/node`. */
export type NativeModule = typeof Binding;

/** One place where the binary may be, and how to load it from there. */
export interface Candidate {
  readonly from: string;
  readonly load: () => unknown;
}

/** No binary of this package could be loaded. `cause` holds one error per candidate, in the order in which they were tried. */
export class NativeLoadError extends Error {
  override readonly name = "NativeLoadError";
  readonly code = "native_load_failed";

  constructor(message: string, causes: readonly Error[]) {
    super(message, { cause: causes.length === 1 ? causes[0] : new AggregateError(causes) });
  }
}

/** The boundary that this code speaks: `ABI` in `crates/node/src/lib.rs`. */
const ABI = 1;

const ENGINE = Symbol.for(`pawl/native@${ABI}`);

/**
 * Returns the native engine, loaded at the first call.
 *
 * @throws NativeLoadError if no binary for this platform is installed, or none of this version.
 */
export function native(): NativeModule {
  const shared = globalThis as { [ENGINE]?: NativeModule };
  if (shared[ENGINE] === undefined) {
    const here = target();
    shared[ENGINE] = loadFirst(here, candidates(here));
  }
  return shared[ENGINE];
}

/** Loads the first candidate that is there and speaks this boundary; `target` names the platform in messages. */
export function loadFirst(target: string, candidates: readonly Candidate[]): NativeModule {
  const failures: Error[] = [];
  for (const { from, load } of candidates) {
    try {
      return checked(load());
    } catch (error) {
      failures.push(new Error(`${from}: ${firstLine(error)}`, { cause: error }));
    }
  }
  throw new NativeLoadError(explain(target, failures), failures);
}

/** The platform in the words of the package names: `linux-x64-gnu`, `darwin-arm64`. */
export function target(
  platform: string = process.platform,
  arch: string = process.arch,
  libc: string = libcOf(platform),
): string {
  return [platform, arch, libc].filter((part) => part !== "").join("-");
}

/**
 * The places of the binary, in order: the path in `PAWL_NATIVE_PATH` and nothing else, if it is set; this workspace's own build;
 * the platform package. The strings are static, so that bundlers and file tracers see them.
 */
function candidates(target: string): readonly Candidate[] {
  const path = process.env["PAWL_NATIVE_PATH"];
  if (path !== undefined && path !== "") return [{ from: `PAWL_NATIVE_PATH=${path}`, load: () => require(path) }];
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

function checked(loaded: unknown): NativeModule {
  const module = loaded as Partial<NativeModule>;
  const found = typeof module.abi === "function" ? module.abi() : undefined;
  if (found !== ABI)
    throw new Error(`the binary is of another version: its boundary is ${found ?? "unknown"}, expected ${ABI}`);
  return module as NativeModule;
}

function libcOf(platform: string): string {
  if (platform === "win32") return "msvc";
  return platform === "linux" ? (isMusl() ? "musl" : "gnu") : "";
}

function isMusl(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  if (report?.header !== undefined) return report.header.glibcVersionRuntime === undefined;
  try {
    return readFileSync("/usr/bin/ldd", "latin1").includes("musl");
  } catch {
    return false;
  }
}

function explain(target: string, failures: readonly Error[]): string {
  const found = `Pawl's native engine could not be loaded on ${target}, Node.js ${process.versions.node}.`;
  if (failures.length === 0)
    return `${found}\n  There is no binary for this platform. Build one from the source: npm run build.`;
  const tried = failures.map(({ message }) => `  tried  ${message}`);
  return [
    found,
    ...tried,
    "  likely  optional dependencies were left out of the install, or the lockfile was written on another platform",
    `  do this  npm install --include=optional @pawl/native-${target}   (in a clone of Pawl: npm run build)`,
  ].join("\n");
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
