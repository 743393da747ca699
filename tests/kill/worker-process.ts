/** A worker process, seen from its parent, which remembers what it has been told. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Command {
  readonly id: string;
  readonly key: string;
  readonly kind: "put" | "work" | "stop" | "result" | "read";
}

type Report =
  | { readonly opening: true }
  | { readonly open: true }
  | { readonly ack: string; readonly value?: unknown }
  | { readonly refused: string; readonly code: string }
  | { readonly ran: string; readonly key: string }
  | { readonly done: string };

/** Everything that was told by any worker. Lives outside of the store, and outside of what is killed. */
export class Notebook {
  readonly acknowledged: Set<string> = new Set();
  readonly refused: Map<string, string> = new Map();
  readonly done: Set<string> = new Set();
  readonly problems: string[] = [];
  readonly #keys = new Map<string, string>();
  readonly #labels = new Map<string, string>();

  note(report: Report): void {
    if ("ack" in report) this.acknowledged.add(report.ack);
    else if ("refused" in report) this.refused.set(report.refused, report.code);
    else if ("done" in report) this.done.add(report.done);
    else if ("ran" in report) this.#noteRun(report.ran, report.key);
  }

  #noteRun(label: string, key: string): void {
    if (this.done.has(label)) this.problems.push(`${label} was run again although it was durable`);
    if ((this.#keys.get(label) ?? key) !== key) this.problems.push(`${label} has two idempotency keys`);
    if ((this.#labels.get(key) ?? label) !== label)
      this.problems.push(`${label} has the key of ${this.#labels.get(key)}`);
    this.#keys.set(label, key);
    this.#labels.set(key, label);
  }
}

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #notebook: Notebook;
  readonly #waiting = new Map<string, (value: unknown) => void>();
  readonly #stages = { opening: stage(), open: stage() };
  readonly #exited: Promise<string>;
  #onReport: (() => void) | undefined;
  #stderr = "";
  reports = 0;

  constructor(store: string, notebook: Notebook, script = "worker.mjs") {
    this.#notebook = notebook;
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), [store], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      execArgv: [],
      serialization: "advanced",
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#child.on("message", (report) => this.#hear(report as Report));
    // "close" comes after everything that was still in the pipes.
    this.#exited = new Promise((resolve) =>
      this.#child.on("close", (code, signal) => resolve(signal ?? `code ${code}`)),
    );
  }

  /** Resolves when the worker is about to open the store, or has. */
  reached(name: "opening" | "open"): Promise<void> {
    const died = this.#exited.then((how) => {
      throw new Error(`the worker ended by ${how} before it was ${name}:\n${this.#stderr}`);
    });
    return Promise.race([this.#stages[name].reached, died]);
  }

  command(command: Command): void {
    if (this.#child.connected) this.#child.send(command, () => {});
  }

  /** A command whose answer is awaited. */
  ask(command: Command): Promise<unknown> {
    return new Promise((resolve) => {
      this.#waiting.set(command.id, resolve);
      this.command(command);
    });
  }

  /** Calls back on every report from now on. */
  onReport(callback: () => void): void {
    this.#onReport = callback;
  }

  /** Kills it, and waits until it is gone and everything that it had told is noted. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    const how = await this.#exited;
    if (how !== "SIGKILL") throw new Error(`the worker was to be killed, but ended by ${how}:\n${this.#stderr}`);
  }

  #hear(report: Report): void {
    this.reports += 1;
    if ("opening" in report) this.#stages.opening.reach();
    else if ("open" in report) this.#stages.open.reach();
    else this.#notebook.note(report);
    if ("ack" in report) this.#waiting.get(report.ack)?.(report.value);
    this.#onReport?.();
  }
}

function stage(): { readonly reached: Promise<void>; readonly reach: () => void } {
  let reach = () => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  return { reached, reach };
}
