import { expect } from "vitest";
import { defects } from "../harness.ts";

defects("a watcher of history that throws (7.1.16)", (free) => {
  free("fails no step whose result is stored", async (the) => {
    let ran = 0;
    const onHistoryUpdated = (snapshot: { entries: readonly unknown[] }) => {
      if (snapshot.entries.length > 0) throw new Error("cannot show this");
    };
    const result = await the.run(async (ctx) => ctx.step("s", async () => (ran += 1)), { onHistoryUpdated });
    expect(result).toEqual({ state: "completed", output: 1 });
  });
});
