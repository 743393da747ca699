/** Programs from seeds: every seed gives one story, for ever the same. */
import { type Random, random } from "../../random.ts";
import type { Op, Program, Story } from "./ops.ts";

/** The story of a seed. */
export function generate(seed: number): Story {
  const author = new Author(random(seed));
  const program = author.program(3, 3);
  return { title: `seed ${seed}`, program, messages: author.messages };
}

const VALUES: readonly unknown[] = [
  1,
  "text",
  null,
  undefined,
  true,
  12345678901234567890n,
  4.5,
  new Date(1_600_000_000_500),
  new Map<unknown, unknown>([["k", [1, 2]]]),
  new Set(["a", "b"]),
  new Uint8Array([1, 2, 3]),
  { nested: { list: [1, "two", { three: 3 }] } },
];

class Author {
  readonly messages: { name: string; data: unknown }[] = [];
  readonly #random: Random;
  #names = 0;

  constructor(chance: Random) {
    this.#random = chance;
  }

  program(length: number, depth: number): Program {
    return Array.from({ length: 1 + this.#random.below(length) }, () => this.#op(depth));
  }

  #op(depth: number): Op {
    const leaves = [
      this.#step,
      this.#step,
      this.#failing,
      this.#tryStep,
      this.#sleep,
      this.#message,
      this.#batch,
      this.#expired,
      this.#mark,
    ];
    const scopes = [this.#loop, this.#loop, this.#attempt, this.#join, this.#race];
    const kinds = depth > 0 && this.#random.below(5) < 3 ? scopes : leaves;
    return this.#random.of(kinds).call(this, depth - 1);
  }

  #name(kind: string): string {
    this.#names += 1;
    return `${kind}${this.#names}`;
  }

  /** `undefined` is one of the values, which `of` takes for nothing. */
  #value(): unknown {
    return VALUES[this.#random.below(VALUES.length)];
  }

  #step(): Op {
    const name = this.#name("step");
    return { do: "step", name, value: this.#value(), ephemeral: this.#random.below(4) === 0 };
  }

  #failing(): Op {
    return { do: "step", name: this.#name("flaky"), value: "at last", fails: 1 + this.#random.below(3) };
  }

  #tryStep(): Op {
    const fails = this.#random.of([0, 1, "always"] as const);
    return { do: "tryStep", name: this.#name("tried"), value: "tried", fails, maxRetries: 1 + this.#random.below(2) };
  }

  #sleep(): Op {
    return { do: "sleep", name: this.#name("sleep"), ms: 50 + this.#random.below(5000) };
  }

  #message(): Op {
    const completable = this.#random.below(3) === 0;
    const name = this.#name(completable ? "ack-" : "message");
    this.messages.push({ name, data: { n: this.#names } });
    return { do: "next", name: `wait-${name}`, names: [name], completable };
  }

  #batch(): Op {
    const name = this.#name("message");
    this.messages.push({ name, data: this.#value() });
    return { do: "nextBatch", name: `wait-${name}`, names: [name, "other"], count: 2, timeout: 60_000 };
  }

  #expired(): Op {
    return { do: "nextBatch", name: this.#name("never"), names: ["never"], count: 3, timeout: 100 };
  }

  #mark(): Op {
    return this.#random.of<Op>([
      { do: "removed", name: this.#name("gone"), kind: "step" },
      { do: "getVersion", name: this.#name("version"), latest: 2 },
      { do: "checkpoint", name: this.#name("checkpoint") },
    ]);
  }

  #loop(depth: number): Op {
    const times = 1 + this.#random.below(4);
    const before = this.messages.length;
    const name = this.#name("loop");
    const body = this.program(2, depth);
    // Each further iteration waits for the same names again.
    const wanted = this.messages.slice(before);
    for (let again = 1; again < times; again += 1) this.messages.push(...wanted);
    return { do: "loop", name, times, prune: 2, body };
  }

  #attempt(depth: number): Op {
    return { do: "try", name: this.#name("try"), body: this.program(2, depth) };
  }

  #join(depth: number): Op {
    return { do: "join", name: this.#name("join"), branches: { a: this.program(2, depth), b: this.program(2, depth) } };
  }

  /** The loser sleeps for longer than any winner, so that there is one answer. */
  #race(): Op {
    const loser: Program = [{ do: "sleep", name: this.#name("long"), ms: 100_000_000 }, this.#step()];
    return { do: "race", name: this.#name("race"), branches: { wins: [this.#step(), this.#sleep()], loses: loser } };
  }
}
