/** What one actor may have at once: too much is refused at the call, by name, and nothing is dropped. */
import { expect, test } from "vitest";
import { actor, Loop, type } from "../../src/index.ts";
import { everyRejectionIsTaken, KINDS, World } from "./harness.ts";
import { refusal } from "./refusal.ts";

everyRejectionIsTaken();

/** Takes a message whenever it is told to. */
const box = actor("box", {
  messages: { put: type<number>(), go: type() },
  state: () => ({ taken: [] as number[], text: "" }),
  actions: {
    taken: (c) => [...c.state.taken],
    write: (c, bytes: number) => {
      c.state.text = "x".repeat(bytes);
    },
    grow: (c, bytes: number) => {
      c.state.text += "x".repeat(bytes);
    },
    length: (c) => c.state.text.length,
    flood: (c, { key, count }: { key: string; count: number }) => {
      for (let i = 0; i < count; i++) c.get(box, key).send("put", i);
    },
  },
  workflow: (ctx) =>
    ctx.loop("rounds", async (ctx) => {
      await ctx.queue.next("go", { names: ["go"] });
      const { body } = await ctx.queue.next("put", { names: ["put"] });
      await ctx.step("take", (c) => void c.state.taken.push(body));
      return Loop.continue();
    }),
});

test.each(KINDS)("an inbox on %s takes as many messages as it may have, and more when some are taken", async (kind) => {
  const runtime = new World(kind).open([box], {}, { limits: { inboxMessages: 5 } });
  const handle = runtime.get(box, "b");
  for (let i = 0; i < 5; i++) await handle.send("put", i);
  await refusal(() => handle.send("put", 5), "inbox_full", {
    found: /5 messages.*limits\.inboxMessages/,
    where: /box\/b/,
  });
  const other = runtime.get(box, "other");
  const flood = (count: number) => other.actions.flood({ key: "b", count });
  await refusal(() => flood(1), "inbox_full", { found: /5 messages/ });
  await refusal(() => other.actions.flood({ key: "c", count: 6 }), "inbox_full", { where: /box\/c/ });
  expect(await handle.actions.taken()).toEqual([]);
});

test("what was taken from a full inbox leaves room for more", async () => {
  const runtime = new World("memory").open([box], {}, { limits: { inboxMessages: 3 } });
  const handle = runtime.get(box, "b");
  for (let i = 0; i < 2; i++) await handle.send("put", i);
  await handle.send("go", null);
  await expect.poll(() => handle.actions.taken()).toEqual([0]);
  for (let i = 2; i < 4; i++) await handle.send("put", i);
  await refusal(() => handle.send("go", null), "inbox_full", {});
  expect(await handle.actions.taken()).toEqual([0]);
});

test.each(KINDS)("a state on %s that would grow past its limit is refused with its attempt", async (kind) => {
  const world = new World(kind);
  const runtime = world.open([box], {}, { limits: { stateBytes: 2_000 } });
  const { actions } = runtime.get(box, "b");
  await actions.write(1_000);
  await refusal(() => actions.grow(1_500), "value_too_large", { where: /box\/b/ });
  expect(await actions.length()).toBe(1_000);
  await actions.grow(500);
  await runtime.close();
  // What is stored is loaded, whatever the limit has become; it may shrink, and not grow.
  const again = world.open([box], {}, { limits: { stateBytes: 1_200 } }).get(box, "b").actions;
  expect(await again.length()).toBe(1_500);
  await refusal(() => again.grow(1), "value_too_large", {});
  await again.write(700);
  expect(await again.length()).toBe(700);
});

test("more operations at once than a run may have are refused, and the others go on", async () => {
  const wide = actor("wide", {
    workflow: async (ctx) => {
      const branches = Array.from({ length: 10 }, (_, n) => n);
      const tried = await ctx.try("wide", (ctx) =>
        ctx.map("all", branches, (ctx, n) =>
          ctx.step(`s${n}`, async () => {
            await null;
            return n;
          }),
        ),
      );
      return tried.ok ? "all" : tried.failure.error.message;
    },
  });
  const runtime = new World("memory").open([wide], {}, { limits: { pendingOperations: 5 } });
  const handle = await runtime.create(wide, "w");
  await expect(handle.result()).resolves.toMatch(/5 operations at once.*limits\.pendingOperations/s);
});

test.each([
  ["inboxMessages", 0],
  ["stateBytes", 2 ** 40],
  ["pendingOperations", 1.5],
])("a limit that cannot be kept is refused: %s %d", async (limit, value) => {
  const open = () => new World("memory").open([box], {}, { limits: { [limit]: value } });
  await refusal(async () => open(), "bad_argument", { where: new RegExp(limit) });
});
