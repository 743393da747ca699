import { expect } from "vitest";
import { Case, type Ctx, defects, dieAtEveryCall, entriesUnder } from "../harness.ts";

defects("pruning (W10)", (free) => {
  free("leaves no metadata without an entry, wherever the process dies", async ({ engine }) => {
    const workflow = async (ctx: Ctx) =>
      ctx.loop<number, string>({
        name: "l",
        state: 0,
        historyPruneInterval: 2,
        historySize: 1,
        run: async (i, n) => {
          await i.step("s", async () => n);
          return n === 5 ? engine.Loop.break("done") : engine.Loop.continue(n + 1);
        },
      });
    await dieAtEveryCall(
      async () => new Case(engine),
      (the) => the.finish(workflow),
      async (the) => {
        expect(await the.finish(workflow)).toBe("done");
        const { history, entryMetadata } = await engine.loadStorage(the.driver);
        const ids = new Set([...history.entries.values()].map(({ id }) => id));
        for (const { key } of entriesUnder(the.host.rows, "1504")) {
          expect(ids).toContain(Buffer.from(key.slice(3, -1)).toString());
        }
        expect(entryMetadata.size).toBeLessThanOrEqual(ids.size);
      },
    );
  });
});
