import { describe, expect, test } from "vitest";
import { actor, createRuntime, type Definition, type NoConnectionState, type Types, type } from "../../src/index.ts";
import { everyRejectionIsTaken, World } from "./harness.ts";
import { refusal, type Wording } from "./refusal.ts";

everyRejectionIsTaken();

/** A definition as it comes from JavaScript. */
type Untyped = Record<string, unknown> | null | undefined;
type AnyDefinition = Definition<
  void,
  void,
  unknown,
  unknown,
  Record<string, never>,
  Record<string, never>,
  void,
  void,
  NoConnectionState,
  Record<string, never>,
  unknown,
  Types
>;

const define = (name: unknown, definition: Untyped = {}) =>
  actor(name as string, definition as unknown as AnyDefinition);

describe("actor() refuses", () => {
  const NAMES = {
    undefined: undefined,
    empty: "",
    "a number": 7,
    "a space": "an order",
    "a digit first": "1st",
    "65 letters": "a".repeat(65),
    "an umlaut": "Bär",
  };

  test.each(Object.entries(NAMES))("a name that is %s", async (_, name) => {
    await refusal(() => define(name), "bad_argument", { found: /./, expected: /a letter, then up to 63/ });
  });

  const DEFINITIONS: Record<string, [Untyped, Wording]> = {
    "no definition": [null, { found: /no definition/, expected: /an object/ }],
    "an unknown member": [{ stat: () => ({}) }, { found: /`stat`/, expected: /state/ }],
    "a member of a later version": [{ http: {} }, { found: /`http`/, expected: /input, messages/ }],
    "a workflow that is no function": [
      { workflow: {} },
      { found: /`workflow` that is an object/, expected: /a function/ },
    ],
    "a state that is no function": [{ state: { count: 0 } }, { found: /`state`/, expected: /a function/ }],
    "vars that are no function": [{ vars: 5 }, { found: /`vars` that is 5/, expected: /a function/ }],
    "onError that is no function": [{ onError: "log" }, { found: /`onError` that is "log"/, expected: /a function/ }],
    "an input that is no schema": [{ input: { items: [] } }, { found: /`input`/, expected: /type<T>\(\)/ }],
    "a message that is no schema": [
      { messages: { approve: "yes" } },
      { found: /message "approve"/, expected: /type<T>\(\)/ },
    ],
    "a message without a name": [{ messages: { "": type() } }, { found: /""/, expected: /1 to 512 bytes/ }],
    "an action that is no function": [
      { actions: { total: 5 } },
      { found: /action "total" that is 5/, expected: /a function/ },
    ],
    "an action called then": [
      // biome-ignore lint/suspicious/noThenProperty: it is what is refused
      { actions: { then: () => {} } },
      { found: /"then"/, expected: /another name/ },
    ],
    "version 0": [
      { version: 0, migrate: () => {} },
      { found: /version 0/, expected: /an integer from 1/ },
    ],
    "version 1.5": [
      { version: 1.5, migrate: () => {} },
      { found: /version 1.5/, expected: /an integer from 1/ },
    ],
    "a second version without migrate": [
      { version: 2, state: () => 1 },
      { found: /without `migrate`/, expected: /migrate\(old, from\)/ },
    ],
    "steps with an unknown option": [{ steps: { maxRetrys: 3 } }, { found: /maxRetrys/, expected: /maxRetries/ }],
    "steps with a negative count": [{ steps: { maxRetries: -1 } }, { found: /-1/, expected: /an integer from 0/ }],
    "steps with a duration in words": [{ steps: { timeout: "5 minutes" } }, { found: /"5 minutes"/, expected: /"5m"/ }],
  };

  test.each(Object.entries(DEFINITIONS))("%s", async (_, [definition, wording]) => {
    const where = definition !== null && "messages" in (definition ?? {}) ? /"order"/ : /actor "order"/;
    await refusal(() => define("order", definition), "bad_argument", { ...wording, where });
  });
});

describe("createRuntime() refuses", () => {
  const order = actor("order", {});
  const runtime = (options: unknown) => createRuntime(options as { actors: []; store: string });
  const OPTIONS: Record<string, [unknown, Wording]> = {
    "no options": [undefined, { expected: /actors: \[...\]/ }],
    "no actors": [{ store: "memory:" }, { expected: /actors: \[...\]/ }],
    "one actor that is not in a list": [{ actors: order, store: "memory:" }, { expected: /actors: \[...\]/ }],
    "something that is no actor": [
      { actors: [{ name: "order" }], store: "memory:" },
      { found: /an object/, expected: /actor\("name"/ },
    ],
    "null as an actor": [
      { actors: [null], store: "memory:" },
      { found: /null/, expected: /actor\("name"/ },
    ],
    "two actors of one name": [
      { actors: [order, actor("order", {})], store: "memory:" },
      { expected: /each name once/, where: /"order"/ },
    ],
    "an unknown option": [
      { actors: [order], store: "memory:", stroe: "x" },
      { found: /stroe/, expected: /store/ },
    ],
    "no store": [
      { actors: [order] },
      { found: /undefined/, expected: /"sqlite:.\/app.db", "postgres:\/\/user@host\/database", or "memory:"/ },
    ],
    "an unknown store URL": [
      { actors: [order], store: "mysql://localhost/db" },
      { found: /mysql/, expected: /"sqlite:.\/app.db"/ },
    ],
    "a bare path": [
      { actors: [order], store: "./orders.db" },
      { found: /"\.\/orders.db"/, expected: /"sqlite:.\/app.db"/ },
    ],
    "a store without a path": [
      { actors: [order], store: "sqlite:" },
      { found: /"sqlite:"/, expected: /"sqlite:.\/app.db"/ },
    ],
    "an empty namespace": [
      { actors: [order], store: "memory:", namespace: "" },
      { found: /""/, expected: /1 to 512 bytes/ },
    ],
    "a long namespace": [
      { actors: [order], store: "memory:", namespace: "n".repeat(513) },
      { expected: /1 to 512 bytes/ },
    ],
    "an unknown limit": [
      { actors: [order], store: "memory:", limits: { toString: 5 } },
      { found: /toString/, expected: /valueBytes/ },
    ],
    "a limit that is no count": [
      { actors: [order], store: "memory:", limits: { valueBytes: "16 MiB" } },
      { found: /16 MiB/, expected: /bytes/ },
    ],
    "a message limit that no store keeps": [
      { actors: [order], store: "memory:", limits: { messageBytes: 2 ** 21 } },
      { found: /2097152/, expected: /1048576/ },
    ],
    "a value limit that no store keeps": [
      { actors: [order], store: "memory:", limits: { valueBytes: 2 ** 30 } },
      { found: /1073741824/, expected: /268435456/ },
    ],
    "a grace that is no duration": [
      { actors: [order], store: "memory:", grace: "soon" },
      { found: /"soon"/, expected: /"30s"/ },
    ],
    "a logger that cannot log": [
      { actors: [order], store: "memory:", logger: { log: () => {} } },
      { found: /debug/, expected: /debug, info, warn, error/ },
    ],
    "a code version that is no text": [
      { actors: [order], store: "memory:", codeVersion: 5 },
      { found: /5/, expected: /text/ },
    ],
  };

  test.each(Object.entries(OPTIONS))("%s, and says where", async (_, [options, wording]) => {
    await refusal(() => runtime(options), "bad_argument", {
      ...wording,
      where: wording.where ?? /bad-definitions\.test\.ts:\d+/,
    });
  });

  test("nothing it accepts: it opens nothing before its first use", () => {
    const made = createRuntime({ actors: [order], store: "sqlite:/nowhere/at all/x.db" });
    expect(made.get(order, "1").key).toBe("1");
  });
});

test("a runtime refuses URLs that only look right at its first use", async () => {
  for (const store of ["sqlite::memory:", "sqlite:a\0b"]) {
    const runtime = new World("memory").open([actor("order", {})], {}, { store });
    for (let i = 0; i < 2; i++) await refusal(() => runtime.start(), "bad_argument", { where: /store/ });
  }
});
