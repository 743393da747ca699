/**
 * A process whose step computes for ever, as far as others can tell: node stuck.mjs STORE MS.
 *
 * Says { stuck } when the step has begun, { log } of errors and warnings, and { result } or { refused }.
 */
import { setTimeout } from "node:timers/promises";
import { actor, createRuntime } from "pawl";

const MS = Number(process.argv[3]);
const note = (_fields, message) => process.send({ log: message });
const logger = { debug() {}, info() {}, warn: note, error: note };

export const job = actor("job", {
  workflow: (ctx) =>
    ctx.step("compute", async () => {
      process.send({ stuck: true });
      // The message must leave before nothing does any more.
      await setTimeout(50);
      for (const until = Date.now() + MS; Date.now() < until; );
      return "the one that was stuck";
    }),
});

const runtime = createRuntime({ actors: [job], store: process.argv[2], stallLimit: 200, logger });
const handle = await runtime.create(job, "j");
handle.result().then(
  (result) => process.send({ result }),
  (error) => process.send({ refused: String(error) }),
);
process.on("disconnect", () => process.exit(0));
