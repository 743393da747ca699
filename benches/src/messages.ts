/**
 * Durable messages from actor to actor, between pairs, in three manners of sending and taking them. What is the same in all: a message is in
 * the change of its sender and leaves the inbox in a change of its receiver, and each of these is a row that has been synced.
 */
import { actor, Loop, type } from "pawl";

export const PAIRS = 100;
const MESSAGES = 400;
/** So many calls of one sender are under way at once. */
const IN_FLIGHT = 10;
/** How many messages a sender puts into one change where it has several, and how many its receiver takes at most. */
const SENT_TOGETHER = 10;
const TAKEN_TOGETHER = 100;

/** How often each pair's receiver has been given a message, and who waits for the last one. */
let seen: number[] = [];
let left = 0;
let allTaken: () => void = () => {};

/** Messages are numbered: in a pair each comes once, and in order. */
function take(message: number): void {
  const pair = Math.floor(message / MESSAGES);
  const expected = seen[pair] ?? 0;
  if (message % MESSAGES !== expected)
    throw new Error(`pair ${pair}: message ${message % MESSAGES}, expected ${expected}`);
  seen[pair] = expected + 1;
  left -= 1;
  if (left === 0) allTaken();
}

const waiting = actor("waiting", {
  messages: { note: type<number>() },
  workflow: async (ctx) => {
    await ctx.loop("notes", async (ctx) => {
      take((await ctx.queue.next("note")).body);
      return Loop.continue();
    });
  },
});

const handling = actor("handling", {
  messages: { note: type<number>() },
  receive: { note: (_, message) => take(message) },
});

const draining = actor("draining", {
  messages: { note: type<number>() },
  workflow: async (ctx) => {
    await ctx.loop("notes", async (ctx) => {
      const messages = await ctx.queue.nextBatch("notes", { names: ["note"], count: TAKEN_TOGETHER });
      for (const { body } of messages) take(body);
      return Loop.continue();
    });
  },
});

export const sender = actor("sender", {
  actions: {
    toWaiting: (c, key: string, message: number) => c.get(waiting, key).send("note", message),
    toHandling: (c, key: string, message: number) => c.get(handling, key).send("note", message),
    toDraining: (c, key: string, first: number) => {
      for (let n = 0; n < SENT_TOGETHER; n++) c.get(draining, key).send("note", first + n);
    },
  },
});

export const actors = [waiting, handling, draining, sender] as const;

const manners = {
  waiting: { receiver: waiting, action: "toWaiting", together: 1 },
  handling: { receiver: handling, action: "toHandling", together: 1 },
  draining: { receiver: draining, action: "toDraining", together: SENT_TOGETHER },
} as const;

/** `waiting`: a workflow's `queue.next`, one after another. `handling`: handlers. `draining`: ten in an action, and `nextBatch`. */
export type Manner = keyof typeof manners;

export const described: Readonly<Record<Manner, string>> = {
  waiting: "each sent by an action of its own, each taken by a workflow that waits for its commit",
  handling: "each sent by an action of its own, each taken by a handler of its own",
  draining: `${SENT_TOGETHER} sent by an action, taken by a workflow in batches of at most ${TAKEN_TOGETHER}`,
};

/** The runtime that has them all. */
export interface Messengers {
  create(receiver: (typeof manners)[Manner]["receiver"], key: string): Promise<unknown>;
  actionsOf(
    sender: string,
  ): Record<(typeof manners)[Manner]["action"], (receiver: string, first: number) => Promise<unknown>>;
}

let rounds = 0;

/** How many messages in a second, from the first call to the last message that was taken. */
export async function messages(messengers: Messengers, manner: Manner): Promise<number> {
  const round = rounds++;
  const { receiver, action, together } = manners[manner];
  const key = (pair: number) => `${round}-${pair}`;
  await Promise.all(Array.from({ length: PAIRS }, (_, pair) => messengers.create(receiver, key(pair))));
  const done = new Promise<void>((resolve) => {
    [seen, left, allTaken] = [[], PAIRS * MESSAGES, resolve];
  });
  const send = async (pair: number) => {
    const actions = messengers.actionsOf(key(pair));
    let next = 0;
    const work = async () => {
      while (next < MESSAGES) {
        const first = next;
        next += together;
        await actions[action](key(pair), pair * MESSAGES + first);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: PAIRS }, (_, pair) => send(pair)));
  await done;
  return (PAIRS * MESSAGES * 1_000) / (performance.now() - began);
}
