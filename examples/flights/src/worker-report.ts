/** What the worker tells the process that started it. */
import type { Figures } from "./figures.ts";

export type WorkerReport =
  /** How many flights the airports have taken in and counted: when the store has been opened, and from then on. Only what is durable. */
  | { readonly kind: "opened" | "progress"; readonly fed: number; readonly counted: number }
  /** The output of an airport's workflow. */
  | { readonly kind: "result"; readonly airport: string; readonly figures: Figures };
