/** Processes that run `bank.mjs`, or another script that does the same, and what is asked of them. What they acknowledge is remembered here, outside of what is killed. */
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { Random } from "../random.ts";

export const START = 1_000;

export interface Transfer {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  readonly kind: "send" | "pay";
}

interface Account {
  readonly balance: number;
  /** How often, by the transfer's id. */
  readonly paid: Readonly<Record<string, number>>;
  readonly received: Readonly<Record<string, number>>;
  /** Whoever has written, in order. */
  readonly owners: readonly { readonly name: string; readonly writes: number }[];
}

type Command = { readonly id: string; readonly key: string; readonly kind: string } & Partial<Omit<Transfer, "kind">>;
type Report = { open: true } | { ack: string; value: unknown } | { refused: string; code: string; message: string };

/** One process. */
export class Teller {
  readonly child: ChildProcess;
  readonly gone: Promise<void>;
  readonly #waiting = new Map<string, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #dead = false;

  constructor(store: string, script: URL) {
    this.child = fork(fileURLToPath(script), [store], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
      serialization: "advanced",
    });
    this.child.on("message", (report) => this.#hear(report as Report));
    this.gone = new Promise((resolve) => {
      this.child.on("exit", () => {
        this.#dead = true;
        for (const { reject } of this.#waiting.values()) reject(new Error("died"));
        resolve();
      });
    });
  }

  ask(command: Command): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#dead || !this.child.connected) return reject(new Error("died"));
      this.#waiting.set(command.id, { resolve, reject });
      this.child.send(command, () => {});
    });
  }

  #hear(report: Report): void {
    if ("ack" in report) this.#take(report.ack)?.resolve(report.value);
    else if ("refused" in report) this.#take(report.refused)?.reject(new Error(report.code));
  }

  #take(id: string): { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

export class Bank {
  readonly tellers: Teller[];
  readonly accounts: readonly string[];
  readonly issued: Map<string, Transfer> = new Map();
  readonly acknowledged: Set<string> = new Set();
  /** How often a transfer was refused, by code. */
  readonly refusals: Map<string, number> = new Map();
  readonly #store: string;
  readonly #dice: Random;
  readonly #script: URL;
  #isOpen = true;
  #questions = 0;

  constructor(
    store: string,
    tellers: number,
    accounts: number,
    dice: Random,
    script: URL = new URL("bank.mjs", import.meta.url),
  ) {
    this.#store = store;
    this.#dice = dice;
    this.#script = script;
    this.tellers = Array.from({ length: tellers }, () => new Teller(store, script));
    this.accounts = Array.from({ length: accounts }, (_, n) => `a${n}`);
  }

  /** Puts another process in the place of one that has died. */
  replace(place: number): void {
    this.tellers[place] = new Teller(this.#store, this.#script);
  }

  /** Has transfers made, so many at once, until `close`. */
  async employ(atOnce: number): Promise<void> {
    await Promise.all(Array.from({ length: atOnce }, () => this.#work()));
  }

  close(): void {
    this.#isOpen = false;
  }

  async #work(): Promise<void> {
    const dice = this.#dice;
    while (this.#isOpen) {
      const id = `${this.issued.size}`;
      const [from, to] = [dice.of(this.accounts), dice.of(this.accounts)];
      if (from === to) continue;
      const transfer: Transfer = { id, from, to, amount: 1 + dice.below(50), kind: dice.of(["send", "pay"] as const) };
      this.issued.set(id, transfer);
      // Any process will do: who has the actor is its own business.
      await (dice.of(this.tellers) as Teller).ask({ ...transfer, key: from }).then(
        () => void this.acknowledged.add(id),
        (error: Error) => {
          this.refusals.set(error.message, (this.refusals.get(error.message) ?? 0) + 1);
          // Pace, where a process is down: not a wait for anything.
          return setTimeout(20);
        },
      );
    }
  }

  /** Asks any process until one answers: of questions that may be asked twice. */
  async ask(command: { readonly key: string; readonly kind: "read" | "result" }): Promise<unknown> {
    for (let n = this.#dice.below(this.tellers.length); ; n++) {
      const teller = this.tellers[n % this.tellers.length] as Teller;
      try {
        return await teller.ask({ ...command, id: `question ${this.#questions++}` });
      } catch {
        await setTimeout(20);
      }
    }
  }

  async #read(): Promise<Map<string, Account>> {
    const read = async (key: string) => [key, (await this.ask({ key, kind: "read" })) as Account] as const;
    return new Map(await Promise.all(this.accounts.map(read)));
  }

  /** Waits until nothing is under way any more, and looks whether all is as it must be. */
  async audit(patience: number): Promise<void> {
    let accounts = new Map<string, Account>();
    const open = async () => {
      accounts = await this.#read();
      return [...this.issued.values()].filter((transfer) => !isSettled(transfer, accounts, this.acknowledged));
    };
    const stuck = async () =>
      (await open()).map((it) => ({
        ...it,
        acknowledged: this.acknowledged.has(it.id),
        paid: accounts.get(it.from)?.paid[it.id],
        received: accounts.get(it.to)?.received[it.id],
      }));
    await expect.poll(stuck, { timeout: patience, interval: 200 }).toEqual([]);
    for (const { id, from, to } of this.issued.values()) {
      const [paid, received] = [accounts.get(from)?.paid[id] ?? 0, accounts.get(to)?.received[id] ?? 0];
      expect(paid, `transfer ${id} from ${from} to ${to}`).toBe(received);
      expect(paid, `transfer ${id} from ${from} to ${to}`).toBeLessThanOrEqual(1);
    }
    const total = [...accounts.values()].reduce((sum, { balance }) => sum + balance, 0);
    expect(total, "the total of all accounts").toBe(this.accounts.length * START);
    for (const [key, { owners }] of accounts) {
      const names = owners.map(({ name }) => name);
      expect(new Set(names).size, `${key} was written by ${names.length} owners, one after the other`).toBe(
        names.length,
      );
    }
  }

  end(): void {
    for (const { child } of this.tellers) child.kill("SIGKILL");
  }
}

/** One that was acknowledged must be there at both ends; of another, either neither end knows, or both do. */
function isSettled({ id, from, to }: Transfer, accounts: Map<string, Account>, acknowledged: Set<string>): boolean {
  const [paid, received] = [accounts.get(from)?.paid[id], accounts.get(to)?.received[id]];
  return acknowledged.has(id) ? paid !== undefined && received !== undefined : paid === received;
}
