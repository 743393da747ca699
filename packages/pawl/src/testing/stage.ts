/** What runs are at: which steps have begun, what is waited for. Puts replaced bodies and vars in. */
import type { AnyDefinition } from "../actor.ts";
import { type Body, type Wait, withSeam } from "../seam.ts";
import type { LogLine } from "./log.ts";
import type { Settings } from "./options.ts";

export class Stage {
  readonly #steps: Settings["steps"];
  readonly #vars: Settings["vars"];
  readonly #replaced = new Set<string>();
  /** By `type/key`. */
  readonly #waits = new Map<string, Set<Wait>>();
  /** Why runs are parked, by `type/key`. */
  readonly #parked = new Map<string, string>();
  /** Steps whose bodies have begun in this process, as `type/key` and the step's name. */
  readonly #begun = new Set<string>();
  readonly #listeners = new Set<(actor: string, step: string) => void>();

  constructor({ steps, vars }: Settings) {
    this.#steps = steps;
    this.#vars = vars;
  }

  /** A definition as it is played here. */
  define(type: string, own: AnyDefinition): AnyDefinition {
    const { workflow } = own;
    const vars = this.#vars[type];
    const played: AnyDefinition = {
      ...own,
      ...(vars === undefined ? {} : { vars }),
      ...(workflow === undefined
        ? {}
        : {
            workflow: (ctx, input) => {
              this.#begins(`${type}/${ctx.key}`);
              return workflow(ctx, input);
            },
          }),
    };
    return withSeam(played, {
      body: (key, step, body) => this.#body(type, key, step, body),
      waits: (key, wait, over) => this.#noteWait(`${type}/${key}`, wait, over),
    });
  }

  /** What the run of an actor waits for now. */
  waits(actor: string): Iterable<Wait> {
    return this.#waits.get(actor) ?? [];
  }

  /** What its error says, if the run of an actor is parked. */
  parkedBecause(actor: string): string | undefined {
    return this.#parked.get(actor);
  }

  /** Takes note of what the log says about runs. */
  hear({ fields, message }: LogLine): void {
    const { actor, code } = fields as { readonly actor?: unknown; readonly code?: unknown };
    if (code === "history_diverged" && typeof actor === "string") this.#parked.set(actor, message);
  }

  /** Resolves when the body of a step begins; at once if it has begun in this process. `forget` ends the wait. */
  begins(actor: string, step: string): { readonly promise: Promise<void>; readonly forget: () => void } {
    let resolve: () => void = () => {};
    const promise = new Promise<void>((begun) => {
      resolve = begun;
    });
    const listener = (...begun: [string, string]) => {
      if (begun[0] === actor && begun[1] === step) resolve();
    };
    this.#listeners.add(listener);
    if (this.#begun.has(stepOf(actor, step))) resolve();
    return { promise, forget: () => void this.#listeners.delete(listener) };
  }

  /** The process is dead, and with it every run. */
  clear(): void {
    this.#waits.clear();
    this.#parked.clear();
    this.#begun.clear();
  }

  /** Replaced steps to which no run has come, as `type.step`. */
  unused(): string[] {
    return Object.entries(this.#steps).flatMap(([type, bodies = {}]) =>
      Object.keys(bodies)
        .map((step) => `${type}.${step}`)
        .filter((step) => !this.#replaced.has(step)),
    );
  }

  #body(type: string, key: string, step: string, own: Body): Body {
    const bodies = this.#steps[type];
    const replaced = bodies !== undefined && Object.hasOwn(bodies, step) ? bodies[step] : undefined;
    if (replaced !== undefined) this.#replaced.add(`${type}.${step}`);
    const body = replaced ?? own;
    return (c) => {
      this.#begun.add(stepOf(`${type}/${key}`, step));
      for (const listener of this.#listeners) listener(`${type}/${key}`, step);
      return body(c);
    };
  }

  #begins(actor: string): void {
    this.#waits.delete(actor);
    this.#parked.delete(actor);
  }

  #noteWait(actor: string, wait: Wait, over: Promise<unknown>): void {
    const waits = this.#waits.get(actor) ?? new Set();
    this.#waits.set(actor, waits.add(wait));
    const ended = () => void waits.delete(wait);
    over.then(ended, ended);
  }
}

function stepOf(actor: string, step: string): string {
  return `${actor}\n${step}`;
}
