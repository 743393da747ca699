// A process with innocent actors and one that takes it down. Writes what begins and ends, one line each, to a file of its own.
//
//   node process.mjs STORE LOG MODE      MODE: poison (the step "deadly" aborts), handler, schedule, action, harmless, slow
import { appendFileSync } from "node:fs";
import { actor, createRuntime, type } from "pawl";

const [store, log, mode] = process.argv.slice(2);
const note = (line) => appendFileSync(log, `${line}\n`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const dies = (how) => {
  note(`dies ${how}`);
  if (how === "kill") process.kill(process.pid, "SIGKILL");
  process.abort();
};

const innocent = actor("innocent", {
  state: () => ({ steps: 0 }),
  workflow: async (ctx) => {
    for (let n = 0; n < 5; n++) {
      await ctx.step(`step ${n}`, async (c) => {
        note(`begins ${ctx.key} ${n}`);
        await pause(mode === "slow" ? 150 : 20);
        c.state.steps += 1;
      });
    }
    note(`ends ${ctx.key}`);
  },
});

const deadly = actor("deadly", {
  messages: { go: type(), harmless: type() },
  state: () => ({ ran: 0, handled: 0 }),
  receive: {
    go: (c) => {
      note("begins go");
      if (mode === "handler") dies("kill");
      c.state.handled += 1;
    },
    harmless: (c) => void (c.state.handled += 1),
  },
  actions: {
    strike: () => {
      note("begins strike");
      if (mode === "action") dies("kill");
      return "struck";
    },
    state: (c) => c.state.handled,
  },
  schedules: mode === "schedule" ? { tick: { every: "200ms", run: () => dies("abort") } } : {},
  workflow: async (ctx) => {
    await ctx.step("before", (c) => void (c.state.ran += 1));
    if (["handler", "schedule", "action"].includes(mode)) return;
    const attempt = await ctx.step({
      name: "deadly",
      maxRetries: 0,
      run: async (c) => {
        note("begins deadly");
        await pause(5);
        if (mode === "poison") dies("abort");
        c.state.ran += 1;
        return c.attempt;
      },
    });
    note(`ends deadly ${attempt}`);
  },
});

const silent = {
  debug() {},
  info() {},
  warn() {},
  error: (fields, message) => note(`error ${fields.code ?? ""} ${message.split("\n")[0]}`),
};
const runtime = createRuntime({ actors: [innocent, deadly], store, logger: silent });
await runtime.start();
note("started");
await runtime.create(deadly, "d");
for (let n = 0; n < 6; n++) await runtime.create(innocent, `i${n}`);
if (mode === "handler") {
  await runtime.get(deadly, "d").with({ idempotencyKey: "once" }).send("go", undefined);
  await runtime.get(deadly, "d").with({ idempotencyKey: "also" }).send("harmless", undefined);
}
if (mode === "action") {
  // A client that does not give up.
  const strike = () => runtime.get(deadly, "d").actions.strike();
  note(`strike ${await strike().catch((error) => error.code)}`);
  note(`another action ${await runtime.get(deadly, "d").actions.state()}`);
}
const all = [runtime.get(deadly, "d"), ...Array.from({ length: 6 }, (_, n) => runtime.get(innocent, `i${n}`))];
const results = await Promise.all(
  all.map((handle) =>
    handle.result().then(
      () => "ok",
      (error) => error.code,
    ),
  ),
);
note(`results ${results.join(" ")}`);
if (mode === "handler" || mode === "schedule") await pause(1_500);
const [own, first] = [await runtime.admin.show("deadly", "d"), await runtime.admin.show("innocent", "i0")];
note(
  `state ${own.state} ${JSON.stringify(own.suspects)} ${own.inbox.map((m) => `${m.name} ${m.undeliverable?.code}`).join()} ${first.state}`,
);
process.stdout.write("done");
await runtime.close();
