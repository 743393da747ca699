/** Threads that share one store, as a test speaks to them. */
import { Worker } from "node:worker_threads";

interface Report {
  readonly open?: true;
  readonly id?: number;
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
  readonly heard?: Heard;
}

export interface Heard {
  readonly event: string;
  readonly payload: unknown;
  readonly seq: number;
}

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What a thread answers with when it cannot do something. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class Colleague {
  readonly worker: Worker;
  readonly gone: Promise<number>;
  readonly heard: Heard[] = [];
  readonly #open: Promise<void>;
  readonly #waiting = new Map<number, Waiter>();
  #asked = 0;
  #hears: (() => void)[] = [];

  constructor(store: string, limits: object = {}) {
    const workerData = { store, limits };
    this.worker = new Worker(new URL("colleague.mjs", import.meta.url), { workerData, execArgv: [] });
    this.worker.on("error", () => {});
    let opened = () => {};
    this.#open = new Promise((resolve) => {
      opened = resolve;
    });
    this.gone = new Promise((resolve) => {
      this.worker.on("exit", (code) => {
        for (const { reject } of this.#waiting.values()) reject(new Refusal("gone", "the thread has ended"));
        resolve(code);
      });
    });
    this.worker.on("message", (report: Report) => {
      if (report.open === true) opened();
      else if (report.heard !== undefined) this.#hear(report.heard);
      else if (report.id !== undefined) this.#answer(report.id, report);
    });
  }

  /** A thread whose runtime has started. */
  static async start(store: string, limits?: object): Promise<Colleague> {
    const colleague = new Colleague(store, limits);
    await colleague.#open;
    return colleague;
  }

  do(verb: string, rest: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, verb, ...rest });
    });
  }

  act(on: string, key: string, name: string, arg?: unknown): Promise<unknown> {
    return this.do("act", { on, key, name, arg });
  }

  /** Resolves when it has heard so many events. */
  async hears(count: number): Promise<readonly Heard[]> {
    while (this.heard.length < count) await new Promise<void>((resolve) => this.#hears.push(resolve));
    return this.heard;
  }

  #hear(heard: Heard): void {
    this.heard.push(heard);
    for (const resolve of this.#hears.splice(0)) resolve();
  }

  #answer(id: number, { value, code, message }: Report): void {
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (code === undefined) waiter?.resolve(value);
    else waiter?.reject(new Refusal(code, message ?? ""));
  }
}
