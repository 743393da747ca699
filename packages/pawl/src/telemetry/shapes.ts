/**
 * What of `@opentelemetry/api`'s types is named by declarations that are published: described here, for whoever has not installed the
 * optional peer checks those, too.
 */

export interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

/** As far as spans are used after they have begun. */
export interface Span {
  setAttribute(name: string, value: string): unknown;
  setStatus(status: { readonly code: 2 }): unknown;
  end(): void;
}

/** A state of a trace, as its vendors keep it. */
interface TraceState {
  set(key: string, value: string): TraceState;
  unset(key: string): TraceState;
  get(key: string): string | undefined;
  serialize(): string;
}

export interface Link {
  readonly context: {
    traceId: string;
    spanId: string;
    isRemote?: boolean;
    traceFlags: number;
    traceState?: TraceState;
  };
}
