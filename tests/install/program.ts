/** The program that every consumer runs: a workflow that is killed between two steps, and goes on in the next process. */

const BODY = `
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

async function main() {
  const runtime = createRuntime({ actors: [order], store: "sqlite:./orders.db" });
  const handle = await runtime.create(order, "o-1");
  if (process.argv[2] === "resume") await handle.send("go", undefined);
  console.log(await handle.result(), (await handle.actions.done()).join(" "));
  await runtime.close();
}
main().catch((error) => { console.error(error.message); process.exitCode = 1; });
`;

/** As an ES module. */
export const ESM: string = `import { actor, createRuntime, type } from "pawl";\n${BODY}`;

/** As a CommonJS module. */
export const CJS: string = `const { actor, createRuntime, type } = require("pawl");\n${BODY}`;

/** In strict TypeScript: what the program says of types is inferred. */
export const TYPESCRIPT: string = ESM.replace("type()", "type<undefined>()")
  .replace("done: []", "done: [] as string[]")
  .replace("(error) =>", "(error: Error) =>");

/** Every entry of the package, for a compiler that checks their declarations. */
export const ENTRIES: string = `import "pawl";
import "pawl/testing";
import "pawl/engine";
import "pawl/engine/testing";
`;

/** On a thread of its own; the main thread only waits. */
export const THREADED: string = `import { Worker, isMainThread } from "node:worker_threads";
import { actor, createRuntime, type } from "pawl";
${BODY.replace("main().catch", "if (isMainThread) new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });\nelse main().catch")}`;
