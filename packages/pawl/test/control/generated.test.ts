/** Programs drawn by chance: whatever they are made of, a crash at any batch changes nothing that can be seen. */
import { expect, test } from "vitest";
import { random } from "../../../../tests/random.ts";
import { AppError, CriticalError, Loop } from "../../src/index.ts";
import { type Ctx, crashing, type Flow } from "./harness.ts";

/** How many are drawn; PAWL_PROGRAMS=500 for a night's work. */
const PROGRAMS = Number(process.env["PAWL_PROGRAMS"] ?? 12);
const FIRST = Number(process.env["PAWL_FIRST"] ?? 1);

type Draw = (below: number) => number;

/** A part of a program: what it comes to is text. */
type Part = (ctx: Ctx, at: string) => Promise<string>;

function step(draw: Draw, name: string): Part {
  const [ephemeral, undoable, flaky] = [draw(4) === 0, draw(2) === 0, draw(4) === 0];
  return (ctx, at) =>
    ctx.step({
      name,
      ephemeral,
      retryBackoffBase: 1,
      run: (c) => {
        if (flaky && c.attempt === 1) throw new Error("not at once");
        c.state.notes.push(`${undoable ? "+" : "="}${at}/${name}`);
        return name;
      },
      ...(undoable
        ? { rollback: (c: { state: { notes: string[] } }) => void c.state.notes.push(`-${at}/${name}`) }
        : {}),
    });
}

function failing(draw: Draw, name: string): Part {
  const critical = draw(2) === 0;
  return async (ctx) => {
    await ctx.step({
      name,
      maxRetries: 1,
      retryBackoffBase: 1,
      run: () => {
        throw critical ? new CriticalError("critical") : new RangeError("exhausted");
      },
    });
    return "never";
  };
}

/** What may be drawn in the place of a part. Names say what they are, and where among their siblings. */
function part(draw: Draw, depth: number, index: number, mayFail: boolean): Part {
  const inner = (i: number, fails: boolean) => sequence(draw, depth - 1, i, fails);
  const kind = depth === 0 ? draw(3) : draw(10);
  const name = `${index}`;
  switch (kind) {
    case 0:
    case 1:
      return mayFail && draw(3) === 0 ? failing(draw, `f${name}`) : step(draw, `s${name}`);
    case 2: {
      const seconds = 1 + draw(100);
      return (ctx) => ctx.sleep(`nap${name}`, seconds * 1_000).then(() => "slept");
    }
    case 3:
    case 4: {
      const branches = Array.from({ length: 1 + draw(3) }, (_, i) => [`b${i}`, inner(i, mayFail)] as const);
      return async (ctx, at) => {
        const named = branches.map(([b, run]) => [b, (ctx: Ctx) => run(ctx, `${at}/j${name}/${b}`)] as const);
        return JSON.stringify(await ctx.join(`j${name}`, Object.fromEntries(named)));
      };
    }
    case 5: {
      const [winner, loser] = [inner(0, false), step(draw, "s")];
      return async (ctx, at) => {
        const won = await ctx.race(`r${name}`, {
          loser: async (ctx) => {
            await loser(ctx, `${at}/r${name}/loser`);
            await ctx.sleep("for ever", "300d");
            return "lost";
          },
          winner: async (ctx) => {
            await ctx.sleep("first", 1_000);
            return winner(ctx, `${at}/r${name}/winner`);
          },
        });
        return `${won.winner} ${won.value}`;
      };
    }
    case 6: {
      const [run, settled, concurrency] = [inner(0, false), draw(2) === 0, 1 + draw(3)];
      return async (ctx, at) => {
        const each = (ctx: Ctx, item: number) => run(ctx, `${at}/m${name}/${item}`);
        const items = [0, 1, 2];
        if (settled) return JSON.stringify(await ctx.mapSettled(`m${name}`, items, each, { concurrency }));
        return JSON.stringify(await ctx.map(`m${name}`, items, each, { concurrency }));
      };
    }
    case 7: {
      const run = inner(0, true);
      return async (ctx, at) => {
        const tried = await ctx.try(`t${name}`, (ctx) => run(ctx, `${at}/t${name}`));
        return tried.ok ? tried.value : `${tried.failure.kind} ${tried.failure.attempts}`;
      };
    }
    default: {
      const [run, rounds] = [inner(0, mayFail), 1 + draw(3)];
      return (ctx, at) =>
        ctx.loop({
          name: `l${name}`,
          state: [] as string[],
          keep: 1,
          run: async (ctx, done) => {
            const next = [...done, await run(ctx, `${at}/l${name}/${done.length}`)];
            return next.length === rounds ? Loop.break(next.join()) : Loop.continue(next);
          },
        });
    }
  }
}

function sequence(draw: Draw, depth: number, index: number, mayFail: boolean): Part {
  const parts = Array.from({ length: 1 + draw(3) }, (_, i) => part(draw, depth, index * 10 + i, mayFail));
  return async (ctx, at) => {
    const results: string[] = [];
    for (const run of parts) results.push(await run(ctx, at));
    return results.join(" ");
  };
}

function program(seed: number): Flow {
  const draw = random(seed).below;
  const [body, end] = [sequence(draw, 3, 0, draw(4) === 0), draw(3)];
  return async (ctx) => {
    const result = await body(ctx, "");
    if (end === 0) throw new AppError("end", result);
    return end === 1 ? ctx.rollback(`no: ${result}`) : result;
  };
}

test.each(Array.from({ length: PROGRAMS }, (_, i) => FIRST + i))(
  "program %i comes to the same after a crash at any batch",
  async (seed) => {
    let reference: unknown;
    await crashing(
      () => program(seed),
      async (t, handle) => {
        const ended = handle.result().then(
          (value) => ({ value }),
          (error: { code: string; message: string; cause?: { code?: string; name: string } }) => ({
            failed: [error.code, error.message, error.cause?.code ?? error.cause?.name],
          }),
        );
        await t.advance("2d");
        const end = await Promise.race([ended, t.idle().then(() => "it stands")]);
        const notes = await handle.actions.notes();
        const undone = notes.filter((note) => note.startsWith("-")).map((note) => note.slice(1));
        const undoable = notes.filter((note) => note.startsWith("+")).map((note) => note.slice(1));
        if (undone.length > 0) expect(undone).toEqual([...undoable].reverse());
        const seen = { end, notes: [...notes].sort() };
        reference ??= seen;
        expect(seen).toEqual(reference);
        expect(new Set(notes).size, "each note once").toBe(notes.length);
      },
    );
  },
  60_000,
);
