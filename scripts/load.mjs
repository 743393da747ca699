// Installs what was packed into an empty folder, and has it run a durable workflow that is killed between two steps and goes on in
// the next process. It needs nothing but Node and npm, so that it runs on any machine; what the packages are is read from FOLDER.
//
//   node scripts/load.mjs FOLDER [--with PROGRAM]     PROGRAM (this Node) runs the workflow; it may be made for another processor
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const PROGRAM = `
const { actor, createRuntime, type } = require("pawl");
const order = actor("order", {
  messages: { go: type() },
  state: () => ({ done: [] }),
  actions: { done: (c) => [...c.state.done] },
  workflow: async (ctx) => {
    await ctx.step("first", (c) => { c.state.done.push("first"); c.afterCommit(() => console.log("committed")); });
    await ctx.queue.next("go");
    await ctx.step("second", (c) => { c.state.done.push("second"); });
    return "finished";
  },
});
(async () => {
  const runtime = createRuntime({ actors: [order], store: "sqlite:./orders.db" });
  const handle = await runtime.create(order, "o-1");
  if (process.argv[2] === "resume") await handle.send("go", undefined);
  console.log(await handle.result(), (await handle.actions.done()).join(" "));
  await runtime.close();
})().catch((error) => { console.error(error); process.exitCode = 1; });
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { with: { type: "string", default: process.execPath } },
});
const packed = resolve(positionals[0] ?? "target/npm");
const target = spawnSync(values.with, ["-p", 'process.platform + "-" + process.arch'], {
  encoding: "utf8",
}).stdout.trim();
const folder = mkdtempSync(join(tmpdir(), "pawl-load-"));
try {
  install();
  expect("killed", await run([], (output) => output.includes("committed")), "committed\n");
  expect("resumed", await run(["resume"], () => false), "finished first second\n");
  console.log(`load: ${target}, with ${values.with}: killed and resumed`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The package and the platform's own, from their tarballs; the others are optional, and are not there. */
function install() {
  const { tarballs } = JSON.parse(readFileSync(join(packed, "manifest.json"), "utf8"));
  const own = Object.entries(tarballs).filter(([name]) => name === "pawl" || name.includes(target));
  writeFileSync(join(folder, "package.json"), `{ "name": "consumer", "private": true }`);
  const files = own.map(([, file]) => join(packed, file));
  const npm = spawnSync(
    "npm",
    ["install", "--no-audit", "--no-fund", "--offline", "--omit=optional", "--force", ...files],
    { cwd: folder, encoding: "utf8", shell: process.platform === "win32" },
  );
  if (npm.status !== 0) throw new Error(`npm install failed:\n${npm.stdout}${npm.stderr}`);
  writeFileSync(join(folder, "main.cjs"), PROGRAM);
}

/** Runs the program to its end, or until its output is `enough`: then it is killed. */
function run(args, enough) {
  const child = spawn(values.with, ["main.cjs", ...args], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
    if (enough(output)) child.kill("SIGKILL");
  });
  return new Promise((done, fail) => child.on("error", fail).on("close", () => done(output)));
}

function expect(when, found, expected) {
  if (found !== expected)
    throw new Error(`${when}: the program printed ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}
