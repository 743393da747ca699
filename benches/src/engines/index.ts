/** Everything that runs in a process of its own, by name; loaded there and nowhere else. */
export const hosts = {
  pawl: async () => (await import("./pawl.ts")).pawl,
  embedded: async () => (await import("./embedded.ts")).embedded,
  rivet: async () => (await import("./rivet.ts")).rivet,
  state: async () => (await import("./state.ts")).state,
  attempts: async () => (await import("./attempts.ts")).attempts,
  stateMemory: async () => (await import("./state-memory.ts")).stateMemory,
  amortised: async () => (await import("./amortised.ts")).amortised,
  cloning: async () => (await import("./rivals.ts")).cloning,
  immer: async () => (await import("./rivals.ts")).immer,
  resume: async () => (await import("./resume.ts")).resume,
  memory: async () => (await import("./memory.ts")).memory,
  waiting: async () => (await import("./waiting.ts")).waiting,
  durable: async () => (await import("./durable.ts")).durable,
  grouped: async () => (await import("./grouped.ts")).grouped,
  machine: async () => (await import("./machine.ts")).machine,
} as const;
