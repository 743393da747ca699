/** `pawl` in memory, on a virtual clock: for tests. */
export { crashEverywhere } from "./crash-everywhere.ts";
export type { HistoryEntry, InboxEntry } from "./history.ts";
export type { LogLine } from "./log.ts";
export type { Reached, TestOptions } from "./options.ts";
export { createTestRuntime, type TestRuntime } from "./runtime.ts";
