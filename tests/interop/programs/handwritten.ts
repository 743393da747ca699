/** Stories that were thought of: each one is a place where two engines could part. */
import type { Story } from "./ops.ts";

export const handwritten: readonly Story[] = [
  {
    title: "steps in a row, of every kind of value",
    program: [
      { do: "step", name: "number", value: 1 },
      { do: "step", name: "nothing", value: undefined },
      { do: "step", name: "null", value: null },
      { do: "step", name: "big", value: 5n },
      { do: "step", name: "date", value: new Date(1_600_000_000_123) },
      { do: "step", name: "bytes", value: new Uint8Array([0, 255]) },
      { do: "step", name: "map", value: new Map([["a", { b: [1, 2, 3] }]]) },
    ],
    messages: [],
  },
  {
    title: "ephemeral steps before a durable one",
    program: [
      { do: "step", name: "one", value: 1, ephemeral: true },
      { do: "step", name: "two", value: 2, ephemeral: true },
      { do: "step", name: "three", value: 3 },
    ],
    messages: [],
  },
  {
    title: "a retry, a sleep, a retry",
    program: [
      { do: "step", name: "flaky", value: "a", fails: 2 },
      { do: "sleep", name: "pause", ms: 1000 },
      { do: "step", name: "flaky again", value: "b", fails: 1 },
    ],
    messages: [],
  },
  {
    title: "an exhausted step, caught",
    program: [
      { do: "tryStep", name: "hopeless", value: 0, fails: "always", maxRetries: 1 },
      { do: "sleep", name: "pause", ms: 1000 },
      { do: "step", name: "after", value: "after" },
    ],
    messages: [],
  },
  {
    title: "an exhausted step, not caught",
    program: [{ do: "step", name: "hopeless", value: 0, fails: "always", maxRetries: 1 }],
    messages: [],
  },
  {
    title: "a step that fails for good, in a block, without a wait after it",
    program: [
      { do: "try", name: "block", body: [{ do: "step", name: "broken", value: 0, fails: "critical" }] },
      { do: "step", name: "after", value: 1 },
    ],
    messages: [],
  },
  {
    title: "a timeout, caught, without a wait after it",
    program: [
      { do: "tryStep", name: "slow", value: 0, fails: "timeout" },
      { do: "step", name: "after", value: 1 },
    ],
    messages: [],
  },
  {
    title: "a caught failure for good, and a wait after it",
    program: [
      { do: "tryStep", name: "broken", value: 0, fails: "critical" },
      { do: "sleep", name: "pause", ms: 1000 },
      { do: "step", name: "after", value: 1 },
    ],
    messages: [],
  },
  {
    title: "rollback of a row of steps",
    program: [
      { do: "checkpoint", name: "checkpoint" },
      { do: "step", name: "book", value: "seat", undo: true },
      { do: "step", name: "note", value: "note" },
      { do: "step", name: "pay", value: "receipt", undo: true },
      { do: "step", name: "ship", value: "", fails: "critical" },
    ],
    messages: [],
  },
  {
    title: "rollback after a sleep and a message",
    program: [
      { do: "checkpoint", name: "checkpoint" },
      { do: "step", name: "book", value: "seat", undo: true },
      { do: "sleep", name: "pause", ms: 1000 },
      { do: "next", name: "wait", names: ["go"] },
      { do: "step", name: "ship", value: "", fails: "always", maxRetries: 0 },
    ],
    messages: [{ name: "go", data: 1 }],
  },
  {
    title: "a rollback handler without a checkpoint",
    program: [{ do: "step", name: "book", value: "seat", undo: true }],
    messages: [],
  },
  {
    title: "a pruned loop with state",
    program: [{ do: "loop", name: "nine", times: 9, prune: 3, body: [{ do: "step", name: "tick", value: "t" }] }],
    messages: [],
  },
  {
    title: "a loop that sleeps in each iteration, pruned",
    program: [
      {
        do: "loop",
        name: "hours",
        times: 5,
        prune: 2,
        body: [
          { do: "step", name: "work", value: { done: true } },
          { do: "sleep", name: "hour", ms: 3_600_000 },
        ],
      },
    ],
    messages: [],
  },
  {
    title: "a loop without state, driven by messages",
    program: [
      { do: "until", name: "commands", message: "command", body: [{ do: "step", name: "obey", value: "done" }] },
      { do: "step", name: "after", value: "after" },
    ],
    messages: ["a", "b", "c", "stop"].map((data) => ({ name: "command", data })),
  },
  {
    title: "loops in a loop, with a wait inside the inner one",
    program: [
      {
        do: "loop",
        name: "outer",
        times: 2,
        body: [
          { do: "loop", name: "inner", times: 2, body: [{ do: "step", name: "tick", value: 1 }] },
          { do: "step", name: "tock", value: 2 },
        ],
      },
    ],
    messages: [],
  },
  {
    title: "a join in a loop, and a sleep after it",
    program: [
      {
        do: "loop",
        name: "rounds",
        times: 2,
        body: [
          {
            do: "join",
            name: "both",
            branches: { a: [{ do: "step", name: "x", value: 1 }], b: [{ do: "step", name: "y", value: 2 }] },
          },
          { do: "sleep", name: "pause", ms: 1000 },
        ],
      },
    ],
    messages: [],
  },
  {
    title: "a join of a sleeper, a waiter and a retry",
    program: [
      {
        do: "join",
        name: "all",
        branches: {
          sleeps: [
            { do: "sleep", name: "nap", ms: 5000 },
            { do: "step", name: "awake", value: "awake" },
          ],
          waits: [{ do: "next", name: "wait", names: ["go"] }],
          retries: [{ do: "step", name: "flaky", value: "ok", fails: 1 }],
        },
      },
    ],
    messages: [{ name: "go", data: "gone" }],
  },
  {
    title: "a join with a failing branch",
    program: [
      {
        do: "join",
        name: "both",
        branches: {
          good: [{ do: "step", name: "fine", value: 1 }],
          bad: [{ do: "step", name: "broken", value: 0, fails: "critical" }],
        },
      },
    ],
    messages: [],
  },
  {
    title: "a join with a failing branch, caught",
    program: [
      {
        do: "try",
        name: "block",
        body: [
          {
            do: "join",
            name: "both",
            branches: {
              good: [{ do: "step", name: "fine", value: 1 }],
              bad: [{ do: "step", name: "broken", value: 0, fails: "critical" }],
            },
          },
        ],
      },
      { do: "step", name: "after", value: 1 },
    ],
    messages: [],
  },
  {
    title: "a race of a message and a timer, won by the message",
    program: [
      {
        do: "race",
        name: "first",
        branches: {
          message: [{ do: "next", name: "wait", names: ["go"] }],
          timer: [{ do: "sleep", name: "nap", ms: 60_000 }],
        },
      },
      { do: "step", name: "after", value: 1 },
    ],
    messages: [{ name: "go", data: "gone" }],
  },
  {
    title: "a race of a message and a timer, won by the timer",
    program: [
      {
        do: "race",
        name: "first",
        branches: {
          message: [{ do: "next", name: "wait", names: ["never"] }],
          timer: [{ do: "sleep", name: "nap", ms: 60_000 }],
        },
      },
      { do: "sleep", name: "after", ms: 1000 },
    ],
    messages: [],
  },
  {
    title: "a race that everyone loses",
    program: [
      {
        do: "race",
        name: "none",
        branches: {
          a: [{ do: "step", name: "broken", value: 0, fails: "critical" }],
          b: [{ do: "step", name: "broken too", value: 0, fails: "critical" }],
        },
      },
    ],
    messages: [],
  },
  {
    title: "a queue wait that times out, and one that does not",
    program: [
      { do: "nextBatch", name: "patient", names: ["never"], count: 5, timeout: 10_000 },
      { do: "next", name: "eager", names: ["go"], timeout: 10_000 },
      { do: "step", name: "after", value: 1 },
    ],
    messages: [{ name: "go", data: { deep: [1n, new Date(0)] } }],
  },
  {
    title: "a message that does not come in time, where one must",
    program: [{ do: "next", name: "must", names: ["never"], timeout: 1000 }],
    messages: [],
  },
  {
    title: "any message at all, twice",
    program: [
      { do: "next", name: "first" },
      { do: "next", name: "second" },
    ],
    messages: [
      { name: "b", data: 1 },
      { name: "a", data: 2 },
    ],
  },
  {
    title: "completable messages, one after the other",
    program: [
      { do: "next", name: "one", names: ["ack-x"], completable: true },
      { do: "step", name: "between", value: 1 },
      { do: "next", name: "two", names: ["ack-x"], completable: true },
    ],
    messages: [
      { name: "ack-x", data: 1 },
      { name: "ack-x", data: 2 },
    ],
  },
  {
    title: "versions and removals, and waits between",
    program: [
      { do: "getVersion", name: "gate", latest: 3 },
      { do: "removed", name: "old", kind: "step" },
      { do: "sleep", name: "pause", ms: 1000 },
      { do: "removed", name: "older", kind: "loop" },
      {
        do: "loop",
        name: "each",
        times: 2,
        body: [
          { do: "getVersion", name: "inner gate", latest: 2 },
          { do: "sleep", name: "nap", ms: 100 },
        ],
      },
    ],
    messages: [],
  },
  {
    title: "blocks in blocks",
    program: [
      {
        do: "try",
        name: "outer",
        body: [
          { do: "step", name: "in", value: 1 },
          {
            do: "try",
            name: "inner",
            body: [{ do: "tryStep", name: "hopeless", value: 0, fails: "always", maxRetries: 0 }],
          },
          { do: "sleep", name: "pause", ms: 1000 },
          { do: "step", name: "out", value: 2 },
        ],
      },
    ],
    messages: [],
  },
  {
    title: "more than one flush can take: a join of forty branches",
    program: [
      {
        do: "join",
        name: "wide",
        branches: Object.fromEntries(
          Array.from({ length: 40 }, (_, n) => [`branch ${n}`, [{ do: "step", name: `step ${n}`, value: n } as const]]),
        ),
      },
    ],
    messages: [],
  },
];
