/** OpenTelemetry's own SDK, with its exporters in memory. */
import { context, metrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const exported = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: exported, exportIntervalMillis: 3_600_000 });
const meters = new MeterProvider({ readers: [reader] });

/** Registers all of it; whatever runtimes are made from now on tell it what they do. */
export function register(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  metrics.setGlobalMeterProvider(meters);
}

export async function unregister(): Promise<void> {
  context.disable();
  trace.disable();
  metrics.disable();
  await meters.shutdown();
}

/** The spans that have ended since this was called last, by name. */
export class Spans {
  readonly all: readonly ReadableSpan[];

  constructor() {
    this.all = exporter.getFinishedSpans().slice();
    exporter.reset();
  }

  names(): string[] {
    return this.all.map(({ name }) => name).sort();
  }

  named(name: string): ReadableSpan[] {
    return this.all.filter((span) => span.name === name);
  }

  one(name: string): ReadableSpan {
    const [span, more] = this.named(name);
    if (span === undefined || more !== undefined)
      throw new Error(`not one span ${name}, but of ${this.names().join(", ")}`);
    return span;
  }

  /** The names from a span up to the one that nothing is above. */
  path(span: ReadableSpan): string[] {
    const above = this.all.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId);
    return above === undefined ? [span.name] : [span.name, ...this.path(above)];
  }
}

/** The newest value of each instrument, summed over its attributes. */
export async function measured(): Promise<Record<string, number>> {
  await reader.forceFlush();
  const newest = exported.getMetrics().at(-1);
  const metrics = newest?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
  return Object.fromEntries(
    metrics.map(({ descriptor, dataPoints }) => {
      const values = dataPoints.map(({ value }) => (typeof value === "number" ? value : value.count));
      return [descriptor.name, values.reduce((sum, value) => sum + value, 0)];
    }),
  );
}
