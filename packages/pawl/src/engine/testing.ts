/** The embedding API, and a host in memory to test with. */
export { InMemoryDriver } from "./in-memory-driver.ts";
export * from "./index.ts";
