/**
 * Finds the step that takes its process down with it: marks each attempt before its body begins. What was at work when the process
 * died twice within ten minutes is under suspicion, and runs last and alone from then on; a suspect that has been alone with a death
 * three times is quarantined. Its settling, and any end of a run that is no death, clears it.
 */
import type { Attempt } from "../attempt.ts";
import { PawlError } from "../errors.ts";
import { isQuarantined, type Marks, noMarks } from "../poison/marks.ts";
import type { DriverPort } from "./driver-port.ts";
import { decodeMarks, encodeMarks, found, MARKS_KEY } from "./start-marks.ts";

/** For so long nothing else of the run must have begun before a suspect does. */
const QUIET_MS = 50;

export class PoisonGuard {
  readonly #port: DriverPort;
  readonly #actor: string;
  #marks: Marks = noMarks();
  /** What is at work, and what lets the next suspect go on once it has ended. */
  readonly #working = new Map<string, () => void>();
  /** Suspects that wait until nothing else of the run is at work. */
  #waiting: (() => void)[] = [];
  #written: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #isStored = false;
  /** How many have begun. */
  #count = 0;

  constructor(port: DriverPort, actor: string) {
    this.#port = port;
    this.#actor = actor;
  }

  /** Reads what an earlier process has left. */
  async open(): Promise<void> {
    const row = await this.#port.row(MARKS_KEY);
    this.#isStored = row !== undefined;
    this.#marks = row === undefined ? noMarks() : found(decodeMarks(row), Date.now());
    if (this.#isStored) await this.#write();
  }

  /** Resolves when the attempt of this name is marked, and may begin. Rejects with `quarantined`, and as the driver does. */
  async begin(name: string): Promise<void> {
    if (isQuarantined(this.#marks, name)) throw quarantined(name, this.#actor);
    const ended = this.#marks.suspects.has(name) ? await this.#alone(name) : ignored;
    this.#count += 1;
    this.#working.set(name, ended);
    this.#marks.working.add(name);
    await this.#write();
  }

  /** The attempt that has begun under this name; undefined: it will not. */
  begun(name: string, attempt: Attempt | undefined): void {
    if (attempt === undefined || !attempt.isRunning) this.#end(name);
    else attempt.whenOver = () => this.#end(name);
  }

  #end(name: string): void {
    const ended = this.#working.get(name);
    if (ended === undefined) return;
    this.#working.delete(name);
    this.#marks.working.delete(name);
    this.#marks.suspects.delete(name);
    ended();
    this.#wakeWaiting();
    this.#write().catch(ignored);
  }

  /** The run has ended, and its process has not died: whoever was at work is not under suspicion for it. */
  async close(): Promise<void> {
    for (const ended of this.#working.values()) ended();
    this.#working.clear();
    this.#wakeWaiting();
    await this.#written.catch(ignored);
    const isKept = [...this.#marks.suspects.keys()].some((name) => isQuarantined(this.#marks, name));
    if (!this.#isStored || isKept) return;
    this.#isStored = false;
    await clearMarks(this.#port);
  }

  #wakeWaiting(): void {
    if (this.#working.size > 0) return;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Resolves when no other suspect is at work, and nothing of this run is, to what lets the next one go on. */
  async #alone(name: string): Promise<() => void> {
    const ended = await suspectsTurn(this.#marks.suspects.get(name) ?? 0);
    // Between two steps of a branch nothing is at work, and it is not done.
    for (let seen = -1; seen !== this.#count; ) {
      while (this.#working.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      seen = this.#count;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
    return ended;
  }

  /** Writes the marks as they are when it comes to that. */
  #write(): Promise<void> {
    this.#next ??= this.#written.catch(ignored).then(() => {
      this.#next = undefined;
      this.#isStored = true;
      return this.#port.put(MARKS_KEY, encodeMarks(this.#marks));
    });
    this.#written = this.#next;
    return this.#next;
  }
}

/** Releases what is quarantined, and forgets every suspicion. */
export async function clearMarks(port: DriverPort): Promise<void> {
  if ((await port.row(MARKS_KEY)) !== undefined) await port.remove(MARKS_KEY);
}

function quarantined(name: string, actor: string): PawlError {
  return new PawlError(
    "quarantined",
    `"${name}" of "${actor}" is not run: the process died three times while it was alone at work.
  found     an attempt that takes its process down
  do        look at what its body does to memory, threads and native code; then release it: handle.recover()`,
    { data: { entry: name } },
  );
}

function ignored(): void {}

/** Suspects of this environment that wait for their turn, whatever runs they belong to. */
const waiting: { readonly deaths: number; readonly go: () => void }[] = [];
let isTaken = false;

/** One at a time, the least suspected first. Resolves to what ends the turn. */
async function suspectsTurn(deaths: number): Promise<() => void> {
  await new Promise<void>((go) => {
    waiting.push({ deaths, go });
    if (isTaken) return;
    isTaken = true;
    // Others are on their way.
    setTimeout(nextTurn, QUIET_MS);
  });
  let isOver = false;
  return () => {
    if (!isOver) nextTurn();
    isOver = true;
  };
}

function nextTurn(): void {
  const [next] = waiting.sort((one, two) => one.deaths - two.deaths).splice(0, 1);
  if (next === undefined) isTaken = false;
  else next.go();
}
