/** What is asked of an actor, wherever it is: values are encoded, so that it can travel to the process that has the actor. */
import { checkName } from "../actor.ts";
import { PawlError } from "../errors.ts";
import type { ReplayFrom } from "../loaded/past.ts";
import { randomKey } from "../loaded/random-key.ts";
import { badArgument, shown } from "../messages.ts";

/** Under what a call is remembered: a second one with the same key is the same call. */
export interface CallKey {
  /** The caller's key, or one of 32 hex digits that only this call has. */
  readonly text: string;
  /** How long the reply is remembered, in milliseconds; 0: not at all. */
  readonly keep: number;
  /** Whether a call that changed nothing is remembered, too. */
  readonly always: boolean;
}

/** An action that is asked for. */
export type ActionCall = Extract<ActorCall, { readonly kind: "action" }>;

export type ActorCall =
  | {
      readonly kind: "action";
      readonly name: string;
      readonly args: Uint8Array;
      readonly key: CallKey;
      /** The connection that it comes through. */
      readonly connection?: string;
      /** What it is part of, as `telemetry/carried.ts` has it. */
      readonly trace?: string;
      /** Whether an attempt waits for it. */
      readonly isPart?: true;
    }
  | {
      readonly kind: "send";
      readonly name: string;
      readonly body: Uint8Array;
      readonly delay: number;
      readonly key: CallKey | undefined;
    }
  | {
      readonly kind: "ask";
      readonly name: string;
      readonly body: Uint8Array;
      readonly asked: Asked;
      readonly key: CallKey | undefined;
    }
  | { readonly kind: "cancel"; readonly compensate: boolean; readonly reason: string | undefined }
  | { readonly kind: "destroy" }
  | { readonly kind: "result" }
  | { readonly kind: "create"; readonly input: Uint8Array | undefined; readonly ifExists: "keep" | "throw" }
  /** The actor is there, or is made if it needs no input. */
  | { readonly kind: "exist" }
  /** The answer to a message that was asked. */
  | { readonly kind: "answer"; readonly messageId: string; readonly name: string }
  | { readonly kind: "retry" }
  | { readonly kind: "replay"; readonly from: ReplayFrom }
  | { readonly kind: "state_at"; readonly entry: string }
  | { readonly kind: "inspect" }
  /** A client in `process` connects. */
  | { readonly kind: "connect"; readonly id: string; readonly process: string; readonly params: Uint8Array }
  | { readonly kind: "disconnect"; readonly id: string };

/** The message that was asked: none, until it is durable. Whoever has its id waits for its answer and sends none. */
export interface Asked {
  messageId?: string;
}

/** How long a caller's key is remembered: a day. */
export const KEEP_MS = 86_400_000;
/** How long a caller waits for an answer. */
export const CALL_TIMEOUT_MS = 30_000;

/** The key of a call that is made once. */
export function onlyCall(): CallKey {
  return { text: randomKey(), keep: 0, always: false };
}

/** The key that a caller has given, if it has. Throws `bad_argument`. */
export function callersKey(own: unknown, keep: number): CallKey | undefined {
  if (own === undefined) return undefined;
  checkName(own, "a call that is to happen once");
  return { text: own, keep, always: true };
}

/** `because`: why its actor does not go on, if that is known. */
export function callTimeout(what: string, ms: number, because?: string): PawlError {
  const why = because === undefined ? "" : `\n  because   ${because.split("\n").join("\n          ")}`;
  return new PawlError(
    "call_timeout",
    `${what} has not been answered within ${ms} ms. It may still happen.${why}
  do        look at the actor before calling again, or wait longer: handle.with({ timeout: "5m" })`,
    { retryable: true, outcome: "unknown" },
  );
}

/** Rejects when the time is up or the signal fires; the call itself goes on. Does not call if the signal has fired already. */
export function boundedBy<R>(
  call: () => Promise<R>,
  what: string,
  ms: number | undefined,
  signal: AbortSignal | undefined,
  after: (ms: number, run: () => void) => () => void,
  trouble?: () => string | undefined,
): Promise<R> {
  // By its methods: there are signals of other makes.
  if (signal !== undefined && typeof signal?.addEventListener !== "function")
    return Promise.reject(noSignal(what, signal));
  if (signal?.aborted === true) return Promise.reject(signal.reason);
  if (ms === undefined && signal === undefined) return call();
  return new Promise((resolve, reject) => {
    const timeUp = () => end(() => reject(callTimeout(what, ms ?? 0, trouble?.())));
    const callOff = ms === undefined ? undefined : after(ms, timeUp);
    const aborted = () => end(() => reject(signal?.reason));
    const end = (settle: () => void) => {
      callOff?.();
      signal?.removeEventListener("abort", aborted);
      settle();
    };
    signal?.addEventListener("abort", aborted);
    call().then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    );
  });
}

function noSignal(what: string, found: unknown): PawlError {
  return badArgument(`the signal of ${what} is none.
  found     ${shown(found)}
  expected  an AbortSignal: new AbortController().signal, or AbortSignal.timeout(ms)`);
}

/** The errors that say that another process owns an actor, and that nothing has happened; not what user code made of one. */
const owned = new WeakSet<Error>();

export function ownedElsewhere(error: PawlError): PawlError {
  owned.add(error);
  return error;
}

/** What actions have thrown: whatever it looks like, it is their answer, and not trouble of this process. */
const thrown = new WeakSet<Error>();

export function ofAction(error: Error): Error {
  thrown.add(error);
  return error;
}

export function isOfAction(error: unknown): boolean {
  return error instanceof Error && thrown.has(error);
}

export function isOwnedElsewhere(error: unknown): boolean {
  return error instanceof Error && owned.has(error);
}
