/** `pawl/testing` as it is built: beside `pawl`, in both module systems, in a process that ends. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Runs a script inside the package, where `pawl` is the package as built, and gives what it has said. */
function run(name: string, script: string): string[] {
  const folder = mkdtempSync(join(PACKAGE, ".tmp-entry-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, name), script);
  const said = execFileSync(process.execPath, [name], { cwd: folder, encoding: "utf8", timeout: 20_000 });
  return said.trim().split("\n");
}

test("import and require give the same functions, which take the actors of either `pawl`, on one native engine", () => {
  const said = run(
    "both.cjs",
    `const required = { ...require("pawl"), ...require("pawl/testing") };
     void (async () => {
       const imported = { ...(await import("pawl")), ...(await import("pawl/testing")) };
       console.log(["actor", "createTestRuntime", "crashEverywhere"].every((name) => imported[name] === required[name]));
       const napper = imported.actor("napper", { workflow: (ctx) => ctx.sleep("nap", "30d").then(() => "rested") });
       const t = required.createTestRuntime({ actors: [napper] });
       const handle = await t.create(napper, "1");
       await t.skip();
       console.log(await handle.result());
       console.log(process.report.getReport().sharedObjects.filter((file) => /pawl[^/]*\\.node$/.test(file)).length);
     })();`,
  );
  expect(said).toEqual(["true", "rested", "1"]);
});

test("a process ends by itself, whatever sleeps, waits or hangs in its test runtimes", () => {
  const said = run(
    "ends.mjs",
    `import { actor, type } from "pawl";
     import { createTestRuntime } from "pawl/testing";
     const messages = { go: type() };
     const sleeps = actor("sleeps", { workflow: (ctx) => ctx.sleep("nap", "30d") });
     const waits = actor("waits", { messages, workflow: (ctx) => ctx.queue.next("go", { timeout: "1h" }) });
     const fails = actor("fails", { workflow: (ctx) => ctx.step("work", () => { throw new Error("always"); }) });
     const t = createTestRuntime({ actors: [sleeps, waits, fails], patience: 10 });
     for (const one of [sleeps, waits, fails]) await t.create(one, "1");
     await t.crash();
     await t.advance("1m");
     console.log("done");`,
  );
  expect(said).toEqual(["done"]);
});
