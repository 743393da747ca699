/** Everything that runs in a process of its own, by name; loaded there and nowhere else. */
export const hosts = {
  pawl: async () => (await import("./pawl.ts")).pawl,
  embedded: async () => (await import("./embedded.ts")).embedded,
  rivet: async () => (await import("./rivet.ts")).rivet,
  state: async () => (await import("./state.ts")).state,
  memory: async () => (await import("./memory.ts")).memory,
  machine: async () => (await import("./machine.ts")).machine,
} as const;
