/** Bodies that are woken in one instant, and what is run again for it. */
import { expect, test } from "vitest";
import { actor } from "../../src/index.ts";
import { gate, World } from "../runtime/harness.ts";

const COUNT = 20;

/** An actor whose action touches the state after its last await only, and what its bodies wait for. */
function counting(wait: (place: number) => Promise<void>) {
  const told = { bodies: 0 };
  const counter = actor("counter", {
    state: () => ({ n: 0 }),
    actions: {
      late: async (c, place: number) => {
        told.bodies += 1;
        await wait(place);
        c.state.n += 1;
      },
      read: (c) => c.state.n,
    },
  });
  return { counter, told };
}

test("actions that one promise wakes, and that touch one slot, run again once each", async () => {
  const woken = gate();
  const { counter, told } = counting(() => woken.promise);
  const runtime = new World("memory").open([counter]);
  const { actions } = await runtime.create(counter, "1");
  const calls = Array.from({ length: COUNT }, (_, place) => actions.late(place));
  await actions.read();
  woken.open();
  await Promise.all(calls);
  expect(await actions.read()).toBe(COUNT);
  expect(told.bodies).toBe(2 * COUNT - 1);
});

test("actions that are woken in turns of their own never run again", async () => {
  const gates = Array.from({ length: COUNT }, () => gate());
  const { counter, told } = counting((place) => gates[place]?.promise ?? Promise.reject(new Error("no gate")));
  const runtime = new World("memory").open([counter]);
  const { actions } = await runtime.create(counter, "1");
  const calls = gates.map((_, place) => actions.late(place));
  await actions.read();
  for (const { open } of gates) {
    open();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(calls);
  expect(await actions.read()).toBe(COUNT);
  expect(told.bodies).toBe(COUNT);
});
