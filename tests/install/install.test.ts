/** What is published, installed as users install it: in an empty folder outside of this checkout, with no Rust on the PATH. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CJS, ENTRIES, ESM, THREADED, TYPESCRIPT } from "./program.ts";
import { type Registry, serve } from "./registry.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HERE = mkdtempSync(join(tmpdir(), "pawl-install-"));
/** Node and what a shell has; no cargo. */
const PATH = [dirname(process.execPath), "/usr/bin", "/bin"].join(":");
const require = createRequire(import.meta.url);
/** What a bundle in ESM needs to load an addon. */
const REQUIRE = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;
const PLATFORMS = ["linux-x64-gnu", "linux-x64-musl", "linux-arm64-gnu", "linux-arm64-musl", "darwin-arm64"].concat([
  "darwin-x64",
  "win32-x64-msvc",
  "win32-arm64-msvc",
]);
let registry: Registry;

beforeAll(async () => {
  const packages = join(HERE, "packages");
  expect(await run("node", [join(ROOT, "scripts/pack.mjs"), "--out", packages], ROOT)).toMatchObject({ code: 0 });
  registry = await serve(packages);
}, 120_000);

afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(HERE, { recursive: true, force: true });
});

test("there is no Rust on the path of these tests", async () => {
  expect((await run("sh", ["-c", "command -v cargo rustc"], HERE)).output).toBe("");
});

test("what is published runs nothing when it is installed, and names the binaries of its own version", () => {
  const packages = join(HERE, "packages");
  const manifests = readdirSync(packages, { recursive: true, encoding: "utf8" })
    .filter((file) => /^[^/]+\/package\.json$/.test(file))
    .map((file) => JSON.parse(readFileSync(join(packages, file), "utf8")) as Readonly<Record<string, unknown>>);
  expect(manifests.map(({ scripts }) => scripts)).toEqual(Array(PLATFORMS.length + 1).fill(undefined));
  const [main] = manifests.filter(({ name }) => name === "pawl");
  const binaries = PLATFORMS.map((platform) => [`@pawl/native-${platform}`, main?.["version"]]);
  expect(main?.["optionalDependencies"]).toEqual(Object.fromEntries(binaries));
  for (const { name, os, cpu } of manifests)
    if (name !== "pawl") expect([os, cpu]).toEqual([[expect.any(String)], [expect.any(String)]]);
});

describe("a workflow is killed between two steps and goes on, installed", () => {
  test("with npm, as an ES module", async () => {
    const folder = await installed("npm");
    await killedAndResumed(folder, "main.mjs", ESM);
    expect((await run("npx", ["--no-install", "pawl", "doctor"], folder)).output).toContain("Pawl works here.");
  }, 120_000);

  test("with npm, as CommonJS", async () => {
    await killedAndResumed(await installed("npm"), "main.cjs", CJS);
  }, 120_000);

  test.each([
    ["an ES module", "main.mjs", ESM],
    ["CommonJS", "main.cjs", CJS],
  ])(
    "with pnpm, as %s",
    async (_, name, program) => {
      await killedAndResumed(await installed("pnpm"), name, program);
    },
    120_000,
  );

  test("in a worker thread", async () => {
    await killedAndResumed(await installed("npm"), "main.mjs", THREADED);
  }, 120_000);

  test.each(["esm", "cjs"])(
    "bundled by esbuild as %s, with pawl external",
    async (format) => {
      const folder = await installed("npm");
      writeFileSync(join(folder, "source.mjs"), ESM);
      const name = format === "esm" ? "bundle.mjs" : "bundle.cjs";
      await build({
        absWorkingDir: folder,
        entryPoints: ["source.mjs"],
        outfile: name,
        bundle: true,
        platform: "node",
        format: format === "esm" ? "esm" : "cjs",
        external: ["pawl"],
      });
      await killedAndResumed(folder, name);
    },
    120_000,
  );

  test.each(["esm", "cjs"] as const)(
    "bundled whole by esbuild as %s, with the addon of this platform beside it",
    async (format) => {
      const folder = await installed("npm");
      const target = readdirSync(join(folder, "node_modules/@pawl"))[0]?.replace("native-", "") ?? "";
      // CommonJS has no await at the top.
      const source = format === "esm" ? ESM : CJS;
      const entry = format === "esm" ? "source.mjs" : "source.cjs";
      const load = format === "esm" ? `import "pawl/native/${target}";` : `require("pawl/native/${target}");`;
      writeFileSync(join(folder, entry), `${load}\n${source}`);
      const name = `out/bundle.${format === "esm" ? "mjs" : "cjs"}`;
      const others = PLATFORMS.filter((platform) => platform !== target).map((platform) => `@pawl/native-${platform}`);
      const { warnings } = await build({
        absWorkingDir: folder,
        entryPoints: [entry],
        outfile: name,
        bundle: true,
        platform: "node",
        format,
        loader: { ".node": "copy" },
        external: ["#native/*", ...others],
        ...(format === "esm" ? { banner: { js: REQUIRE } } : {}),
      });
      expect(warnings).toEqual([]);
      // Nothing of the packages is left to fall back on.
      rmSync(join(folder, "node_modules"), { recursive: true });
      await killedAndResumed(folder, name);
    },
    120_000,
  );

  test.each([
    ["typescript", "node16"],
    ["typescript", "bundler"],
    ["typescript-5.4", "node16"],
    ["typescript-5.4", "bundler"],
  ])(
    "from %s, resolved as %s, every declaration checked",
    async (compiler, resolution) => {
      const folder = await installed("npm");
      writeFileSync(join(folder, "main.mts"), TYPESCRIPT);
      writeFileSync(join(folder, "entries.mts"), ENTRIES);
      const tsc = require.resolve(`${compiler}/lib/tsc.js`);
      const module = resolution === "node16" ? "node16" : "esnext";
      const types = [
        "--types",
        "node",
        "--typeRoots",
        join(dirname(require.resolve("@types/node/package.json")), ".."),
      ];
      const options = [
        "--strict",
        "--skipLibCheck",
        "false",
        "--target",
        "es2022",
        "--lib",
        "es2022,esnext.disposable",
      ];
      const built = await run(
        "node",
        [tsc, ...options, ...types, "--module", module, "--moduleResolution", resolution, "main.mts", "entries.mts"],
        folder,
      );
      expect(built).toEqual({ code: 0, output: "" });
      await killedAndResumed(folder, "main.mjs");
    },
    120_000,
  );
});

describe("the quick start, typed in from its page", () => {
  const [program = "", spec = ""] = blocks(readFileSync(join(ROOT, "docs/quick-start.md"), "utf8"));

  test("its program is killed while it sleeps, and goes on", async () => {
    const folder = await installed("npm");
    writeFileSync(join(folder, "hello.mjs"), program);
    const killed = run("node", ["hello.mjs"], folder, () => false, existing(join(folder, "hello.db-wal")));
    expect(await killed).toEqual({ code: "SIGKILL", output: "" });
    expect(await run("node", ["hello.mjs"], folder)).toEqual({ code: 0, output: "done\nann bob\n" });
    expect(await run("node", ["hello.mjs"], folder)).toEqual({ code: 0, output: "done\nann bob\n" });
  }, 120_000);

  test("its test passes under vitest, without a plugin", async () => {
    const folder = await installed("npm");
    symlinkSync(dirname(require.resolve("vitest/package.json")), join(folder, "node_modules/vitest"));
    writeFileSync(join(folder, "hello.test.mjs"), spec);
    const { code, output } = await run("node", ["node_modules/vitest/vitest.mjs", "run"], folder);
    expect([code, output]).toEqual([0, expect.stringContaining("1 passed")]);
  }, 120_000);
});

test("the README's example, typed in, prints what it says, however often it is run", async () => {
  const [program = ""] = blocks(readFileSync(join(ROOT, "README.md"), "utf8"));
  const folder = await installed("npm");
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  writeFileSync(join(folder, "order.mjs"), ts.transpileModule(program, { compilerOptions: options }).outputText);
  for (let time = 0; time < 2; time++)
    expect(await run("node", ["order.mjs"], folder)).toEqual({ code: 0, output: "charged 4, approved by ann\n" });
}, 120_000);

test("without optional dependencies, the error says what is missing and what to do", async () => {
  const folder = await installed("npm", ["--omit=optional"]);
  writeFileSync(join(folder, "main.mjs"), ESM);
  const { code, output } = await run("node", ["main.mjs"], folder);
  expect(code).toBe(1);
  expect(output).toMatch(/tried {3}@pawl\/native-[a-z0-9-]+: Cannot find module/);
  expect(output).toMatch(/likely {2}optional dependencies were left out.*\n {2}do {6}npm install --include=optional/);
}, 120_000);

/** An empty folder with Pawl installed in it. */
async function installed(manager: "npm" | "pnpm", flags: readonly string[] = []): Promise<string> {
  const folder = mkdtempSync(join(HERE, `${manager}-`));
  writeFileSync(join(folder, "package.json"), `{ "name": "consumer", "private": true, "version": "1.0.0" }`);
  const from = ["--registry", registry.url];
  const { code, output } =
    manager === "npm"
      ? await run(
          "npm",
          ["install", "pawl", "--no-audit", "--no-fund", "--cache", join(HERE, "cache"), ...from, ...flags],
          folder,
        )
      : await run(
          "node",
          [join(ROOT, "scripts/pnpm.mjs"), "add", "pawl", "--dir", folder, "--store-dir", join(HERE, "store"), ...from],
          folder,
        );
  expect([code, output]).toEqual([0, expect.anything()]);
  return folder;
}

/** Writes the program, kills it when its first step is durable, and starts it again. */
async function killedAndResumed(folder: string, name: string, program?: string): Promise<void> {
  if (program !== undefined) writeFileSync(join(folder, name), program);
  const killed = await run("node", [name], folder, (output) => output.includes("committed"));
  expect(killed).toEqual({ code: "SIGKILL", output: "committed\n" });
  expect(await run("node", [name, "resume"], folder)).toEqual({ code: 0, output: "finished first second\n" });
}

/** The TypeScript of a page, block by block. */
function blocks(markdown: string): string[] {
  return [...markdown.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block ?? "");
}

/** Resolves when there is a file of that name. */
async function existing(file: string): Promise<void> {
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Runs a program to its end, or until its output is `enough`, or `due` resolves: then it is killed. */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
  enough: (output: string) => boolean = () => false,
  due: Promise<void> | undefined = undefined,
): Promise<{ code: number | string | null; output: string }> {
  const child = spawn(command === "node" ? process.execPath : command, args, {
    cwd,
    env: { PATH, HOME: process.env["HOME"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  void due?.then(() => child.kill("SIGKILL"));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (enough(output)) child.kill("SIGKILL");
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code: signal ?? code, output }));
  });
}
