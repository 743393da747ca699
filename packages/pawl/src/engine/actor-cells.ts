/** The cells of an embedding host's actor: their first values, their mirrors, and whether they may be read at all. */
import * as say from "../messages.ts";
import type { Pump } from "../pump.ts";
import { Mirror } from "../state/index.ts";
import { ByteWriter } from "../values/index.ts";
import type { DriverPort } from "./driver-port.ts";
import { decodeValue, encodeValue } from "./values.ts";

const NO_VIEW = new Uint8Array(0);

/** Another engine has written since the cells were: they may not fit what it did. */
export class StateBehindHistoryError extends Error {
  constructor(workflowId: string) {
    super(
      `The cells of "${workflowId}" are older than its history: another engine has written to it. Call adopt(values) with what the cells are now.`,
    );
    this.name = "StateBehindHistoryError";
  }
}

/** Whose cells they are. */
export interface CellsOwner {
  readonly pump: Pump;
  readonly handle: number;
  readonly name: string;
  readonly key: string;
  readonly port: DriverPort;
  readonly limits: { readonly valueBytes: number };
}

export interface FirstValue {
  readonly initial: () => unknown;
}

export class ActorCells {
  readonly #owner: CellsOwner;
  readonly #initial: Map<string, () => unknown>;
  readonly #mirrors = new Map<string, Mirror>();
  #isBehind = false;

  constructor(owner: CellsOwner, cells: Readonly<Record<string, FirstValue>>) {
    this.#owner = owner;
    this.#initial = new Map(Object.entries(cells).map(([name, { initial }]) => [name, initial]));
  }

  has(name: string): boolean {
    return this.#initial.has(name);
  }

  names(): Iterable<string> {
    return this.#initial.keys();
  }

  /** The rows have been read: cells that are not there get their first values, after `prepare`. Throws, and does neither, if one has none. */
  begin(prepare: () => void): void {
    const { pump, name } = this.#owner;
    this.#mirrors.clear();
    this.#isBehind = pump.engine.isBehind(name);
    const first = this.#encoded(this.#initial, false);
    prepare();
    this.#write(first, false);
  }

  /** The mirror of a cell. Throws for one that was not declared, and while the cells are older than the history. */
  mirror(name: string): Mirror {
    const { pump, handle, key } = this.#owner;
    if (this.#isBehind) throw new StateBehindHistoryError(key);
    const known = this.#mirrors.get(name);
    if (known !== undefined) return known;
    const head = pump.engine.cellHead(handle, name);
    if (head === null)
      throw new Error(`the actor "${key}" has no cell "${name}": it has ${[...this.#initial.keys()].join(", ")}`);
    const made = this.#mirrorAt(name, head);
    this.#mirrors.set(name, made);
    return made;
  }

  #mirrorAt(cell: string, head: number): Mirror {
    const { pump, handle, key, limits } = this.#owner;
    const { engine } = pump;
    const source = {
      read: () => engine.readCell(handle, cell, NO_VIEW),
      readAt: (pin: number, delta: Uint8Array | undefined) => engine.readCell(handle, cell, viewOf(pin, delta)),
      floor: () => engine.cellFloor(handle, cell),
    };
    return new Mirror(source, head, {
      stale: (what, why) => say.unusable(what, key, why),
      refused: (error) => say.notStorable(`something was put into a cell of ${key}`, error, undefined),
      maxValueBytes: limits.valueBytes,
    });
  }

  /** Declares a further cell. */
  add(name: string, initial: () => unknown): void {
    const first = this.#encoded([[name, initial]], false);
    this.#initial.set(name, initial);
    this.#write(first, false);
  }

  /** Replaces cells by what they are in the history of another engine. */
  adopt(values: Readonly<Record<string, unknown>>): void {
    const cells = Object.entries(values).map(([name, value]): [string, () => unknown] => [name, () => value]);
    const adopted = this.#encoded(cells, true);
    this.#mirrors.clear();
    this.#write(adopted, true);
    this.#isBehind = false;
  }

  /** The values of those cells that are to be written. All of them can be, or none is. */
  #encoded(cells: Iterable<readonly [string, () => unknown]>, replace: boolean): [string, Uint8Array][] {
    const { pump, handle } = this.#owner;
    const written = [...cells].filter(([name]) => replace || pump.engine.cellHead(handle, name) === null);
    return written.map(([name, value]) => [name, encodeValue(settled(name, value()))]);
  }

  #write(cells: readonly (readonly [string, Uint8Array])[], replace: boolean): void {
    const { pump, handle } = this.#owner;
    for (const [name, bytes] of cells) pump.input.cell(handle, name, bytes, replace);
    pump.schedule();
  }

  /** Plain copies of all cells. */
  values(): Record<string, unknown> {
    const { pump, handle } = this.#owner;
    const plain = (name: string) => decodeValue(pump.engine.readCell(handle, name, NO_VIEW));
    return Object.fromEntries([...this.#initial.keys()].map((name) => [name, plain(name)]));
  }

  oldestPin(): number | undefined {
    const pins = [...this.#mirrors.values()].map((mirror) => mirror.oldestPin());
    const open = pins.filter((pin) => pin !== undefined);
    return open.length === 0 ? undefined : Math.min(...open);
  }
}

/** Throws `bad_argument` for a promise: it would be stored as an empty object. */
function settled(cell: string, value: unknown): unknown {
  if (!(value instanceof Promise)) return value;
  throw say.badArgument(
    `the cell "${cell}" has no first value.\n  found     a promise\n  expected  the value itself: await it before openActor()`,
  );
}

function viewOf(pin: number, delta: Uint8Array | undefined): Uint8Array {
  const view = new ByteWriter();
  view.varint(pin);
  view.u8(delta === undefined ? 0 : 1);
  if (delta !== undefined) {
    view.varint(delta.length);
    view.bytes(delta);
  }
  return view.copy();
}
