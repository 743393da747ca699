/**
 * Who is connected to one loaded actor: its connections begin and end here, each in a transaction of its own.
 *
 * Owns the list of them and the mirrors of their cells. One law: **a connection is there for as long as its cell is.** Whoever
 * loads the actor finds the cells, and ends the connections whose clients are no more.
 */
import type { Attempt } from "../attempt.ts";
import { encodeGiven, isThenable } from "../attempt.ts";
import {
  CLOSE_HOOK,
  type ConnectionCell,
  cellOf,
  connectionOf,
  type HeldConnection,
  type HeldConnections,
} from "../connections.ts";
import { type Deferred, deferred } from "../deferred.ts";
import * as say from "../messages.ts";
import type { Closed, Switchboard } from "../peers.ts";
import { isOfAction } from "../runtime/call.ts";
import type { ConnectionContext, Types } from "../types.ts";
import { copy, decode } from "../values/index.ts";
import type { RunOwner } from "../workflow/run.ts";
import type { Calls } from "./calls.ts";
import { cellMirror, NO_VIEW } from "./first-state.ts";

/** How many an actor may have. */
export const MAX_CONNECTIONS = 10_000;
/** So many that are to end without a hook end in one change. */
const AT_ONCE = 256;

interface Held extends HeldConnection {
  isOpen: boolean;
  /** Why it is being ended. */
  ending: Closed | undefined;
  readonly isListed: boolean;
}

type Hook = (c: ConnectionContext<Types>) => unknown;

export class Connections implements HeldConnections {
  readonly #owner: RunOwner;
  readonly #calls: Calls;
  readonly #board: Switchboard;
  readonly #held = new Map<string, Held>();
  /** Those whose cells attempts may be looking into. */
  readonly #touched = new Set<Held>();
  /** Those that are being opened. */
  readonly #opening = new Map<string, Promise<void>>();
  /** Those that are to end without a hook. */
  readonly #dead: { readonly id: string; readonly buried: Deferred<void> }[] = [];

  constructor(owner: RunOwner, calls: Calls, board: Switchboard) {
    this.#owner = owner;
    this.#calls = calls;
    this.#board = board;
  }

  get haveState(): boolean {
    return this.#owner.definition.connection?.state !== undefined;
  }

  find(id: string): HeldConnection | undefined {
    return this.#held.get(id);
  }

  touch(id: string): void {
    const held = this.#held.get(id);
    if (held !== undefined) this.#touched.add(held);
  }

  all(): Iterable<HeldConnection> {
    return this.#held.values();
  }

  /** Those whose clients are in other processes. */
  *elsewhere(): Generator<HeldConnection> {
    for (const held of this.#held.values()) if (held.process !== this.#board.process) yield held;
  }

  oldestPin(): number | undefined {
    let oldest: number | undefined;
    for (const held of this.#touched) {
      const pin = held.mirror.oldestPin();
      if (pin === undefined) this.#touched.delete(held);
      else if (oldest === undefined || pin < oldest) oldest = pin;
    }
    return oldest;
  }

  /** The actor has been read: takes up the connections that are there, and ends those of clients that are not. */
  begin(): void {
    const { engine } = this.#owner.pump;
    const { handle } = this.#owner;
    this.#forget();
    for (const cell of engine.furtherCells(handle)) {
      const id = connectionOf(cell);
      if (id === undefined) continue;
      const stored = decode(engine.readCell(handle, cell, NO_VIEW)) as ConnectionCell;
      const held = this.#hold(id, stored, engine.cellHead(handle, cell) ?? 0);
      if (stored.closing) void this.#end(held, "actor");
      else if (!this.#isAlive(held)) void this.#end(held, "lost");
    }
  }

  /** The actor is gone from memory, or about to be read anew. */
  #forget(): void {
    this.#held.clear();
    this.#touched.clear();
  }

  /** The actor is no more, and neither are they. */
  destroyed(): void {
    for (const held of this.#held.values()) this.#board.hangUp(this.#owner.name, held, "destroyed");
    this.#forget();
  }

  /** Another process has died. */
  died(process: string): void {
    for (const held of [...this.#held.values()]) if (held.process === process) void this.#end(held, "lost");
  }

  #isAlive({ id, process }: Held): boolean {
    return process === this.#board.process ? this.#board.has(id) : this.#board.mayLive(process);
  }

  /** Opens a connection of a client in `process`; resolves when that is durable. One that is open already is left as it is. */
  async open(id: string, process: string, params: unknown): Promise<void> {
    const known = this.#opening.get(id);
    if (known !== undefined) return known;
    if (this.#held.get(id)?.isOpen === true) return;
    const opened = this.#open(id, process, params).finally(() => this.#opening.delete(id));
    this.#opening.set(id, opened);
    return opened;
  }

  async #open(id: string, process: string, params: unknown): Promise<void> {
    const held = this.#held.get(id) ?? (await this.#make(id, process, params));
    try {
      await this.#calls.run("connection.open", id, (attempt) => this.#admit(attempt, id));
    } catch (error) {
      void this.#end(held, "lost");
      throw error;
    }
    held.isOpen = true;
    if (!this.#isAlive(held)) void this.#end(held, "lost");
  }

  /** Its cell is made first: it belongs to nobody until `connection.open` has committed. */
  async #make(id: string, process: string, params: unknown): Promise<Held> {
    const { pump, handle, name, type, definition, limits } = this.#owner;
    if (this.#held.size + this.#opening.size >= MAX_CONNECTIONS) throw say.tooManyConnections(name, MAX_CONNECTIONS);
    const cell: ConnectionCell = { process, params, open: false, closing: false };
    const { state } = definition.connection ?? {};
    if (state !== undefined) cell.state = state(copy(params));
    const what = `\`connection.state\` of actor "${type}" returned a value`;
    pump.input.cell(handle, cellOf(id), encodeGiven(cell, what, limits.valueBytes), false);
    // It is there when the engine has answered something that came after it.
    await this.#calls.run("connection.open", undefined, () => {});
    return this.#hold(id, cell, pump.engine.cellHead(handle, cellOf(id)) ?? 0);
  }

  #hold(id: string, { process, params, open }: ConnectionCell, head: number): Held {
    const { name } = this.#owner;
    const held = {
      id,
      process,
      params,
      mirror: cellMirror(this.#owner, cellOf(id), head, "connection.", `a connection of ${name}`),
      isOpen: open,
      ending: undefined as Closed | undefined,
      get isListed(): boolean {
        return held.isOpen && held.ending === undefined;
      },
    };
    this.#held.set(id, held);
    return held;
  }

  #admit(attempt: Attempt, id: string): unknown {
    const { open } = this.#owner.definition.connection ?? {};
    return after(callHook(open, attempt), () => attempt.connections.admit(id));
  }

  /** Ends a connection because its client wants that. Resolves when that is durable; does nothing if it has ended. */
  async close(id: string): Promise<void> {
    const held = this.#held.get(id);
    if (held !== undefined) await this.#end(held, "client");
  }

  gone(ids: Iterable<string>): void {
    for (const id of ids) this.#held.delete(id);
  }

  closed(ids: Iterable<string>): void {
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held !== undefined) void this.#end(held, "actor");
    }
  }

  /** What fails here is found again by whoever loads the actor next. */
  #end(held: Held, why: Closed): Promise<void> {
    if (held.ending !== undefined) return Promise.resolve();
    held.ending = why;
    const { close } = this.#owner.definition.connection ?? {};
    const ended = close === undefined || !held.isOpen ? this.#endSoon(held) : this.#endWith(held, close);
    const failed = (error: unknown) => {
      held.ending = undefined;
      this.#owner.log.debug({ actor: this.#owner.name, err: error }, "a connection has not ended yet");
    };
    return ended.then(() => this.#board.hangUp(this.#owner.name, held, why), failed);
  }

  async #endWith({ id }: Held, close: Hook): Promise<void> {
    try {
      await this.#calls.run(CLOSE_HOOK, id, (attempt) =>
        after(callHook(close, attempt), () => attempt.connections.end(id)),
      );
    } catch (error) {
      if (!isOfAction(error)) throw error;
      this.#owner.log.error({ actor: this.#owner.name, err: error }, "`connection.close` threw; the connection ends");
      await this.#calls.run(CLOSE_HOOK, id, (attempt) => attempt.connections.end(id));
    }
  }

  /** Together with others that end now: many may have died with one process. */
  #endSoon({ id }: Held): Promise<void> {
    const buried = deferred<void>();
    this.#dead.push({ id, buried });
    if (this.#dead.length === 1) queueMicrotask(() => void this.#bury());
    return buried.promise;
  }

  async #bury(): Promise<void> {
    while (this.#dead.length > 0) {
      const some = this.#dead.splice(0, AT_ONCE);
      const end = (attempt: Attempt) => {
        for (const { id } of some) attempt.connections.end(id);
      };
      try {
        await this.#calls.run(CLOSE_HOOK, undefined, end);
        for (const { buried } of some) buried.resolve();
      } catch (error) {
        for (const { buried } of some) buried.reject(error);
      }
    }
  }
}

function callHook(hook: Hook | undefined, attempt: Attempt): unknown {
  return hook?.(attempt.context as ConnectionContext<Types>);
}

/** Calls `then` once `result` is there, at once if it is. */
function after(result: unknown, then: () => void): unknown {
  return isThenable(result) ? Promise.resolve(result).then(then) : then();
}
