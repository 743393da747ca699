/** What machine this is, in the words of the platform packages' names. */
import { readFileSync } from "node:fs";

/** The platforms that have a package of their own: what `napi.targets` in package.json says, in npm's words. */
export const TARGETS = [
  "linux-x64-gnu",
  "linux-x64-musl",
  "linux-arm64-gnu",
  "linux-arm64-musl",
  "darwin-arm64",
  "darwin-x64",
  "win32-x64-msvc",
  "win32-arm64-msvc",
] as const;

/** The C library of a Linux: its kind, and glibc's version where there is one. */
export interface Libc {
  readonly kind: "gnu" | "musl";
  readonly version?: string;
}

/** The platform in the words of the package names: `linux-x64-gnu`, `darwin-arm64`. */
export function target(
  platform: string = process.platform,
  arch: string = process.arch,
  libc: string = libcOf(platform),
): string {
  return [platform, arch, libc].filter((part) => part !== "").join("-");
}

/** The C library of this Linux. musl has no version that a program could ask for. */
export function linuxLibc(report: unknown = process.report?.getReport(), ldd: () => string = readLdd): Libc {
  const header = (report as { header?: { glibcVersionRuntime?: string } } | undefined)?.header;
  if (header?.glibcVersionRuntime !== undefined) return { kind: "gnu", version: header.glibcVersionRuntime };
  if (header !== undefined) return { kind: "musl" };
  return { kind: ldd().includes("musl") ? "musl" : "gnu" };
}

function libcOf(platform: string): string {
  if (platform === "win32") return "msvc";
  return platform === "linux" ? linuxLibc().kind : "";
}

function readLdd(): string {
  try {
    return readFileSync("/usr/bin/ldd", "latin1");
  } catch {
    return "";
  }
}
