/**
 * Traces and metrics, by `@opentelemetry/api`. There is one of these where something was registered with that before the runtime
 * was made, and none otherwise: then nothing of this file runs.
 *
 * Owns names and attributes of spans and instruments. One law: nothing that users' values hold is in them.
 */
import type { Counter, Histogram, ObservableResult, SpanContext, Tracer } from "@opentelemetry/api";
import { PawlError } from "../errors.ts";
import { type Api, registeredApi } from "./api.ts";
import type { Context, Link, Span } from "./shapes.ts";

/** What an attempt is one of. */
export type AttemptKind = "step" | "action" | "receive" | "schedule" | "undo";

/** What store and pump have counted since they were opened. */
export interface Counted {
  readonly commits: number;
  readonly transactions: number;
}

/** Who is traced. */
export interface Traced {
  readonly type: string;
  readonly key: string;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?: (.+))?$/;

export class Telemetry {
  readonly #api: Api;
  readonly #tracer: Tracer;
  readonly #attempts: Counter;
  readonly #failures: Counter;
  readonly #retries: Counter;
  readonly #conflicts: Counter;
  readonly #reruns: Counter;
  readonly #evictions: Counter;
  readonly #commitMs: Histogram;
  readonly #inbox: Histogram;

  private constructor(api: Api) {
    this.#api = api;
    this.#tracer = api.trace.getTracer("pawl");
    const meter = api.metrics.getMeter("pawl");
    const counter = (name: string, description: string) => meter.createCounter(`pawl.${name}`, { description });
    this.#attempts = counter("attempts", "attempts that have begun, by kind: step, action, receive, schedule, undo");
    this.#failures = counter("failures", "attempts whose body has failed");
    this.#retries = counter("retries", "attempts after the first one");
    this.#conflicts = counter("conflicts", "attempts that another one came between");
    this.#reruns = counter("reruns", "bodies that run again for that");
    this.#evictions = counter("evictions", "actors that have left memory");
    const advice = { explicitBucketBoundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000] };
    const description = "from the end of a body until what it did is durable";
    this.#commitMs = meter.createHistogram("pawl.commit.duration", { description, unit: "ms", advice });
    this.#inbox = meter.createHistogram("pawl.inbox.depth", {
      description: "messages that wait for an actor when another one is sent to it",
      advice: { explicitBucketBoundaries: [0, 1, 10, 100, 1_000, 5_000, 9_000] },
    });
  }

  /** None: nobody wants to know. Asked once for each runtime. */
  static registered(): Telemetry | undefined {
    const api = registeredApi();
    return api === undefined ? undefined : new Telemetry(api);
  }

  /** Reports what is counted elsewhere whenever somebody collects. Returns what ends that. */
  observe(counted: () => Counted | undefined): () => void {
    const meter = this.#api.metrics.getMeter("pawl");
    const observed = [
      [meter.createObservableCounter("pawl.commits", { description: "batches that are durable" }), "commits"],
      [
        meter.createObservableCounter("pawl.transactions", { description: "transactions of the store" }),
        "transactions",
      ],
    ] as const;
    const ends = observed.map(([instrument, what]) => {
      const tell = (result: ObservableResult) => {
        const now = counted();
        if (now !== undefined) result.observe(now[what]);
      };
      instrument.addCallback(tell);
      return () => instrument.removeCallback(tell);
    });
    return () => {
      for (const end of ends) end();
    };
  }

  evicted(type: string): void {
    this.#evictions.add(1, { "pawl.actor.type": type });
  }

  sent(type: string, waiting: number): void {
    this.#inbox.record(waiting, { "pawl.actor.type": type });
  }

  /** What is active where the caller is, as text that can be carried; none if that is no trace. */
  here(): string | undefined {
    return this.carry(this.#api.context.active());
  }

  carry(context: Context): string | undefined {
    const span = this.#api.trace.getSpanContext(context);
    if (span === undefined || !this.#api.isSpanContextValid(span)) return undefined;
    const state = span.traceState?.serialize();
    const parent = `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
    return state ? `${parent} ${state}` : parent;
  }

  #spanContext(carried: string | undefined): SpanContext | undefined {
    const [, traceId, spanId, flags, state] = TRACEPARENT.exec(carried ?? "") ?? [];
    if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
    const traceState = state === undefined ? {} : { traceState: this.#api.createTraceState(state) };
    return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true, ...traceState };
  }

  #from(carried: string | undefined): Context {
    const span = this.#spanContext(carried);
    const { trace, ROOT_CONTEXT } = this.#api;
    return span === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, span);
  }

  /** The trace in which an actor is made: that of whoever makes it, or one that begins there. */
  making(type: string, key: string): string | undefined {
    const here = this.here();
    if (here !== undefined) return here;
    const span = this.#tracer.startSpan(`create ${type}`, {
      kind: 3,
      attributes: attributes({ type, key }),
      root: true,
    });
    span.end();
    return this.carry(this.#api.trace.setSpan(this.#api.ROOT_CONTEXT, span));
  }

  /** A run that is being loaded; `carried`: the trace in which its actor was made. Only one that begins has a span of its own. */
  run(owner: Traced, carried: string | undefined, begins: boolean): RunTrace {
    const parent = this.#from(carried);
    if (!begins) return new RunTrace(this, parent, undefined);
    const span = this.#tracer.startSpan(`workflow ${owner.type}`, { attributes: attributes(owner) }, parent);
    return new RunTrace(this, this.#api.trace.setSpan(parent, span), span);
  }

  link(carried: string): Link | undefined {
    const context = this.#spanContext(carried);
    return context && { context };
  }

  /** Runs the body of an attempt in a span. */
  attempt<R>(begun: Begun, body: () => R): { readonly trace: AttemptTrace; readonly run: () => R } {
    const { owner, kind, name, count, from, links } = begun;
    const labels = { "pawl.actor.type": owner.type, "pawl.kind": kind };
    this.#attempts.add(1, labels);
    if (count > 1) this.#retries.add(1, labels);
    const parent = typeof from === "object" ? from : this.#from(from);
    const span = this.#tracer.startSpan(
      `${kind} ${name}`,
      {
        // SERVER for what a caller waits for, CONSUMER for what takes a message.
        kind: kind === "action" ? 1 : kind === "receive" ? 4 : 0,
        attributes: { ...attributes(owner), "pawl.entry": name, "pawl.attempt": count },
        ...(links === undefined || links.length === 0 ? {} : { links: [...links] }),
      },
      parent,
    );
    const context = this.#api.trace.setSpan(parent, span);
    const trace = new AttemptTrace(this, span, context, labels);
    return { trace, run: () => this.#api.context.with(context, () => noted(trace, body)) };
  }

  /** A span that begins now, below another. */
  below(name: string, context: Context): Span {
    return this.#tracer.startSpan(name, {}, context);
  }

  failed(labels: Labels): void {
    this.#failures.add(1, labels);
  }

  overtaken(labels: Labels, reruns: boolean): void {
    this.#conflicts.add(1, labels);
    if (reruns) this.#reruns.add(1, labels);
  }

  committed(labels: Labels, ms: number): void {
    this.#commitMs.record(ms, labels);
  }
}

type Labels = Readonly<Record<string, string>>;

/** An attempt that is about to run. */
export interface Begun {
  readonly owner: Traced;
  readonly kind: AttemptKind;
  readonly name: string;
  /** From 1. */
  readonly count: number;
  /** What it is part of: as it was carried, or of this process. */
  readonly from: string | Context | undefined;
  readonly links?: readonly Link[];
}

function attributes({ type, key }: Traced): Record<string, string> {
  return { "pawl.actor.type": type, "pawl.actor.key": key };
}

/** What a body throws is told to its trace. Only promises are asked: of a thenable, asking may be what starts it. */
function noted<R>(trace: AttemptTrace, body: () => R): R {
  try {
    const output = body();
    if (output instanceof Promise) output.then(undefined, (error: unknown) => trace.threw(error));
    return output;
  } catch (error) {
    trace.threw(error);
    throw error;
  }
}

/** A run while it is in memory. */
export class RunTrace {
  /** What its steps are part of. */
  readonly context: Context;
  readonly #telemetry: Telemetry;
  #span: Span | undefined;
  #links: Link[] = [];

  constructor(telemetry: Telemetry, context: Context, span: Span | undefined) {
    this.#telemetry = telemetry;
    this.context = context;
    this.#span = span;
  }

  get carried(): string | undefined {
    return this.#telemetry.carry(this.context);
  }

  /** A message was taken that another trace has sent: what follows is linked to it. */
  took(carried: string | undefined): void {
    const link = carried === undefined ? undefined : this.#telemetry.link(carried);
    if (link !== undefined) this.#links.push(link);
  }

  /** What has been taken since. */
  takeLinks(): readonly Link[] {
    const links = this.#links;
    this.#links = [];
    return links;
  }

  /** It leaves memory, or has ended. */
  end(state: string): void {
    this.#span?.setAttribute("pawl.run.state", state);
    if (state === "failed") this.#span?.setStatus({ code: 2 });
    this.#span?.end();
    this.#span = undefined;
  }
}

/** An attempt: a span for its body, and one below it from then until it is durable. */
export class AttemptTrace {
  readonly context: Context;
  readonly #telemetry: Telemetry;
  readonly #labels: Labels;
  #body: Span | undefined;
  #commit: Span | undefined;
  #sealedAt = 0;

  constructor(telemetry: Telemetry, span: Span, context: Context, labels: Labels) {
    this.#telemetry = telemetry;
    this.#body = span;
    this.context = context;
    this.#labels = labels;
  }

  get carried(): string | undefined {
    return this.#telemetry.carry(this.context);
  }

  /** What an error says may quote values: only its name, and its code, are told. */
  threw(error: unknown): void {
    const type = error instanceof PawlError ? error.code : error instanceof Error ? error.name : typeof error;
    this.#body?.setAttribute("error.type", type);
  }

  /** The body has ended well. */
  sealed(): void {
    this.#body?.end();
    this.#body = undefined;
    this.#sealedAt = performance.now();
    this.#commit = this.#telemetry.below("commit", this.context);
  }

  /** Another attempt came between. */
  overtaken(reruns: boolean): void {
    this.#telemetry.overtaken(this.#labels, reruns);
    this.#endCommit("conflict");
  }

  /** It came to nothing: its body has failed, or what it did is not committed. */
  failed(reason: unknown): void {
    const body = this.#body;
    if (body === undefined) return this.#endCommit("not committed");
    if (reason !== undefined) this.threw(reason);
    this.#body = undefined;
    this.#telemetry.failed(this.#labels);
    body.setStatus({ code: 2 });
    body.end();
  }

  committed(): void {
    if (this.#commit === undefined) return;
    this.#telemetry.committed(this.#labels, performance.now() - this.#sealedAt);
    this.#endCommit(undefined);
  }

  #endCommit(why: string | undefined): void {
    if (why !== undefined) this.#commit?.setAttribute("error.type", why);
    this.#commit?.end();
    this.#commit = undefined;
  }
}
