import { defects, gate, until } from "../harness.ts";

defects("eviction (7.1.11)", (free) => {
  free("fires the signal of race branches", async (the) => {
    const inside = gate();
    let fired = false;
    const handle = the.start(async (ctx) =>
      ctx.race("r", [
        {
          name: "a",
          run: (b) => {
            inside.open();
            return new Promise<void>((_, reject) => {
              b.abortSignal.addEventListener("abort", () => {
                fired = true;
                reject(new the.engine.EvictedError());
              });
            });
          },
        },
      ]),
    );
    await inside.opened;
    handle.evict();
    handle.result.catch(() => {});
    await until(() => fired, 300);
  });
});
