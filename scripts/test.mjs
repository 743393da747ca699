// Sets everything up and runs every check and every test of both languages. The last line says how many tests passed and failed.
//
//   node scripts/test.mjs [checks] [rust] [ts]
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ask, run, tool } from "./processes.mjs";
import { add, cargoTest, judge, nextest, vitest } from "./results.mjs";
import { setup, staleDeclarations } from "./setup.mjs";
import { CACHE } from "./stamp.mjs";

const groups = {
  checks: {
    "cargo fmt": rustFormat,
    "cargo clippy": clippy,
    "cargo deny": deny,
    biome,
    tsc,
    "binding.d.ts": declarations,
    package: packaged,
    "API report": surface,
  },
  rust: { "cargo tests": rustTests, "cargo doctests": rustDoctests },
  ts: { vitest: vitestTests },
};

async function rustFormat() {
  return judge((await run("cargo", ["fmt", "--all", "--check"])).code, null);
}

async function clippy() {
  return judge(
    (await run("cargo", ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])).code,
    null,
  );
}

/** Licences, sources and versions. Advisories need a database from elsewhere: `npm run audit:rust`. */
async function deny() {
  if (ask("cargo", ["deny", "--version"]) === null) {
    console.log(
      "\n!! cargo-deny is not installed: deny.toml was NOT checked. To check it: cargo install cargo-deny --locked",
    );
    return null;
  }
  return judge((await run("cargo", ["deny", "--locked", "check", "bans", "licenses", "sources"])).code, null);
}

async function biome() {
  return judge((await tool("@biomejs/biome", "bin/biome", ["check", "--error-on-warnings"])).code, null);
}

async function tsc() {
  return judge((await tool("typescript", "bin/tsc", ["-p", "."])).code, null);
}

function declarations() {
  const generated = staleDeclarations();
  if (generated === null) return judge(0, null);
  console.log(
    `\npackages/pawl/src/native/binding.d.ts is not what crates/node declares. Run \`npm run build\` and commit it. Expected:\n${generated}`,
  );
  return judge(1, null);
}

/** The exports map and the types of what is published, as bundlers and TypeScript see them. node10 knows no exports maps. */
async function packaged() {
  const packed = await run(process.execPath, ["scripts/pack.mjs"]);
  if (packed.code !== 0) return judge(packed.code, null);
  const tarball = "target/npm/pawl.tgz";
  const lint = await tool("publint", "src/cli.js", ["--strict", tarball]);
  const types = await tool("@arethetypeswrong/cli", "dist/index.js", [tarball, "--profile", "node16"]);
  return judge(lint.code || types.code, null);
}

/** The public surface is the one that docs/api shows: a change of it is seen in review. */
async function surface() {
  return judge((await run(process.execPath, ["scripts/api.mjs"])).code, null);
}

async function rustTests() {
  if (ask("cargo", ["nextest", "--version"]) === null) {
    const { code, output } = await run("cargo", [
      "test",
      "--workspace",
      "--locked",
      "--lib",
      "--bins",
      "--tests",
      "--no-fail-fast",
    ]);
    return judge(code, cargoTest(output));
  }
  const { code, output } = await run("cargo", [
    "nextest",
    "run",
    "--workspace",
    "--locked",
    "--no-fail-fast",
    "--no-tests=pass",
  ]);
  return judge(code, nextest(output));
}

async function rustDoctests() {
  const { code, output } = await run("cargo", [
    "test",
    "--workspace",
    "--exclude",
    "pawl-node",
    "--locked",
    "--doc",
    "--no-fail-fast",
  ]);
  return judge(code, cargoTest(output));
}

async function vitestTests() {
  const report = join(CACHE, "vitest.json");
  rmSync(report, { force: true });
  const { code } = await tool("vitest", "vitest.mjs", [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  return judge(code, existsSync(report) ? vitest(readFileSync(report, "utf8")) : null);
}

async function runAll(names) {
  const lines = [];
  let total = { passed: 0, failed: 0 };
  for (const [name, runner] of names.flatMap((group) => Object.entries(groups[group]))) {
    const began = Date.now();
    const result = await runner();
    const seconds = `${((Date.now() - began) / 1000).toFixed(1)} s`.padStart(8);
    const verdict = result === null ? "NOT RUN" : result.failed > 0 ? `FAILED (${result.failed})` : "ok";
    lines.push(`${seconds}  ${name.padEnd(16)} ${verdict}${result?.passed ? `, ${result.passed} passed` : ""}`);
    if (result !== null) total = add(total, result);
  }
  console.log(`\n${lines.join("\n")}\n`);
  return total;
}

async function main(chosen) {
  const unknown = chosen.find((name) => !(name in groups));
  if (unknown !== undefined) {
    console.error(
      `There is no group "${unknown}": expected ${Object.keys(groups).join(", ")}, or nothing for all of them.`,
    );
    return { passed: 0, failed: 1 };
  }
  const problem = await setup({ locked: true });
  if (problem === null) return runAll(chosen.length > 0 ? chosen : Object.keys(groups));
  console.error(`\n${problem}\n`);
  return { passed: 0, failed: 1 };
}

const { passed, failed } = await main(process.argv.slice(2));
process.exitCode = failed > 0 ? 1 : 0;
console.log(`${passed} passed, ${failed} failed`);
