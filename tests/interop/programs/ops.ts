/** Programs as data: what a workflow does, written down, so that any engine can run it and any seed can make one. */

/** A step's fate. `fails` is how many attempts throw before one succeeds; "always" exhausts it. */
export interface StepShape {
  readonly name: string;
  /** What the body returns when it succeeds. */
  readonly value: unknown;
  readonly fails?: number | "always" | "critical" | "timeout";
  readonly maxRetries?: number;
  readonly ephemeral?: boolean;
  /** Whether the step registers a rollback handler. */
  readonly undo?: boolean;
}

/** A wait for messages. `timeout` in milliseconds. */
export interface WaitShape {
  readonly name: string;
  /** Absent: any message. */
  readonly names?: readonly string[];
  readonly timeout?: number;
  readonly completable?: boolean;
}

/** One operation of a workflow. Names are unique in their scope. */
export type Op =
  | ({ readonly do: "step" } & StepShape)
  | ({ readonly do: "tryStep" } & StepShape)
  | { readonly do: "try"; readonly name: string; readonly body: Program }
  | {
      readonly do: "loop";
      readonly name: string;
      readonly times: number;
      readonly prune?: number;
      readonly body: Program;
    }
  /** A loop without state: until a message with the body "stop" comes. */
  | { readonly do: "until"; readonly name: string; readonly message: string; readonly body: Program }
  | { readonly do: "sleep"; readonly name: string; readonly ms: number }
  | ({ readonly do: "next" } & WaitShape)
  | ({ readonly do: "nextBatch"; readonly count: number } & WaitShape)
  | { readonly do: "join"; readonly name: string; readonly branches: Readonly<Record<string, Program>> }
  | { readonly do: "race"; readonly name: string; readonly branches: Readonly<Record<string, Program>> }
  | { readonly do: "removed"; readonly name: string; readonly kind: "step" | "sleep" | "loop" }
  | { readonly do: "getVersion"; readonly name: string; readonly latest: number }
  | { readonly do: "checkpoint"; readonly name: string };

export type Program = readonly Op[];

/** A program, and the messages that arrive while it waits for them, in order. */
export interface Story {
  readonly title: string;
  readonly program: Program;
  readonly messages: readonly { readonly name: string; readonly data: unknown }[];
}

/** Whether branches run side by side: then the order of names and rows is the scheduler's. */
export function isParallel(program: Program): boolean {
  return program.some(
    (op) => op.do === "join" || op.do === "race" || ("body" in op && Array.isArray(op.body) && isParallel(op.body)),
  );
}
