/** What a program's bodies do, written down outside of the store: it outlives every crash. */

/** What a body's context has that is looked at here. */
interface Attempt {
  readonly attempt: number;
  readonly idempotencyKey: string;
  afterCommit(fn: () => void): void;
}

export class Watch {
  /** How often each body was started. */
  readonly runs: Map<string, number> = new Map();
  /** What must not happen, and did. */
  readonly faults: string[] = [];
  readonly #keys = new Map<string, string>();
  readonly #ended = new Set<string>();
  readonly #gates = new Map<string, { readonly opened: Promise<void>; readonly open: () => void }>();

  /** How often any body was started. */
  get progress(): number {
    let runs = 0;
    for (const count of this.runs.values()) runs += count;
    return runs;
  }

  /** A body starts. It must not have ended before, and has the idempotency key that it had in every other attempt. */
  ran(c: Attempt, body: string): void {
    this.runs.set(body, (this.runs.get(body) ?? 0) + 1);
    if (this.#ended.has(body)) this.faults.push(`${body} was run again although its outcome was durable`);
    const key = this.#keys.get(body) ?? c.idempotencyKey;
    if (key !== c.idempotencyKey) this.faults.push(`${body} has two idempotency keys`);
    this.#keys.set(body, key);
    c.afterCommit(() => this.ended(body));
  }

  /** A body's outcome is known, and so it is durable. */
  ended(body: string): void {
    this.#ended.add(body);
  }

  /** Resolves when `open` is called with this name: for bodies that something else must come between. */
  gate(name: string): Promise<void> {
    return this.#gate(name).opened;
  }

  open(name: string): void {
    this.#gate(name).open();
  }

  #gate(name: string): { readonly opened: Promise<void>; readonly open: () => void } {
    const known = this.#gates.get(name);
    if (known !== undefined) return known;
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const gate = { opened, open };
    this.#gates.set(name, gate);
    return gate;
  }
}
