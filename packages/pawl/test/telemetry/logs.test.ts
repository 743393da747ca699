/** What user code logs, through the loggers that people have: pino, the console. */
import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Actor, actor, createRuntime, type } from "./pawl.ts";

let stores = 0;

/** Lines of JSON, as pino writes them. */
class Lines extends Writable {
  readonly lines: Record<string, unknown>[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const line of chunk.toString().split("\n").filter(Boolean)) this.lines.push(JSON.parse(line));
    done();
  }

  of(...messages: string[]): Record<string, unknown>[] {
    const found = this.lines.filter(({ msg }) => messages.includes(String(msg)));
    return found.map(({ time: _, pid: __, hostname: ___, ...line }) => line);
  }
}

function start<const A extends readonly Actor[]>(actors: A, store: string, out: Lines) {
  const runtime = createRuntime({ actors, store, logger: pino({ level: "debug" }, out) });
  onTestFinished(() => runtime.close({ grace: 0 }));
  return runtime;
}

const talks = actor("talks", {
  messages: { go: type<void>(), note: type<string>() },
  actions: { ask: (c) => c.log.info({ by: "ann" }, "asked") },
  receive: { note: (c, body) => c.log.debug({ body }, "noted") },
  workflow: async (ctx) => {
    ctx.log.info({}, "begins");
    await ctx.step({
      name: "try",
      retryBackoffBase: 1,
      run: (c) => {
        c.log.warn({ of: 2 }, "tries");
        if (c.attempt === 1) throw new Error("not yet");
      },
    });
    ctx.log.info({}, "waits");
    await ctx.queue.next("go");
    ctx.log.info({}, "goes on");
    await ctx.step("end", (c) => c.log.error({}, "ends"));
  },
});

test("pino has type, key, entry and attempt of everything, and a replay logs nothing twice", async () => {
  const [store, out] = [`memory:logs-${stores++}`, new Lines()];
  const first = start([talks], store, out);
  const handle = await first.create(talks, "t");
  await handle.actions.ask();
  await handle.send("note", "hello");
  while (out.of("waits", "noted").length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
  await first.close();
  const second = start([talks], store, out);
  await second.get(talks, "t").send("go", undefined);
  await second.get(talks, "t").result();
  const who = { actor: "talks/t", type: "talks", key: "t" };
  expect(out.of("begins", "waits", "goes on")).toEqual([
    { level: 30, ...who, msg: "begins" },
    { level: 30, ...who, msg: "waits" },
    { level: 30, ...who, msg: "goes on" },
  ]);
  expect(out.of("tries", "ends")).toEqual([
    { level: 40, ...who, entry: "try", attempt: 1, of: 2, msg: "tries" },
    { level: 40, ...who, entry: "try", attempt: 2, of: 2, msg: "tries" },
    { level: 50, ...who, entry: "end", attempt: 1, msg: "ends" },
  ]);
  expect(out.of("asked", "noted")).toEqual([
    { level: 30, ...who, entry: "ask", attempt: 1, by: "ann", msg: "asked" },
    { level: 20, ...who, entry: "note", attempt: 1, body: "hello", msg: "noted" },
  ]);
  expect(out.of("an attempt of a step failed")).toMatchObject([
    { level: 40, actor: "talks/t", step: "try", attempt: 1 },
  ]);
});

test("without a logger it is the console, the words first, and nothing that is only for debugging", async () => {
  const [info, debug] = [vi.spyOn(console, "info").mockReturnValue(), vi.spyOn(console, "debug").mockReturnValue()];
  const runtime = createRuntime({ actors: [talks], store: `memory:logs-${stores++}` });
  onTestFinished(() => {
    vi.restoreAllMocks();
    return runtime.close({ grace: 0 });
  });
  await runtime.get(talks, "t").actions.ask();
  expect(info).toHaveBeenCalledWith(
    "asked",
    expect.objectContaining({ type: "talks", key: "t", entry: "ask", by: "ann" }),
  );
  expect(debug).not.toHaveBeenCalled();
});
