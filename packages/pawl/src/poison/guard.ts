/**
 * Finds what takes the process of a runtime down with it.
 *
 * After an end that was no clean one, every attempt is marked before its body begins, in a row of the store's own; before that
 * nothing is. What was at work at a second such end within ten minutes is under suspicion: it runs last, and one at a time. A
 * suspect that was alone with a death three times is quarantined, by name, until somebody releases it. Its settling, and a clean
 * end, clear it; a death with several at work says nothing of any. Where the marks are, and what a death makes of them, is the
 * ledger's.
 */
import type { Attempt } from "../attempt.ts";
import type { Logger } from "../log.ts";
import type { Gate } from "./guarded-bodies.ts";
import type { Ledger } from "./ledger.ts";
import { isQuarantined, type Marks, quarantinedOf, SUSPICIOUS_MS } from "./marks.ts";
import { actorOf, isOfRun, titleOf } from "./names.ts";

export interface GuardOptions {
  readonly ledger: Ledger;
  readonly log: Logger;
  now(): number;
  after(ms: number, run: () => void): () => void;
  /** Somebody has released what was under suspicion of an actor: in another process. */
  released(actor: string): void;
  /** An attempt is quarantined, as is found again and again. */
  quarantined(actor: string): void;
}

/** For so long nothing else must have begun or ended before a suspect does. */
const QUIET_MS = 250;
/** After so long a suspect's turn has come, however much else there is to do: what would begin waits. */
const PATIENCE_MS = 10_000;
/** For so long nothing begins beside a suspect: twice as long for each further death of the last ten minutes. */
const ALONE_MS = 2_000;
const ALONE_MAX_MS = 60_000;
/** How often it is looked what other processes have done to the marks that they share, while there are any. */
const REFRESH_MS = 1_000;

export class Guard implements Gate {
  readonly #options: GuardOptions;
  /** The suspect that is at work, and whether others must not begin beside it. */
  #alone: { readonly name: string; isOver: boolean } | undefined;
  /** Since when a suspect waits. */
  #waitingSince: number | undefined;
  readonly #suspects = new Map<string, (() => void)[]>();
  #others: (() => void)[] = [];
  #quiet: (() => void) | undefined;
  #isClosed = false;
  #isRefreshing = false;
  /** A death is being looked into: whoever takes over from the dead waits for it. */
  #looking: Promise<void> | undefined;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  get #marks(): Marks {
    return this.#options.ledger.marks;
  }

  /** Its process is taken for dead. For tests. */
  abandon(): void {
    this.#isClosed = true;
    this.#options.ledger.abandon();
  }

  /** Reads what an earlier process has left, and notes that one is at work. */
  async open(): Promise<void> {
    const { ledger, log } = this.#options;
    if (await ledger.open()) this.#tellOfDeath();
    for (const [suspect] of quarantinedOf(this.#marks))
      log.error({ attempt: titleOf(suspect) }, "an attempt is quarantined: it has taken its process down three times");
    this.#keepFresh();
  }

  #tellOfDeath(): void {
    const named = [...this.#marks.suspects.keys()].map(titleOf);
    // To be killed is how many processes end: that is only worth a line once somebody is suspected of it.
    this.#options.log[named.length === 0 ? "debug" : "warn"](
      { suspects: named },
      "a process did not end well: attempts are marked before they begin",
    );
  }

  /** A death is being looked into: what is loaded afterwards is guarded as it says. */
  get looking(): Promise<void> | undefined {
    return this.#looking;
  }

  /** Other processes that share the marks have died, or have not been heard of for the time of a lease. */
  died(processes: readonly string[]): void {
    this.#options.ledger.heard?.(processes);
    if (this.#options.ledger.refresh !== undefined) this.#lookInto(() => this.#refresh());
  }

  /** This one had not been heard of, and others may have taken it for dead. */
  lapsed(): void {
    const { ledger } = this.#options;
    if (ledger.revive !== undefined) this.#lookInto(async () => ledger.revive?.());
  }

  #lookInto(look: () => Promise<void>): void {
    if (this.#isClosed) return;
    const failed = (err: unknown) =>
      this.#options.log.error({ err }, "what a process that died has left could not be looked into");
    const looking: Promise<void> = look()
      .catch(failed)
      .then(() => {
        if (this.#looking === looking) this.#looking = undefined;
        this.#keepFresh();
      });
    this.#looking = looking;
  }

  async #refresh(): Promise<void> {
    const { ledger, released, quarantined } = this.#options;
    if (ledger.refresh === undefined || this.#isClosed) return;
    const before = [...this.#marks.suspects.keys()];
    if (await ledger.refresh()) this.#tellOfDeath();
    const gone = before.filter((name) => !this.#marks.suspects.has(name));
    for (const actor of new Set(gone.map(actorOf))) released(actor);
    for (const name of quarantinedOf(this.#marks).keys()) quarantined(actorOf(name));
  }

  /** As long as there are marks that others may change, they are looked at. */
  #keepFresh(): void {
    if (this.#options.ledger.refresh === undefined || this.#isRefreshing || this.#isClosed || !this.isOn) return;
    this.#isRefreshing = true;
    this.#options.after(REFRESH_MS, () => {
      this.#refresh()
        .catch((err: unknown) => this.#options.log.debug({ err }, "the marks of other processes could not be read"))
        .finally(() => {
          this.#isRefreshing = false;
          this.#keepFresh();
        });
    });
  }

  /** Whether attempts are marked before they begin, or some must not begin at all. */
  get isOn(): boolean {
    return this.#isMarking || this.#marks.suspects.size > 0;
  }

  isQuarantined(name: string): boolean {
    return isQuarantined(this.#marks, name);
  }

  /** What is quarantined of the workflow of an actor: one attempt, if any. */
  holds(actor: string): string | undefined {
    return [...quarantinedOf(this.#marks).keys()].find((name) => actorOf(name) === actor && isOfRun(name));
  }

  /** The attempts of an actor that are under suspicion, or quarantined: how often each was alone with a death. */
  suspectsOf(actor: string): ReadonlyMap<string, number> {
    return new Map([...this.#marks.suspects].filter(([name]) => actorOf(name) === actor));
  }

  /** Resolves when the attempt of this name is marked, and may begin. */
  async begin(name: string): Promise<void> {
    if (this.#isClosed) return never();
    if (!this.#isMarking) return;
    this.#stir();
    if (this.#marks.suspects.has(name)) await this.#turnOf(name);
    else await this.#besideSuspects();
    this.#marks.working.add(name);
    await this.#write();
    if (this.#isClosed) return never();
  }

  begun(name: string, attempt: Attempt | undefined): void {
    if (!this.#marks.working.has(name)) return;
    if (attempt === undefined || !attempt.isRunning) this.#end(name);
    else attempt.whenOver = () => this.#end(name);
  }

  /** Marks count until ten minutes after the last death, or as long as there are suspects. */
  get #isMarking(): boolean {
    const last = this.#marks.deaths.at(-1);
    if (last !== undefined && this.#options.now() - last < SUSPICIOUS_MS) return true;
    return [...this.#marks.suspects.keys()].some((name) => !this.isQuarantined(name));
  }

  #end(name: string): void {
    if (this.#isClosed || !this.#marks.working.delete(name)) return;
    this.#marks.suspects.delete(name);
    if (this.#alone?.name === name) this.#alone = undefined;
    this.#stir();
    this.#admit();
    this.#write().catch((err: unknown) =>
      this.#options.log.error({ err }, "the end of a marked attempt was not noted"),
    );
  }

  /** Resolves when it is this suspect's turn: nothing else is at work. */
  #turnOf(name: string): Promise<void> {
    this.#waitingSince ??= this.#options.now();
    return new Promise((resolve) => {
      // Calls of one action have one name, and go together.
      this.#suspects.set(name, [...(this.#suspects.get(name) ?? []), resolve]);
      this.#options.after(PATIENCE_MS, () => this.#admit());
    });
  }

  /** Resolves when no suspect has to be alone, nor has waited for too long. */
  async #besideSuspects(): Promise<void> {
    while (this.#holdsOthers) await new Promise<void>((resolve) => this.#others.push(resolve));
  }

  get #holdsOthers(): boolean {
    if (this.#alone !== undefined) return !this.#alone.isOver;
    return this.#waitingSince !== undefined && this.#options.now() - this.#waitingSince >= PATIENCE_MS;
  }

  /** Something has begun or ended: the next suspect waits until nothing more does. */
  #stir(): void {
    this.#quiet?.();
    this.#quiet = this.#options.after(QUIET_MS, () => {
      this.#quiet = undefined;
      this.#admit();
    });
  }

  #admit(): void {
    if (this.#isClosed) return;
    const isQuiet = this.#quiet === undefined || this.#holdsOthers;
    if (this.#alone === undefined && this.#suspects.size > 0 && this.#marks.working.size === 0 && isQuiet)
      return this.#admitSuspect();
    if (!this.#holdsOthers) for (const go of this.#others.splice(0)) go();
  }

  /** The one that is least suspected. */
  #admitSuspect(): void {
    const count = (name: string) => this.#marks.suspects.get(name) ?? 0;
    const [first] = [...this.#suspects.keys()].sort((a, b) => count(a) - count(b));
    if (first === undefined) return;
    const all = this.#suspects.get(first) ?? [];
    this.#suspects.delete(first);
    this.#waitingSince = this.#suspects.size > 0 ? this.#options.now() : undefined;
    const alone = { name: first, isOver: false };
    this.#alone = alone;
    const ms = Math.min(ALONE_MS * 2 ** Math.max(this.#marks.deaths.length - 2, 0), ALONE_MAX_MS);
    this.#options.after(ms, () => {
      alone.isOver = true;
      this.#admit();
    });
    for (const go of all) go();
  }

  /** Lets go of what is quarantined of an actor, and forgets every suspicion of it. Resolves to whether there was any. */
  async release(actor: string): Promise<boolean> {
    const names = [...this.suspectsOf(actor).keys()];
    for (const name of names) this.#marks.suspects.delete(name);
    if (names.length > 0) await this.#write();
    return names.length > 0;
  }

  /** The process ends well: nobody who was at work, or waited for it, is under suspicion for it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#quiet?.();
    const begun = [...this.#marks.working, ...this.#suspects.keys()];
    await this.#options.ledger.close(new Set(begun.filter((name) => !this.isQuarantined(name))));
  }

  #write(): Promise<void> {
    return this.#options.ledger.write();
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
