/** What these tests need of Pawl. */
export { type Actor, actor, ask, createRuntime, type } from "../../src/index.ts";
export { silentLogger } from "../../src/log.ts";
