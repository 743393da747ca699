/** What a death makes of the marks that processes share. */
import { describe, expect, test } from "vitest";
import { lookInto, readShared, rowsOf, type Shared, undo, writeShared } from "../../src/poison/shared-rows.ts";

const names = rowsOf("n");
const MINUTE = 60_000;

/** A store's notes, as rows, and what is read of them. */
class Notes {
  readonly rows = new Map<string, Uint8Array>();

  /** A process is at work. */
  works(process: string, working: readonly string[], { boot = `boot ${process}`, hasOthers = false } = {}): void {
    this.rows.set(names.atWork(process), writeShared({ boot, working, hasOthers }));
  }

  read(): Shared {
    return readShared(names.prefix, this.rows);
  }

  write(rows: ReturnType<typeof lookInto>): void {
    for (const [name, body] of rows) body === undefined ? this.rows.delete(name) : this.rows.set(name, body);
  }

  die(now: number, ...dead: string[]): void {
    this.write(lookInto(this.read(), dead, names, now));
  }

  /** How often each suspect was alone. */
  get suspects(): Record<string, number> {
    return Object.fromEntries(Array.from(this.read().suspects, ([name, { alone }]) => [name, alone.length]));
  }
}

function after(...deaths: readonly (readonly string[])[]): Notes {
  const notes = new Notes();
  deaths.forEach((working, n) => {
    notes.works(`${n}`, working);
    notes.die(n * 1_000, `${n}`);
  });
  return notes;
}

describe("marks that processes share", () => {
  test("name nobody at a first death, and all who were at work at a second one within ten minutes", () => {
    expect(after(["a", "b"]).suspects).toEqual({});
    expect(after(["a", "b"], ["b", "c"]).suspects).toEqual({ b: 0, c: 0 });
    const late = after(["a"]);
    late.works("9", ["a"]);
    late.die(11 * MINUTE, "9");
    expect(late.suspects).toEqual({});
  });

  test("count only deaths with a suspect alone, each once", () => {
    expect(after([], ["a"], ["a"], ["a"], ["a"]).suspects).toEqual({ a: 3 });
    expect(after([], ["a", "b"], ["a", "b"], ["a"], []).suspects).toEqual({ a: 1, b: 0 });
    const beside = after([], ["a"]);
    beside.works("5", ["a"], { hasOthers: true });
    beside.die(5_000, "5");
    expect(beside.suspects, "somebody was at work whom nobody had marked").toEqual({ a: 0 });
  });

  test("are the same whoever looks into a death, and however often", () => {
    const notes = after([], ["a"]);
    notes.works("7", ["a"]);
    const [one, two] = [notes.read(), notes.read()];
    notes.write(lookInto(one, ["7"], names, 7_000));
    notes.write(lookInto(two, ["7"], names, 8_000));
    expect(notes.suspects).toEqual({ a: 1 });
  });

  test("take the stores that one process had open for one death, whose work was done together", () => {
    const notes = after([], ["a"]);
    notes.works("7", ["a"], { boot: "same" });
    notes.works("8", ["b"], { boot: "same" });
    notes.die(7_000, "7");
    notes.die(8_000, "8");
    expect(notes.read().deaths.size).toBe(3);
    expect(notes.suspects).toEqual({ a: 0, b: 0 });
  });

  test("of a process that was not dead are undone, whatever rested on its death", () => {
    const notes = after([], ["a"]);
    notes.works("7", ["a"], { boot: "asleep" });
    notes.die(7_000, "7");
    expect(notes.suspects).toEqual({ a: 1 });
    notes.write(undo(notes.read(), "asleep", names));
    expect(notes.suspects).toEqual({ a: 0 });
    notes.write(undo(notes.read(), "boot 1", names));
    expect(notes.suspects).toEqual({});
    expect([...notes.read().deaths.keys()]).toEqual(["boot 0"]);
  });

  test("are no longer than what can be the key of a row, whatever the names of steps are", () => {
    const long = JSON.stringify(["x".repeat(1_000), "step", "y".repeat(10_000)]);
    const notes = after([], [long]);
    expect(notes.suspects).toEqual({ [long]: 0 });
    for (const name of notes.rows.keys()) expect(Buffer.byteLength(name)).toBeLessThan(2_000);
  });
});
