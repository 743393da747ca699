// A process with one run of an embedding host whose driver keeps its rows in a file, and a step that takes the process down.
//
//   node engine-process.mjs FILE LOG MODE      MODE: poison, harmless, release
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { runWorkflow } from "pawl/engine";
import { InMemoryDriver } from "pawl/engine/testing";

const [file, log, mode] = process.argv.slice(2);
const note = (line) => appendFileSync(log, `${line}\n`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Rows are in the file before a write is answered. */
class FileDriver extends InMemoryDriver {
  latency = 0;

  async open() {
    if (existsSync(file))
      for (const [key, value] of JSON.parse(readFileSync(file, "utf8")))
        await super.set(Buffer.from(key, "hex"), Buffer.from(value, "hex"));
    for (const name of ["set", "delete", "batch", "batchDelete", "deletePrefix", "deleteRange"]) {
      const write = this[name].bind(this);
      this[name] = async (...args) => {
        await write(...args);
        this.save();
      };
    }
    return this;
  }

  save() {
    const rows = Object.entries(this.snapshot().kv).map(([key, value]) => [key, Buffer.from(value).toString("hex")]);
    writeFileSync(`${file}.new`, JSON.stringify(rows));
    renameSync(`${file}.new`, file);
  }
}

const driver = await new FileDriver().open();
const workflow = (ctx) =>
  ctx.join("both", {
    bad: {
      run: (bad) =>
        bad.step({
          name: "deadly",
          maxRetries: 0,
          run: async () => {
            note("begins deadly");
            await pause(2);
            if (mode === "poison") process.abort();
            return "harmless";
          },
        }),
    },
    good: {
      run: async (good) => {
        for (let n = 0; n < 3; n++) await good.step(`good ${n}`, () => pause(10));
        note("ends good");
      },
    },
  });
const handle = runWorkflow("w", workflow, undefined, driver, { poisonGuard: true });
const ended = await handle.result.then(
  ({ state }) => state,
  (error) => `${error.code} ${error.data?.entry}`,
);
note(ended);
if (mode === "release") await handle.recover();
