import { describe, expect, test } from "vitest";
import { actor, type Handle, type Schema, type } from "../../src/index.ts";
import { batches, COUNTING, crash, everyRejectionIsTaken, gate, KINDS, turns, World, watch } from "./harness.ts";
import { refusal } from "./refusal.ts";

everyRejectionIsTaken();

const order = actor("order", {
  input: type<{ items: string[] }>(),
  messages: { approve: type<{ by: string }>() },
  state: (input) => ({ items: input.items }),
  actions: { add: (c, item: string) => void c.state.items.push(item), items: (c) => [...c.state.items] },
  workflow: async (ctx) => (await ctx.queue.next("approve")).body.by,
});

/** Anything that JavaScript would let through. */
interface Untyped {
  readonly actions: Record<string, (...args: unknown[]) => Promise<unknown>>;
  with(options: unknown): Untyped;
  send(name: unknown, body?: unknown, options?: unknown): Promise<void>;
  result(options?: unknown): Promise<unknown>;
}

const untyped = (handle: unknown) => handle as Untyped;
const here = /bad-calls\.test\.ts:\d+/;

describe.each(KINDS)("on %s", (kind) => {
  test("an action that does not exist is refused: unknown_action", async () => {
    const runtime = new World(kind).open([order]);
    const handle = await runtime.create(order, "42", { items: [] });
    for (const name of ["ad", "constructor", "toString", "__proto__", "hasOwnProperty", ""]) {
      const call = () => untyped(handle).actions[name]?.("pear");
      await refusal(call, "unknown_action", {
        found: new RegExp(`"${name}"`),
        expected: /add, items/,
        where: /"order" has no action/,
      });
    }
    expect(await handle.actions.items()).toEqual([]);
  });

  test("a message that does not exist is refused: unknown_message", async () => {
    const runtime = new World(kind).open([order]);
    const handle = await runtime.create(order, "42", { items: [] });
    for (const name of ["aprove", "constructor", "__proto__", "toString", ""]) {
      const wording = { found: new RegExp(`"${name}"`), expected: /approve/, where: /"order" has no message/ };
      await refusal(() => untyped(handle).send(name, {}), "unknown_message", wording);
    }
    await refusal(() => untyped(handle).send(5, {}), "unknown_message", { found: /5/ });
    await handle.send("approve", { by: "ann" });
    expect(await handle.result()).toBe("ann");
  });

  test("an actor that was never created is refused, and not made: actor_not_found", async () => {
    const world = new World(kind);
    const runtime = world.open([order], COUNTING);
    const handle = runtime.get(order, "a/b 42");
    const uses = [
      () => handle.actions.add("x"),
      () => handle.actions.items(),
      () => handle.send("approve", { by: "x" }),
      () => handle.result(),
    ];
    for (const use of [...uses, ...uses]) {
      const wording = {
        found: /no actor of that key/,
        expected: /created/,
        do: /create\(order, "a\/b 42", input\)/,
        where: /order\/a\/b 42/,
      };
      await refusal(use, "actor_not_found", wording);
    }
    expect(batches(runtime)).toBe(0);
    await runtime.create(order, "a/b 42", { items: ["pear"] });
    expect(await handle.actions.items()).toEqual(["pear"]);
  });

  test("an actor that exists is kept by a second create, or refused if asked for: actor_exists", async () => {
    const world = new World(kind);
    const runtime = world.open([order]);
    await runtime.create(order, "1", { items: ["first"] });
    const strict = { ifExists: "throw" } as const;
    await refusal(() => runtime.create(order, "1", { items: [] }, strict), "actor_exists", {
      where: /order\/1/,
      do: /drop/,
    });
    const again = await runtime.create(order, "1", { items: ["second"] });
    expect(await again.actions.items()).toEqual(["first"]);
    const racing = await Promise.allSettled(
      ["a", "b", "c"].map((item) => runtime.create(order, "2", { items: [item] }, strict)),
    );
    expect(racing.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
    crash(runtime);
    const reopened = world.open([order]);
    expect(await (await reopened.create(order, "1", { items: ["third"] })).actions.items()).toEqual(["first"]);
    await refusal(() => reopened.create(order, "1", { items: [] }, strict), "actor_exists");
  });

  test("what does not fit a schema is refused where it enters: invalid_payload", async () => {
    const world = new World(kind);
    const parcel = actor("parcel", {
      input: positive,
      messages: { weigh: positive, later: slowly },
      state: (input) => ({ grams: input }),
      actions: {
        grams: (c) => c.state.grams,
        send: (c, name: "weigh" | "later", body: string) => c.queue.send(name, body),
      },
      workflow: async (ctx) => {
        const weighed = [];
        for (const wait of ["one", "two"])
          weighed.push((await ctx.queue.next(wait, { names: ["weigh", "later"] })).body);
        return weighed;
      },
    });
    const runtime = world.open([parcel]);
    const wording = { found: /\.grams: not a positive number/, where: /parcel\/1 does not fit its schema/ };
    await refusal(() => runtime.create(parcel, "1", "-5"), "invalid_payload", wording);
    await refusal(() => runtime.get(parcel, "1").actions.grams(), "actor_not_found");
    const handle = await runtime.create(parcel, "1", "5");
    expect(await handle.actions.grams(), "what the schema lets in, it may change").toBe(5);
    for (const name of ["weigh", "later"] as const)
      await refusal(() => handle.send(name, "x"), "invalid_payload", wording);
    await refusal(() => handle.actions.send("weigh", "x"), "invalid_payload", wording);
    await refusal(() => handle.actions.send("later", "5"), "bad_argument", {
      found: /asynchronously/,
      expected: /at once/,
    });
    await handle.actions.send("weigh", "7");
    await handle.send("later", "8");
    expect(await handle.result()).toEqual([7, 8]);
  });
});

test("an actor that this runtime does not know is refused: unknown_actor", async () => {
  const runtime = new World("memory").open([order]);
  const other = actor("other", {});
  const twin = actor("order", {});
  const unknown = { found: /./, expected: /order/, do: /createRuntime\(\{ actors: \[...\]/ };
  const second = { found: /a second definition/, expected: /createRuntime/, do: /actor\("order", ...\) once/ };
  for (const asked of [other, twin, "othr", "constructor"]) {
    const wording = asked === twin ? second : unknown;
    const known = asked as unknown as typeof order;
    await refusal(() => runtime.get(known, "1"), "unknown_actor", wording);
    await refusal(() => runtime.create(known, "1", { items: [] }), "unknown_actor", wording);
  }
  for (const asked of [undefined, null, 5, {}, { name: "order" }]) {
    const refused = await refusal(
      () => runtime.get(asked as unknown as typeof order, "1"),
      asked === undefined ? "bad_argument" : "bad_argument",
    );
    expect(refused.message).toMatch(/what actor\("name"/);
  }
});

test("a key that cannot be stored is refused: bad_argument", async () => {
  const runtime = new World("memory").open([order]);
  for (const key of ["", "k".repeat(513), "ä".repeat(257), "\ud800", undefined, 5, null]) {
    const wording = { found: /./, expected: /text of 1 to 512 bytes/ };
    await refusal(() => runtime.get(order, key as string), "bad_argument", wording);
    await refusal(() => runtime.create(order, key as string, { items: [] }), "bad_argument", wording);
  }
  for (const key of ["k".repeat(512), "ä".repeat(256), "a/b", " ", "\u0000", "😀", "#0"]) {
    const handle = await runtime.create(order, key, { items: [key] });
    expect(await handle.actions.items()).toEqual([key]);
  }
});

test("unknown options are refused everywhere: bad_argument", async () => {
  const runtime = new World("memory").open([order]);
  const handle = untyped(await runtime.create(order, "1", { items: [] }));
  const creating = runtime.create as unknown as (...args: unknown[]) => Promise<unknown>;
  const closing = runtime.close as unknown as (options: unknown) => Promise<void>;
  const uses: [() => unknown, RegExp, RegExp][] = [
    [() => creating(order, "2", { items: [] }, { ifExist: "throw" }), /ifExist$/m, /ifExists/],
    [() => handle.with({ timout: 5 }), /timout/, /timeout, signal/],
    [() => handle.result({ timout: 5 }), /timout/, /timeout, signal/],
    [() => handle.send("approve", { by: "x" }, { after: "1h" } as object), /after/, /delay/],
    [() => closing({ graze: 5 }), /graze/, /grace/],
  ];
  for (const [use, found, expected] of uses) await refusal(use, "bad_argument", { found, expected, where: here });
  await refusal(() => creating(order, "2", { items: [] }, { ifExists: "maybe" }), "bad_argument", {
    where: /"maybe"/,
    expected: /"keep" or "throw"/,
  });
  expect(await handle.actions["items"]?.(), "the runtime is not closed").toEqual([]);
});

test("an option of c.queue.send that does not exist is refused: bad_argument", async () => {
  const note = actor("note", {
    messages: { hear: type<string>() },
    actions: { send: (c) => (c.queue.send as (...args: unknown[]) => void)("hear", "x", { after: "1h" }) },
  });
  const { actions } = new World("memory").open([note]).get(note, "1");
  await refusal(() => actions.send(), "bad_argument", { found: /after/, expected: /delay/ });
});

test("an input for an actor that takes none is refused: bad_argument", async () => {
  const note = actor("note", { state: () => ({ text: "" }) });
  const runtime = new World("memory").open([note]);
  const create = runtime.create as unknown as (...args: unknown[]) => Promise<unknown>;
  await refusal(() => create(note, "1", { text: "lost" }), "bad_argument", {
    found: /an input/,
    expected: /input: type<T>\(\)/,
    where: /note\/1/,
  });
  await create(note, "1");
});

test("invalid durations are refused: bad_argument", async () => {
  const handle = new World("memory").open([order]).get(order, "1");
  for (const timeout of [
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "5 minutes",
    "5M",
    "",
    "-1s",
    "1e3ms",
    null,
    {},
    4e15,
  ]) {
    const wording = { found: /./, expected: /milliseconds from 0 to 100 years, or a string like/ };
    await refusal(() => untyped(handle).with({ timeout }), "bad_argument", wording);
    await refusal(() => untyped(handle).result({ timeout }), "bad_argument", wording);
  }
});

test("the result of an actor without a workflow is refused: bad_argument", async () => {
  const note = actor("note", {});
  const runtime = new World("memory").open([note]);
  await refusal(() => runtime.get(note, "1").result(), "bad_argument", {
    where: /note\/1 has no workflow/,
    do: /`workflow` member/,
  });
});

describe("a call that takes too long", () => {
  const goOn = gate();
  const slow = actor("slow", {
    state: () => ({ calls: 0 }),
    actions: {
      wait: async (c) => {
        await goOn.promise;
        c.state.calls += 1;
      },
      calls: (c) => c.state.calls,
    },
    messages: { end: type<void>() },
    workflow: (ctx) => ctx.queue.next("end"),
  });

  test("is given up as one whose outcome nobody knows, and may still happen: call_timeout", async () => {
    const runtime = new World("memory").open([slow]);
    const handle = runtime.get(slow, "1");
    const wording = { where: /action "wait" of slow\/1 .* within 5 ms/, do: /handle\.with\(\{ timeout/ };
    const error = await refusal(() => handle.with({ timeout: 5 }).actions.wait(), "call_timeout", wording);
    expect(error).toMatchObject({ outcome: "unknown", retryable: true });
    await refusal(() => handle.result({ timeout: 5 }), "call_timeout", { where: /the result of slow\/1/ });
    goOn.open();
    await turns();
    expect(await handle.actions.calls()).toBe(1);
  });

  test("a signal that is none is refused: bad_argument", async () => {
    const runtime = new World("memory").open([order]);
    const handle = await runtime.create(order, "42", { items: [] });
    for (const signal of [{}, 5, "now"])
      await refusal(() => untyped(handle).result({ signal }), "bad_argument", {
        found: /an object|5|"now"/,
        expected: /an AbortSignal/,
      });
  });

  test("ends with the reason of its signal; one that has fired already starts nothing", async () => {
    const runtime = new World("memory").open([slow]);
    const handle = runtime.get(slow, "1");
    const controller = new AbortController();
    const waiting = watch(handle.result({ signal: controller.signal }));
    await turns();
    const reason = new Error("not interested");
    controller.abort(reason);
    await turns();
    expect(waiting).toMatchObject({ state: "rejected", value: reason });
    const late: Handle<typeof slow> = handle.with({ signal: controller.signal });
    await expect(late.actions.wait()).rejects.toBe(reason);
    await expect(late.send("end", undefined)).rejects.toBe(reason);
    await expect(late.result()).rejects.toBe(reason);
    expect(await handle.actions.calls()).toBe(0);
  });
});

test("an error of an action comes back with its class, code and fields; a text with its text", async () => {
  const { AppError } = await import("../../src/index.ts");
  const bank = actor("bank", {
    actions: {
      app: () => {
        throw new AppError("no_funds", "too little", { missing: 5 });
      },
      plain: async () => {
        throw Object.assign(new TypeError("no"), { field: "x" });
      },
      text: () => Promise.reject("just a text"),
    },
  });
  const { actions } = new World("memory").open([bank]).get(bank, "1");
  await expect(actions.app()).rejects.toBeInstanceOf(AppError);
  await expect(actions.app()).rejects.toMatchObject({ name: "AppError", code: "no_funds", data: { missing: 5 } });
  await expect(actions.plain()).rejects.toMatchObject({ name: "TypeError", message: "no", field: "x" });
  await expect(actions.text()).rejects.toMatchObject({ name: "Error", message: "just a text" });
});

/** A schema of another library, as Standard Schema has it: a positive number out of a text. */
const positive: Schema<string, number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const grams = Number(value);
      return grams > 0 ? { value: grams } : { issues: [{ message: "not a positive number", path: ["grams"] }] };
    },
  },
};

/** The same, in its own time. */
const slowly: Schema<string, number> = {
  "~standard": { ...positive["~standard"], validate: async (value) => positive["~standard"].validate(value) },
};
