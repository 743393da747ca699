/**
 * Why the native engine could not be loaded, for people: what was found, what was tried, what is likely, what to do. It knows the
 * words with which systems and package managers refuse a binary; it loads nothing.
 */
import { TARGETS } from "./platform.ts";

/** The place of a binary, and what the system said when it was to be loaded from there. */
export interface Attempted {
  readonly from: string;
  readonly error: unknown;
}

/** Where the loader runs. */
export interface Surroundings {
  /** `linux-x64-gnu`, as `target()` says. */
  readonly target: string;
  /** glibc's version, where there is one. */
  readonly glibc?: string | undefined;
  /** Whether this code was copied into another program by a bundler, away from its package. */
  readonly bundled: boolean;
  /** Whether `PAWL_NATIVE_PATH` names the one place to look. */
  readonly overridden: boolean;
}

interface Cause {
  readonly likely: string;
  readonly cure: readonly string[];
}

/** A binary that speaks another boundary than the JavaScript beside it. */
export class OtherVersionError extends Error {
  override readonly name = "OtherVersionError";
}

/** The whole message: `found`, `tried`, `likely` and `do`, a line or more each. */
export function explain(here: Surroundings, attempts: readonly Attempted[]): string {
  const libc = here.glibc === undefined ? "" : ` (glibc ${here.glibc})`;
  const { likely, cure } = causeOf(here, attempts);
  return [
    `Pawl's native engine could not be loaded on ${here.target}${libc}, Node.js ${process.versions.node}.`,
    ...attempts.filter((attempt) => isWorthShowing(attempt, attempts)).map(tried),
    `  likely  ${likely}`,
    ...cure.map((line, index) => `${index === 0 ? "  do      " : "          "}${line}`),
    "  see     npx pawl doctor",
  ].join("\n");
}

function causeOf(here: Surroundings, attempts: readonly Attempted[]): Cause {
  if (!here.overridden && !(TARGETS as readonly string[]).includes(here.target)) return unsupported();
  const refusal = attempts.find((attempt) => !isAbsent(attempt));
  if (refusal !== undefined) return refused(here, refusal);
  if (here.overridden) return wrongPath();
  return here.bundled ? bundled() : leftOut(here);
}

function refused(here: Surroundings, { error }: Attempted): Cause {
  if (error instanceof OtherVersionError) return otherVersion();
  const known = REFUSALS.find(({ words }) => words.test(text(error)));
  if (known !== undefined) return known.cause(here);
  return {
    likely: "the file is there and the system refuses it: its own words are above",
    cure: [
      "rm -rf node_modules && npm install",
      "and report it with the output of npx pawl doctor if that does not help",
    ],
  };
}

/** How systems refuse a library, and what that means. The first that matches counts. */
const REFUSALS: readonly { readonly words: RegExp; readonly cause: (here: Surroundings) => Cause }[] = [
  { words: /GLIBC_[\d.]+['’]? not found/, cause: oldGlibc },
  { words: /ld-linux|libc\.so\.6|ld-musl|libc\.musl|[Ee]rror relocating/, cause: otherLibc },
  {
    words:
      /invalid ELF header|wrong ELF class|[Ee]xec format|incompatible architecture|not a valid Win32|mach-o|slice is not valid/,
    cause: foreign,
  },
  { words: /failed to map segment|Operation not permitted|Permission denied|EACCES|EPERM/, cause: forbidden },
];

function leftOut(here: Surroundings): Cause {
  return {
    likely:
      "optional dependencies were left out of the install (--omit=optional, --no-optional), or the lockfile was written on another platform",
    cure: [
      `npm install --include=optional        pnpm and yarn: install again without --no-optional`,
      `still missing?  rm -rf node_modules package-lock.json && npm install`,
      `installing for another machine?  npm install ${flags(here.target)}`,
    ],
  };
}

function flags(target: string): string {
  const [os, cpu, libc] = target.split("-");
  const wanted = os === "linux" ? ` --libc=${libc === "musl" ? "musl" : "glibc"}` : "";
  return `--os=${os} --cpu=${cpu}${wanted}`;
}

function bundled(): Cause {
  return {
    likely: "a bundler has copied Pawl into your program; a native module cannot be copied with it",
    cure: [
      "leave it out of the bundle, and ship node_modules/pawl and node_modules/@pawl beside it:",
      "esbuild    --external:pawl --external:pawl/*        webpack  externals: [/^pawl($|\\/)/]",
      'vite       ssr: { external: ["pawl"] }              next.js  serverExternalPackages: ["pawl"]',
      "or set PAWL_NATIVE_PATH to the .node file",
    ],
  };
}

function unsupported(): Cause {
  return {
    likely: `there is no binary for this platform. There are some for ${TARGETS.join(", ")}`,
    cure: ["build one from a clone of Pawl (npm run build), and set PAWL_NATIVE_PATH to its .node file"],
  };
}

function otherVersion(): Cause {
  return {
    likely: "pawl and @pawl/native-* are of different versions: a partial upgrade, or a stale node_modules",
    cure: ["rm -rf node_modules && npm install"],
  };
}

function wrongPath(): Cause {
  return {
    likely: "PAWL_NATIVE_PATH does not name a file that can be loaded",
    cure: ["correct it, or unset it to load the platform package"],
  };
}

function oldGlibc(here: Surroundings): Cause {
  return {
    likely: `this system's glibc${here.glibc === undefined ? "" : `, ${here.glibc},`} is older than the binary needs`,
    cure: [
      "the published binaries need glibc 2.17: if this is one, report it; if it was built on a newer system, build it here",
    ],
  };
}

function otherLibc(here: Surroundings): Cause {
  return {
    likely: "the binary is for another C library (glibc, musl): node_modules was copied from another image",
    cure: [`install in this image, or for it:  npm install ${flags(here.target)}`],
  };
}

function foreign(here: Surroundings): Cause {
  return {
    likely:
      "the binary is for another system or processor: node_modules was copied from another machine, or the file is damaged",
    cure: ["rm -rf node_modules && npm install, here", `or there, for here:  npm install ${flags(here.target)}`],
  };
}

function forbidden(): Cause {
  return {
    likely:
      "the system does not let this process run code from that folder (mounted noexec, permissions, a security policy)",
    cure: ["install to a folder from which code may run, or set PAWL_NATIVE_PATH to a copy of the .node file in one"],
  };
}

/** This workspace's own build is no place that a user would know. */
function isWorthShowing(attempt: Attempted, all: readonly Attempted[]): boolean {
  return all.length === 1 || !(attempt.from.startsWith("native/") && isAbsent(attempt));
}

function isAbsent({ error }: Attempted): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "MODULE_NOT_FOUND" || code === "ERR_MODULE_NOT_FOUND" || code === "ERR_PACKAGE_IMPORT_NOT_DEFINED";
}

function tried({ from, error }: Attempted): string {
  return `  tried   ${from}: ${text(error).split("\n")[0]}`;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
