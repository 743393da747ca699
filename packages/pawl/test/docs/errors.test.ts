/** docs/errors.md and `npx pawl explain` say the same of every code that the sources have. */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CODES, type Explanation } from "../../src/cli/codes.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../../..");
const CLI = join(ROOT, "packages/pawl/dist/cli.cjs");

const KINDS: Readonly<Record<keyof typeof CODES, string>> = {
  misuse: "Calls that are wrong",
  failure: "Work that has failed",
  divergence: "Code that does not fit what is recorded",
  fault: "Stores and machines",
};

test("docs/errors.md lists every code, as `npx pawl explain` does", async () => {
  await expect(page()).toMatchFileSnapshot(join(ROOT, "docs/errors.md"));
});

test("every code that the sources make has an explanation", () => {
  const known = Object.values(CODES).flatMap((codes) => Object.keys(codes));
  const made = [
    ...codesOf(
      "packages/pawl/src",
      "ts",
      /(?:new PawlError|recordError|\bcode:|readonly code\b.*?=)\(?\s*"([a-z_]+)"/g,
    ),
    ...codesOf("crates", "rs", /of_pawl\(\s*"([a-z_]+)"/g),
    ...rustCodes(),
  ];
  expect(made.length).toBeGreaterThan(40);
  // `npx pawl` says "defect" of what is no error of Pawl.
  expect([...new Set(made)].filter((code) => !known.includes(code) && code !== "defect")).toEqual([]);
});

test("every code that is explained is made somewhere", () => {
  const known = Object.values(CODES).flatMap((codes) => Object.keys(codes));
  const written = [
    ...codesOf("packages/pawl/src", "ts", /["`]((?:[a-z]+_)*[a-z]+)["`]/g),
    ...codesOf("crates", "rs", /"((?:[a-z]+_)*[a-z]+)"/g),
  ];
  // These three are put together: `unknown_${kind}`.
  const made = new Set([...written, "unknown_action", "unknown_message", "unknown_event"]);
  expect(known.filter((code) => !made.has(code))).toEqual([]);
});

describe("npx pawl explain", () => {
  test("CODE says what it means, what has happened, and what to do", () => {
    const { misuse } = CODES;
    expect(run("explain", "stale_value")).toBe(
      `stale_value\n  meaning   ${misuse["stale_value"]?.meaning}\n  effect    ${misuse["stale_value"]?.effect}\n  do        ${misuse["stale_value"]?.todo}\n`,
    );
    expect(JSON.parse(run("explain", "fenced", "--json"))).toMatchObject({ code: "fenced" });
  });

  test("without a code lists them all", () => {
    expect(run("explain")).toContain("duplicate_name");
  });

  test("an unknown code is refused, with those that there are", () => {
    const { status, stderr } = spawnSync(process.execPath, [CLI, "explain", "nonsense"], { encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toContain('there is no code "nonsense"');
    expect(stderr).toContain("store_in_use");
  });
});

function run(...args: string[]): string {
  return execFileSync(process.execPath, [CLI, ...args], { encoding: "utf8" });
}

function codesOf(folder: string, extension: string, pattern: RegExp): string[] {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
  return (
    files
      // Codes are explained there, not made.
      .filter((file) => file.endsWith(`.${extension}`) && !file.endsWith("codes.ts"))
      .flatMap((file) => [...readFileSync(join(ROOT, folder, file), "utf8").matchAll(pattern)])
      .map(([, code]) => code ?? "")
  );
}

/** The words of the store's errors. */
function rustCodes(): string[] {
  const errors = readFileSync(join(ROOT, "crates/store/src/error.rs"), "utf8");
  return [...errors.matchAll(/Self::[A-Za-z]+ => "([a-z_]+)"/g)].map(([, word]) => word ?? "");
}

function page(): string {
  const parts = Object.entries(CODES).map(([kind, codes]) => section(KINDS[kind as keyof typeof CODES], codes));
  return `# Errors

Every error of Pawl is a \`PawlError\`. \`code\` is stable and made for programs; \`message\` is for people: what was found, what was expected, where, and what to do.
\`retryable\` says whether the same call may succeed later, \`outcome\` whether nothing has happened (\`"no"\`) or nobody knows (\`"unknown"\`), \`data\` has the parts of the message.
An error that reaches you through a handle was rebuilt from its record: compare codes, not identities. Throw \`AppError(code, message, data)\` for your own.

\`npx pawl explain CODE\` prints what is on this page. \`pawl/engine\` throws the classes of the engine that it stands in for: [embedding](embedding.md).

${parts.join("\n")}`;
}

function section(title: string, codes: Readonly<Record<string, Explanation>>): string {
  const rows = Object.entries(codes).map(
    ([code, { meaning, effect, todo }]) => `### \`${code}\`\n\n${meaning}\n\n- *Then:* ${effect}\n- *Do:* ${todo}\n`,
  );
  return `## ${title}\n\n${rows.join("\n")}`;
}
