import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { AttemptVars } from "../../src/state/index.ts";

const stale = (what: string): Error => new Error(`stale ${what}`);

function attempt<T>(root: T): { vars: T; scope: AttemptVars } {
  const scope = new AttemptVars(root, { stale });
  return { vars: scope.value as T, scope };
}

class Client {
  #secret = 1;
  calls: number = 0;
  query(): number {
    this.calls += 1;
    return this.#secret;
  }
}

describe("vars", () => {
  test("hand out everything but plain objects and arrays as it is, and clone nothing", () => {
    const root = {
      client: new Client(),
      fn: () => 1,
      map: new Map(),
      emitter: new EventEmitter(),
      proxy: new Proxy({}, {}),
      sym: Symbol("s"),
    };
    const { vars } = attempt(root);
    for (const key of Object.keys(root) as (keyof typeof root)[]) expect(vars[key]).toBe(root[key]);
    expect(vars.client.query()).toBe(1);
    expect(attempt(root.client).vars).toBe(root.client);
    expect(attempt(undefined).vars).toBeUndefined();
  });

  test("read twice give the same proxy, and equal the plain value", () => {
    const root = { a: { b: [1, { c: 2 }] } };
    const { vars, scope } = attempt(root);
    expect(vars.a.b).toBe(vars.a.b);
    expect(scope.value).toBe(vars);
    expect(vars).toEqual(root);
    expect(JSON.stringify(vars)).toBe(JSON.stringify(root));
    expect(Array.isArray(vars.a.b)).toBe(true);
  });

  test("are undone when the attempt fails: sets, deletes, additions, array methods", () => {
    const make = () => ({
      n: 1,
      gone: true as boolean | undefined,
      deep: { list: [1, 2, 3], map: new Map() },
      kept: "k",
    });
    const root: ReturnType<typeof make> & { extra?: number } = make();
    const { vars, scope } = attempt(root);
    vars.n = 2;
    vars.n = 3;
    Reflect.deleteProperty(vars, "gone");
    vars.extra = 5;
    vars.deep.list.push(4);
    vars.deep.list.splice(0, 2, 9);
    vars.deep.list.sort();
    vars.deep.list.length = 0;
    vars.deep.list.push(7);
    Object.defineProperty(vars.deep, "defined", { value: 1, configurable: true });
    Object.assign(vars.deep, { assigned: { x: 1 } });
    expect(root.n).toBe(3);
    scope.fail();
    expect(root).toEqual(make());
    expect(Object.getOwnPropertyNames(root.deep)).toEqual(["list", "map"]);
  });

  test("are put back slot by slot, and only where they still hold what the attempt wrote", () => {
    const root = { a: 1, b: 1, list: ["x"] };
    const first = attempt(root);
    const second = attempt(root);
    first.vars.a = 2;
    first.vars.b = 2;
    second.vars.b = 3;
    first.vars.list.push("first");
    second.vars.list.push("second");
    first.scope.fail();
    expect([root.a, root.b]).toEqual([1, 3]);
    expect(root.list).toHaveLength(3);
    expect([root.list[1], root.list[2]]).toEqual([undefined, "second"]);
  });

  test("are kept, and stay usable unjournaled, when the attempt succeeds", () => {
    const root = { n: 1 };
    const { vars, scope } = attempt(root);
    vars.n = 2;
    scope.succeed();
    vars.n = 3;
    scope.fail();
    expect([vars.n, root.n]).toEqual([3, 3]);
  });

  test("throw after the attempt has failed, and nothing changes", () => {
    const root = { a: { n: 1 }, list: [1] };
    const { vars, scope } = attempt(root);
    const { a, list } = vars;
    scope.fail();
    expect(() => a.n).toThrow("stale vars");
    expect(() => {
      a.n = 2;
    }).toThrow("stale vars");
    expect(() => list.push(1)).toThrow("stale vars");
    expect(() => Object.keys(a)).toThrow("stale vars");
    expect(() => scope.value).toThrow("stale vars");
    expect(root).toEqual({ a: { n: 1 }, list: [1] });
  });

  test("methods run with the right this, and what they write is undone", () => {
    const root = {
      counter: {
        n: 0,
        get double(): number {
          return this.n * 2;
        },
        set value(n: number) {
          this.n = n;
        },
        add(): number {
          this.n += 1;
          return this.n;
        },
      },
    };
    const { vars, scope } = attempt(root);
    expect([vars.counter.add(), vars.counter.add(), vars.counter.double]).toEqual([1, 2, 4]);
    vars.counter.value = 10;
    expect(root.counter.n).toBe(10);
    scope.fail();
    expect(root.counter.n).toBe(0);
  });

  test("a part that is stored is stored as what it stands for", () => {
    const root: { a: { n: number }; b?: { n: number }; list: { n: number }[]; wrapped?: { a: { n: number } } } = {
      a: { n: 1 },
      list: [],
    };
    const { vars, scope } = attempt(root);
    vars.b = vars.a;
    vars.list.push(vars.a);
    vars.wrapped = { a: vars.a };
    expect(root.b).toBe(root.a);
    expect(root.list[0]).toBe(root.a);
    expect(vars.list.includes(root.a)).toBe(true);
    expect(vars.list.indexOf(vars.a)).toBe(0);
    expect(vars.b).toBe(vars.a);
    scope.succeed();
    const next = attempt(root);
    expect(next.vars.wrapped?.a).toBe(next.vars.a);
  });

  test("that are frozen are handed out", () => {
    const root = Object.freeze({ config: Object.freeze({ deep: { n: 1 } }) });
    const { vars } = attempt(root);
    expect(vars.config.deep.n).toBe(1);
    expect(() => {
      (vars as { config: unknown }).config = 1;
    }).toThrow(TypeError);
  });
});
