/**
 * A process of one side. Each engine has its own, so that neither's garbage, compiled code or async hooks burden the other;
 * only one of them works at a time.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { hosts } from "./engines/index.ts";

type Hosts = typeof hosts;
export type SideName = keyof Hosts;
type Methods<N extends SideName> = Awaited<ReturnType<Hosts[N]>>;
type Asked<F> = F extends (...args: infer A) => Promise<unknown> ? A : never;
type Answer<F> = F extends (...args: never[]) => Promise<infer R> ? R : never;

interface Question {
  readonly method: string;
  readonly args: readonly unknown[];
}

type Reply = { readonly value: unknown } | { readonly error: string };

/** A process to which questions are put, one at a time. */
export class Side<N extends SideName> {
  readonly #child: ChildProcess;

  constructor(name: N) {
    this.#child = fork(fileURLToPath(import.meta.url), [name], {
      execArgv: ["--expose-gc"],
      serialization: "advanced",
    });
  }

  /** Calls a method of the host, after a collection of its garbage. */
  ask<K extends keyof Methods<N> & string>(method: K, ...args: Asked<Methods<N>[K]>): Promise<Answer<Methods<N>[K]>> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null) =>
        reject(new Error(`the process of ${method} has ended with ${signal ?? code}`));
      this.#child.once("exit", ended);
      this.#child.once("message", (reply: Reply) => {
        this.#child.off("exit", ended);
        if ("error" in reply) reject(new Error(reply.error));
        else resolve(reply.value as Answer<Methods<N>[K]>);
      });
      this.#child.send({ method, args } satisfies Question);
    });
  }

  end(): void {
    this.#child.disconnect();
  }
}

/** The child's half. */
type Host = Record<string, (...args: readonly unknown[]) => Promise<unknown>>;

async function answer(host: Host, question: Question): Promise<Reply> {
  try {
    globalThis.gc?.();
    const method = host[question.method];
    if (method === undefined) throw new Error(`there is no ${question.method}`);
    return { value: await method.apply(host, [...question.args]) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  const host = hosts[process.argv[2] as SideName]() as Promise<unknown> as Promise<Host>;
  process.on("message", async (question: Question) => process.send?.(await answer(await host, question)));
  process.on("disconnect", () => process.exit());
}
