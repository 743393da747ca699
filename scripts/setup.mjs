// Makes a fresh clone ready: dependencies, the native addon, the TypeScript. Does nothing where nothing has changed.
//
//   node scripts/setup.mjs [--quick] [--only dependencies|native|typescript]
//
// --quick builds the addon with the profile `quick`: a build of seconds, for work on the engine.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pnpm } from "./pnpm.mjs";
import { ask, ROOT, run, tool } from "./processes.mjs";
import { missing } from "./requirements.mjs";
import { CACHE, digest, isFresh, stamp } from "./stamp.mjs";

const ADDON = "packages/pawl/native";
const DECLARATIONS = "packages/pawl/src/native/binding.d.ts";
const GENERATED = "node_modules/.cache/pawl/binding.d.ts";

const steps = {
  dependencies: {
    title: "npm dependencies",
    inputs: () => ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests()],
    outputs: () => ["node_modules/.pnpm"],
    make: install,
  },
  native: {
    title: "native addon",
    inputs: () => ["Cargo.toml", "Cargo.lock", "crates"],
    outputs: () => [addonFile(), GENERATED],
    make: buildNative,
  },
  typescript: {
    title: "TypeScript",
    inputs: () => [
      "pnpm-lock.yaml",
      "tsconfig.base.json",
      "packages/pawl/src",
      "packages/pawl/package.json",
      "packages/pawl/tsdown.config.ts",
    ],
    outputs: () =>
      ["index", "testing", "engine/index", "engine/testing"].map((entry) => `packages/pawl/dist/${entry}.mjs`),
    make: buildTypeScript,
  },
};

/**
 * Brings everything up to date. Returns an error in words, or null if all is well.
 * `profile` is the cargo profile of the addon; `only` the names of the steps to take; `locked` refuses to change Cargo.lock.
 */
export async function setup({ profile = "release", only = Object.keys(steps), locked = false } = {}) {
  const lacking = missing();
  if (lacking.length > 0) return lacking.join("\n");
  for (const name of only) {
    const problem = await take(name, { profile, locked });
    if (problem !== null) return problem;
  }
  return null;
}

/** The declarations that the last native build generated, if the committed ones differ from them; otherwise null. */
export function staleDeclarations() {
  if (!existsSync(join(ROOT, GENERATED))) return null;
  const generated = readFileSync(join(ROOT, GENERATED), "utf8");
  const committed = existsSync(join(ROOT, DECLARATIONS)) ? readFileSync(join(ROOT, DECLARATIONS), "utf8") : "";
  return generated === committed ? null : generated;
}

/** Writes the generated declarations over the committed ones where they differ. */
export function acceptDeclarations() {
  const generated = staleDeclarations();
  if (generated === null) return;
  writeFileSync(join(ROOT, DECLARATIONS), generated);
  console.log(`setup: ${DECLARATIONS} has changed with crates/node: commit it`);
}

async function take(name, options) {
  const { title, inputs, outputs, make } = steps[name];
  const toolchain = name === "native" ? [options.profile, ask("rustc", ["--version"])] : [process.versions.modules];
  const now = digest([...inputs(), "scripts/setup.mjs", "scripts/fronts.mjs"], toolchain);
  if (isFresh(name, now, outputs())) {
    console.log(`setup: ${title}: up to date`);
    return null;
  }
  const began = Date.now();
  stamp(name, null);
  const { code } = await make(options);
  if (code !== 0) return `setup: ${title}: failed with exit code ${code}; its own message is above`;
  stamp(name, now);
  console.log(`setup: ${title}: ready after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return null;
}

function install() {
  return pnpm(["install", "--frozen-lockfile"]);
}

function buildNative({ profile, locked }) {
  mkdirSync(join(ROOT, ADDON), { recursive: true });
  mkdirSync(CACHE, { recursive: true });
  const place = [
    "--manifest-path",
    "crates/node/Cargo.toml",
    "--package-json-path",
    "packages/pawl/package.json",
    "--output-dir",
    ADDON,
  ];
  const made = ["--platform", "--no-js", "--dts", `../../../${GENERATED}`, "--profile", profile];
  return tool("@napi-rs/cli", "dist/cli.js", ["build", ...place, ...made, ...(locked ? ["--", "--locked"] : [])]);
}

async function buildTypeScript() {
  const built = await tool("tsdown", "dist/run.mjs", ["--logLevel", "warn"], { cwd: join(ROOT, "packages/pawl") });
  return built.code === 0 ? run(process.execPath, ["scripts/fronts.mjs"]) : built;
}

/** The addon's file, whose name the build chooses; a name that cannot exist before the first build. */
function addonFile() {
  const folder = join(ROOT, ADDON);
  const found = existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith(".node")) : undefined;
  return `${ADDON}/${found ?? "none.node"}`;
}

function manifests() {
  const folders = ["packages", "examples"].flatMap((parent) =>
    readdirSync(join(ROOT, parent)).map((name) => `${parent}/${name}`),
  );
  return ["package.json", ...[...folders, "tests", "benches"].map((folder) => `${folder}/package.json`)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { quick: { type: "boolean" }, only: { type: "string", multiple: true } } });
  const problem = await setup({
    profile: values.quick ? "quick" : "release",
    ...(values.only && { only: values.only }),
  });
  // What an older build of the addon generated is no news.
  if (problem === null && (values.only ?? ["native"]).includes("native")) acceptDeclarations();
  if (problem !== null) console.error(`\n${problem}`);
  process.exitCode = problem === null ? 0 : 1;
}
