import { describe, expect, test } from "vitest";
import { actor, Loop, type NoConnectionState, type PawlError, type, type WorkflowContext } from "../../src/index.ts";
import { everyRejectionIsTaken, gate, KINDS, turns, World } from "./harness.ts";
import { refusal, says, type Wording } from "./refusal.ts";

everyRejectionIsTaken();

const messages = { go: type<string>(), end: type<void>() };
const here = /bad-workflows\.test\.ts:\d+/;

type Ctx = WorkflowContext<{
  input: void;
  given: void;
  state: { log: string[] };
  vars: undefined;
  messages: typeof messages;
  events: object;
  dialled: void;
  params: void;
  connection: NoConnectionState;
}>;
/** The context as JavaScript sees it. */
type Untyped = { readonly [name: string]: (...args: unknown[]) => Promise<unknown> } & {
  readonly queue: { next: (...args: unknown[]) => Promise<unknown> };
};

const untyped = (ctx: unknown) => ctx as Untyped;
const nothing = () => {};

/** Runs a workflow that is refused something, on an actor that keeps a log. */
function running<R>(body: (ctx: Ctx) => Promise<R>, world = new World("memory")) {
  const job = actor("job", {
    messages,
    state: () => ({ log: [] as string[] }),
    actions: { log: (c) => [...c.state.log] },
    steps: { maxRetries: 0 },
    workflow: body,
  });
  return { job, handle: world.open([job]).get(job, "1"), world };
}

const LONG = "n".repeat(513);

describe("an entry without a name is refused: bad_argument", () => {
  const NAMES = {
    undefined: undefined,
    empty: "",
    "a number": 7,
    null: null,
    "an object": {},
    "513 bytes": LONG,
    "a lone surrogate": "\ud800",
  };

  test.each(Object.entries(NAMES))("a name that is %s", async (_, name) => {
    const wording = { found: /./, expected: /text of 1 to 512 bytes.*by its name a replay finds/, where: here };
    const { handle } = running(async (ctx) => {
      const all = untyped(ctx);
      await refusal(() => all["step"]?.(name, nothing), "bad_argument", { ...wording, where: /a step has no name/ });
      await refusal(() => all["step"]?.({ name, run: nothing }), "bad_argument", wording);
      await refusal(() => all["tryStep"]?.(name, nothing), "bad_argument", wording);
      await refusal(() => all["sleep"]?.(name, 5), "bad_argument", wording);
      await refusal(() => all["sleepUntil"]?.(name, 5), "bad_argument", wording);
      await refusal(() => all["loop"]?.(name, async () => Loop.break()), "bad_argument", wording);
      await refusal(() => all["loop"]?.({ name, state: 0, run: async () => Loop.break() }), "bad_argument", wording);
      await refusal(() => all.queue.next(name), "bad_argument", wording);
      return ctx.step("fine", (c) => c.state.log.push("fine"));
    });
    expect(await handle.result(), "the run goes on").toBe(1);
  });

  test("none at all", async () => {
    const { handle } = running(async (ctx) => {
      const all = untyped(ctx);
      for (const call of [
        () => all["step"]?.(),
        () => all["step"]?.(nothing),
        () => all["step"]?.({}),
        () => all["loop"]?.(),
        () => all["sleep"]?.(),
      ])
        await refusal(call, "bad_argument", { expected: /text of 1 to 512 bytes/ });
    });
    await handle.result();
  });
});

test("a name that is used twice in a scope is refused: duplicate_name", async () => {
  const { handle } = running(async (ctx) => {
    const wording = { found: /a second "mail"/, expected: /each name once per scope/, do: /ctx\.loop/, where: here };
    await ctx.step("mail", nothing);
    await refusal(() => ctx.step("mail", nothing), "duplicate_name", wording);
    await refusal(() => ctx.sleep("mail", 5), "duplicate_name", wording);
    await refusal(() => ctx.loop("mail", async () => Loop.break()), "duplicate_name", wording);
    await refusal(() => ctx.queue.next("mail", { names: ["go"], timeout: 0 }), "duplicate_name", wording);
    return ctx.loop({
      name: "scopes of their own",
      state: 1,
      run: async (ctx, round) => {
        await ctx.step("mail", nothing);
        await refusal(() => ctx.step("mail", nothing), "duplicate_name", wording);
        return round === 3 ? Loop.break("fine") : Loop.continue(round + 1);
      },
    });
  });
  expect(await handle.result()).toBe("fine");
});

test("a name that the rows of a wait have is refused, whichever comes first: duplicate_name", async () => {
  const wording = { found: /a second "go:/, expected: /each name once per scope/, where: here };
  for (const row of ["go:0", "go:count", "go:deadline"]) {
    const { handle } = running(async (ctx) => {
      await ctx.step(row, nothing);
      await refusal(() => ctx.queue.next("go", { timeout: "1h" }), "duplicate_name", wording);
      return ctx.loop("after it", async (ctx) => {
        const { body } = await ctx.queue.next("go");
        await refusal(() => ctx.step(row, nothing), "duplicate_name", wording);
        return Loop.break(body);
      });
    });
    await handle.send("go", "on");
    expect(await handle.result()).toBe("on");
  }
});

describe("the place of the first call", () => {
  test("is told by what stands before it, and, when the mistake is made again, by its line: duplicate_name", async () => {
    const twice = async (key: string, found: RegExp) => {
      const twin = actor("twin", {
        workflow: async (ctx) => {
          await ctx.sleep("pause", 0);
          await ctx.step("mail", nothing);
          await refusal(() => ctx.step("mail", nothing), "duplicate_name", {
            found,
            expected: /each name once per scope/,
            where: here,
          });
          await refusal(() => ctx.sleep("pause", 0), "duplicate_name", {
            found: /a second "pause"; the first, sleep "pause", is the first entry here/,
            expected: /each name once per scope/,
            where: here,
          });
        },
      });
      await new World("memory").open([twin]).get(twin, key).result();
    };
    await twice("1", /a second "mail"; the first, step "mail", is entry 2 here, after sleep "pause"$/);
    await twice("2", /is entry 2 here, after sleep "pause", at .*bad-workflows\.test\.ts:\d+$/);
  });

  test("is told when the mistake is made again: entry_in_progress", async () => {
    const beside = async (key: string, found: RegExp) => {
      const twin = actor("beside", {
        workflow: async (ctx) => {
          const goOn = gate();
          const first = ctx.step("charge", () => goOn.promise);
          await refusal(() => ctx.step("mail", nothing), "entry_in_progress", {
            found,
            expected: /one after another/,
            where: here,
          });
          goOn.open();
          await first;
        },
      });
      await new World("memory").open([twin]).get(twin, key).result();
    };
    await beside("1", /two entries at once on one ctx$/);
    await beside("2", /two entries at once on one ctx; step "charge" was started at .*bad-workflows\.test\.ts:\d+$/);
  });
});

describe("a missing await is refused: entry_in_progress", () => {
  const started = {
    do: /forgotten await\?\s+await ctx\.step\("charge", \.\.\.\)/,
    expected: /one after another/,
    found: /two entries at once/,
  };

  test("when the next entry starts", async () => {
    const goOn = gate();
    const { handle } = running(async (ctx) => {
      const charge = ctx.step("charge", () => goOn.promise);
      const where =
        /step "mail" was started while step "charge" is still running, in job\/1[\s\S]*bad-workflows\.test\.ts:\d+/;
      await refusal(() => ctx.step("mail", nothing), "entry_in_progress", { ...started, where });
      await refusal(() => ctx.sleep("nap", 5), "entry_in_progress", started);
      await refusal(() => ctx.queue.next("go"), "entry_in_progress", started);
      await refusal(() => ctx.loop("loop", async () => Loop.break()), "entry_in_progress", started);
      goOn.open();
      await charge;
      return ctx.step("mail", (c) => c.state.log.push("mail"));
    });
    expect(await handle.result(), "what was refused has not used its name").toBe(1);
  });

  test("when several steps are started at once: Promise.all", async () => {
    const ran: string[] = [];
    const { handle } = running((ctx) =>
      Promise.all(["charge", "mail", "ship"].map((name) => ctx.step(name, () => void ran.push(name)))),
    );
    const error = (await handle.result().catch((error: unknown) => error)) as PawlError;
    expect(error).toMatchObject({ code: "workflow_failed", data: { error: { code: "entry_in_progress" } } });
    says((error.cause as PawlError).message, { ...started, where: /Promise\.all over entries is not supported/ });
    expect(ran.filter((name) => name !== "charge")).toEqual([]);
  });

  const ended = {
    found: /an entry that nobody waits for/,
    expected: /what it did is not committed/,
    do: /forgotten await\?\s+await ctx\.step\("charge"/,
  };

  test.each(KINDS)(
    "when the workflow has ended, on %s: what it started is not committed, nor is what it returned",
    async (kind) => {
      const world = new World(kind);
      const goOn = gate();
      const { job, handle } = running(async (ctx) => {
        await ctx.step("first", (c) => c.state.log.push("first"));
        void ctx.step("charge", async (c) => {
          await goOn.promise;
          c.state.log.push("charge");
        });
        return "done";
      }, world);
      const error = (await handle.result().catch((error: unknown) => error)) as PawlError;
      expect(error).toMatchObject({ code: "workflow_failed", data: { error: { code: "entry_in_progress" } } });
      says((error.cause as PawlError).message, { ...ended, where: /job\/1/ });
      goOn.open();
      await turns();
      expect(await handle.actions.log()).toEqual(["first"]);
      expect(job.name).toBe("job");
    },
  );

  test("when the round of a loop has ended", async () => {
    const goOn = gate();
    const { handle } = running(async (ctx) => {
      const looping = ctx.loop("rounds", async (ctx) => {
        void ctx.step("charge", async (c) => {
          await goOn.promise;
          c.state.log.push("charge");
        });
        return Loop.break();
      });
      await refusal(() => looping, "entry_in_progress", ended);
      goOn.open();
      await turns();
      return ctx.step("look", (c) => c.state.log.length);
    });
    expect(await handle.result()).toBe(0);
  });

  test("when a step is started inside the body of another", async () => {
    const { handle } = running(async (ctx) => {
      const tried = await ctx.tryStep({ name: "charge", maxRetries: 0, run: () => ctx.step("inside", nothing) });
      return tried.ok ? "allowed" : tried.failure.error.code;
    });
    expect(await handle.result()).toBe("entry_in_progress");
  });
});

test("the ctx of the enclosing function is refused in the callback of a loop: wrong_context", async () => {
  const { handle } = running((outer) =>
    outer.loop("rounds", async (ctx) => {
      const wording = {
        found: /enclosing function/,
        expected: /the ctx that the callback was given/,
        do: /ctx\.loop\("rounds", async \(ctx\)/,
        where: here,
      };
      await refusal(() => outer.step("mail", nothing), "wrong_context", wording);
      await refusal(() => outer.sleep("nap", 5), "wrong_context", wording);
      await refusal(() => outer.queue.next("go"), "wrong_context", wording);
      await refusal(() => outer.loop("inner", async () => Loop.break()), "wrong_context", wording);
      return Loop.break(await ctx.step("mail", (c) => c.state.log.push("mail")));
    }),
  );
  expect(await handle.result()).toBe(1);
});

test("state and vars of a workflow's ctx are refused: not_in_workflow", async () => {
  const { handle } = running(async (ctx) => {
    const all = ctx as unknown as { readonly state: unknown; readonly vars: unknown };
    for (const member of ["state", "vars"] as const) {
      const wording = {
        found: /outside of an attempt/,
        do: new RegExp(`ctx\\.step\\("name", async \\(c\\) => \\{ \\.\\.\\. c\\.${member}`),
        where: here,
      };
      await refusal(() => all[member], "not_in_workflow", wording);
    }
  });
  await handle.result();
});

test("a ctx whose callback has ended is refused: stale_step", async () => {
  let escaped: Ctx | undefined;
  const { handle } = running((ctx) =>
    ctx.loop("rounds", async (ctx) => {
      escaped = ctx;
      return Loop.break();
    }),
  );
  await handle.result();
  await refusal(() => escaped?.step("late", nothing), "stale_step", {
    found: /code that went on/,
    where: /step "late"/,
  });
});

describe("options and arguments that are wrong are refused: bad_argument", () => {
  const CALLS: Record<string, [(ctx: Untyped) => Promise<unknown> | undefined, Wording]> = {
    "an unknown option of a step": [
      (ctx) => ctx["step"]?.({ name: "s", run: nothing, retries: 5 }),
      { found: /retries/, expected: /maxRetries/ },
    ],
    "an option of a later version": [
      (ctx) => ctx["step"]?.({ name: "s", run: nothing, priority: 1 }),
      { found: /priority/ },
    ],
    "an unknown option of a loop": [
      (ctx) => ctx["loop"]?.({ name: "l", run: nothing, sate: 0 }),
      { found: /sate/, expected: /state/ },
    ],
    "an unknown option of a wait": [
      (ctx) => ctx.queue.next("go", { timout: 5 }),
      { found: /timout/, expected: /timeout/ },
    ],
    "a step without a function": [(ctx) => ctx["step"]?.("s"), { found: /undefined/, expected: /a function/ }],
    "a step with a promise for a function": [
      (ctx) => ctx["step"]?.("s", Promise.resolve()),
      { found: /an object/, expected: /a function/ },
    ],
    "a loop without a function": [(ctx) => ctx["loop"]?.("l"), { found: /undefined/, expected: /a function/ }],
    "a keep of 0": [(ctx) => ctx["loop"]?.({ name: "l", keep: 0, run: nothing }), { found: /0/, expected: /from 1/ }],
    "maxRetries of -1": [
      (ctx) => ctx["step"]?.({ name: "s", run: nothing, maxRetries: -1 }),
      { found: /-1/, expected: /from 0/ },
    ],
    "maxRetries of 1.5": [
      (ctx) => ctx["step"]?.({ name: "s", run: nothing, maxRetries: 1.5 }),
      { found: /1.5/, expected: /from 0/ },
    ],
    "a retryOnTimeout in words": [
      (ctx) => ctx["step"]?.({ name: "s", run: nothing, retryOnTimeout: "yes" }),
      { found: /"yes"/, expected: /true/ },
    ],
    "a timeout in words": [
      (ctx) => ctx["step"]?.({ name: "s", run: nothing, timeout: "5 minutes" }),
      { found: /"5 minutes"/, expected: /"5m"/ },
    ],
    "a negative backoff": [
      (ctx) => ctx["step"]?.({ name: "s", run: nothing, retryBackoffBase: -1 }),
      { found: /-1/, expected: /"5m"/ },
    ],
    "a sleep of NaN": [(ctx) => ctx["sleep"]?.("z", Number.NaN), { found: /NaN/, expected: /"5m"/ }],
    "a sleep without a duration": [(ctx) => ctx["sleep"]?.("z"), { found: /undefined/, expected: /"5m"/ }],
    "a sleep of 101 years": [(ctx) => ctx["sleep"]?.("z", `${101 * 366}d`), { expected: /100 years/ }],
    "a sleep until an invalid date": [
      (ctx) => ctx["sleepUntil"]?.("z", new Date(Number.NaN)),
      { found: /an invalid Date/, expected: /a Date/ },
    ],
    "a sleep until a text": [
      (ctx) => ctx["sleepUntil"]?.("z", "tomorrow"),
      { found: /"tomorrow"/, expected: /a Date/ },
    ],
    "a timeout of a wait in words": [
      (ctx) => ctx.queue.next("go", { timeout: "soon" }),
      { found: /"soon"/, expected: /"5m"/ },
    ],
    "a wait for no message": [(ctx) => ctx.queue.next("w", { names: [] }), { expected: /at least one of go, end/ }],
    "names that are no list": [(ctx) => ctx.queue.next("w", { names: "go" }), { found: /"go"/, expected: /a list/ }],
  };

  test.each(Object.entries(CALLS))("%s, and says where", async (_, [call, wording]) => {
    const { handle } = running(async (ctx) => {
      await refusal(() => call(untyped(ctx)), "bad_argument", { ...wording, where: here });
      return ctx.step("s", (c) => c.state.log.push("fine"));
    });
    expect(await handle.result(), "and the run goes on").toBe(1);
  });

  test("a message that does not exist: unknown_message", async () => {
    const { handle } = running(async (ctx) => {
      const wording = { found: /"went"/, expected: /go, end/, where: here };
      await refusal(() => untyped(ctx).queue.next("went"), "unknown_message", wording);
      await refusal(() => untyped(ctx).queue.next("w", { names: ["go", "went"] }), "unknown_message", wording);
      await ctx.step("send", async (c) => {
        const send = c.queue.send as (...args: unknown[]) => void;
        for (const name of ["went", "constructor", undefined, 5])
          await refusal(() => send(name, "x"), "unknown_message", { where: here });
      });
    });
    await handle.result();
  });

  test("a round that does not say how to go on", async () => {
    for (const next of ["stop", 5, {}, undefined, null]) {
      const { handle } = running(async (ctx) => {
        const looping = () => untyped(ctx)["loop"]?.({ name: "l", state: 0, run: async () => next });
        await refusal(looping, "bad_argument", {
          found: /./,
          expected: /Loop\.continue\(state\) or Loop\.break\(value\)/,
          where: /loop "l" of job\/1/,
        });
      });
      await handle.result();
    }
  });

  test("c.afterCommit without a function", async () => {
    const { handle } = running((ctx) =>
      ctx.step("s", async (c) => {
        await refusal(() => (c.afterCommit as (fn: unknown) => void)("later"), "bad_argument", {
          found: /"later"/,
          expected: /a function/,
          where: here,
        });
      }),
    );
    await handle.result();
  });
});

test("more messages in one attempt than an inbox holds are refused: inbox_full", async () => {
  const { handle } = running(async (ctx) => {
    await ctx.step("flood", async (c) => {
      for (let i = 0; i < 10_000; i++) c.queue.send("go", "x");
      await refusal(() => c.queue.send("go", "one too many"), "inbox_full", { found: /10000/, where: /job\/1/ });
    });
    return (await ctx.queue.next("go")).body;
  });
  expect(await handle.result()).toBe("x");
});

test("a part of the state of an attempt that is over is refused as an output, and the run lives: stale_step", async () => {
  let leaked: unknown;
  const { handle } = running(async (ctx) => {
    await ctx.step("leak", (c) => {
      leaked = c.state.log;
    });
    const outcomes = [];
    for (const [name, run] of Object.entries({
      plain: () => leaked,
      async: async () => leaked,
      inside: () => ({ deep: [leaked] }),
    })) {
      const tried = await ctx.tryStep(name, run);
      outcomes.push(tried.ok ? "allowed" : tried.failure.error.code);
    }
    return outcomes;
  });
  expect(await handle.result()).toEqual(["stale_step", "stale_step", "stale_step"]);
});
