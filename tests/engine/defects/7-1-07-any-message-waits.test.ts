import { expect, vi } from "vitest";
import { defects, until } from "../harness.ts";

defects("a wait for any message beside a sleep (7.1.7)", (free) => {
  free("wakes for a message", async (the) => {
    vi.useRealTimers();
    let output: unknown;
    const handle = the.start(
      async (ctx) =>
        ctx.race<unknown>("r", [
          { name: "message", run: async (b) => (await b.queue.next("any")).body },
          { name: "timer", run: async (b) => b.sleep("nap", 60_000) },
        ]),
      { mode: "live" },
    );
    handle.result.then((result) => (output = result.output)).catch(() => {});
    await until(() => the.host.alarm !== null);
    await handle.message("whatever", "hello");
    await until(() => output !== undefined, 300).finally(() => handle.evict());
    expect(output).toEqual({ winner: "message", value: "hello" });
  });
});
