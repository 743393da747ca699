/**
 * Who is connected to an actor, as its attempts see them.
 *
 * A connection is a cell beside the actor's state, with what its client gave, its own state, and how far it has come; whoever
 * holds the cell holds the connection. What an attempt does to it is part of the attempt's commit.
 */
import type { Attempt } from "./attempt.ts";
import * as say from "./messages.ts";
import type { Draft, Mirror } from "./state/index.ts";
import { RAW_STATE } from "./symbols.ts";
import { copy } from "./values/index.ts";

/** What is stored of a connection. */
export interface ConnectionCell {
  /** The process that the client is in. */
  readonly process: string;
  readonly params: unknown;
  /** Whether `connection.open` has committed. */
  open: boolean;
  /** Whether an attempt has ended it. */
  closing: boolean;
  /** None: connections of the type have no state. */
  state?: unknown;
}

/** A connection of a loaded actor. */
export interface HeldConnection {
  readonly id: string;
  readonly process: string;
  readonly params: unknown;
  readonly mirror: Mirror;
  /** Whether attempts find it among those that are connected. */
  readonly isListed: boolean;
}

/** What attempts need of their actor's connections. */
export interface HeldConnections {
  find(id: string): HeldConnection | undefined;
  /** An attempt is about to look into its cell. */
  touch(id: string): void;
  all(): Iterable<HeldConnection>;
  /** Whether connections have a state. */
  readonly haveState: boolean;
  /** An attempt that ended these has passed: their cells are no more. */
  gone(ids: Iterable<string>): void;
  /** An attempt that closed these is durable. */
  closed(ids: Iterable<string>): void;
}

/** The cell of a connection. */
export function cellOf(id: string): string {
  return `${CELLS}${id}`;
}

/** The connection whose cell it is. */
export function connectionOf(cell: string): string | undefined {
  return cell.startsWith(CELLS) ? cell.slice(CELLS.length) : undefined;
}

const CELLS = "connection/";

/** What attempts at the hook that ends a connection are called. */
export const CLOSE_HOOK = "connection.close";

/** One of them, as user code holds it. */
export interface AttemptConnection {
  readonly id: string;
}

export function isConnection(value: unknown): value is AttemptConnection {
  return value instanceof ConnectionView;
}

/** The connections that one attempt has looked at. */
export class AttemptConnections {
  readonly #attempt: Attempt;
  readonly #held: HeldConnections;
  readonly #views = new Map<string, AttemptConnection>();
  readonly #ended = new Set<string>();
  readonly #closed = new Set<string>();

  constructor(attempt: Attempt, held: HeldConnections) {
    this.#attempt = attempt;
    this.#held = held;
  }

  /** Throws `connection_closed` if it is no more. */
  view(id: string): AttemptConnection {
    const known = this.#views.get(id);
    if (known !== undefined) return known;
    const held = this.#held.find(id);
    if (held === undefined) throw say.connectionClosed(this.#attempt.owner.name);
    const view = new ConnectionView(this.#attempt, held, this.#held.haveState, () => this.#closed.add(id));
    this.#views.set(id, view);
    return view;
  }

  *views(): Generator<AttemptConnection> {
    for (const { id, isListed } of [...this.#held.all()]) {
      if (isListed && !this.#closed.has(id) && this.#held.find(id) !== undefined) yield this.view(id);
    }
  }

  /** Ends it with the commit. */
  end(id: string): void {
    this.cell(id).end();
    this.#ended.add(id);
  }

  /** `connection.open` has ended well. */
  admit(id: string): void {
    (this.cell(id).value as ConnectionCell).open = true;
  }

  /** What the attempt sees of its cell. Throws `connection_closed` if it is no more. */
  cell(id: string): Draft {
    const held = this.#held.find(id);
    if (held === undefined) throw say.connectionClosed(this.#attempt.owner.name);
    this.#held.touch(id);
    return this.#attempt.cell(cellOf(id), held.mirror);
  }

  /** The attempt has passed. */
  passed(): void {
    if (this.#ended.size > 0) this.#held.gone(this.#ended);
  }

  /** Its commit is durable. */
  committed(): void {
    if (this.#closed.size > 0) this.#held.closed(this.#closed);
  }

  /** Begins anew: what `apply` did is taken back. */
  forget(): void {
    this.#closed.clear();
  }
}

/** What user code sees of a connection. */
class ConnectionView implements AttemptConnection {
  readonly id: string;
  readonly #attempt: Attempt;
  readonly #held: HeldConnection;
  readonly #hasState: boolean;
  readonly #noteClosed: () => void;
  #params: { readonly value: unknown } | undefined;

  constructor(attempt: Attempt, held: HeldConnection, hasState: boolean, noteClosed: () => void) {
    this.id = held.id;
    this.#attempt = attempt;
    this.#held = held;
    this.#hasState = hasState;
    this.#noteClosed = noteClosed;
  }

  get params(): unknown {
    this.#params ??= { value: copy(this.#held.params) };
    return this.#params.value;
  }

  get state(): unknown {
    return this.#stateful().state;
  }

  set state(next: unknown) {
    this.#stateful().state = next;
  }

  [RAW_STATE](): unknown {
    if (!this.#hasState) return undefined;
    return (this.#attempt.connections.cell(this.id).raw() as ConnectionCell).state;
  }

  send(event: unknown, payload: unknown): void {
    this.#attempt.broadcast(event, payload, { to: this.id });
  }

  close(): void {
    this.#cell().closing = true;
    this.#noteClosed();
  }

  #stateful(): ConnectionCell {
    if (!this.#hasState) throw say.noConnectionState(this.#attempt.owner.type);
    return this.#cell();
  }

  #cell(): ConnectionCell {
    return this.#attempt.connections.cell(this.id).value as ConnectionCell;
  }
}
