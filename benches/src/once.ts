/**
 * Runs one program on one side, in this process, for a profiler to look at.
 *
 *   npm run once -- pawl sequentialSteps 1 10000
 *   node --expose-gc --cpu-prof dist/once.js state stateSteps sqlite 1000000 300
 */
import { hosts } from "./engines/index.ts";

const [side = "", method = "", ...rest] = process.argv.slice(2);
const load = (hosts as Record<string, () => Promise<unknown>>)[side];
if (load === undefined) throw new Error(`found ${side || "nothing"}, expected one of ${Object.keys(hosts).join(", ")}`);
const host = (await load()) as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
const run = host[method];
if (run === undefined) throw new Error(`found ${method || "nothing"}, expected one of ${Object.keys(host).join(", ")}`);
const args = rest.map((word) => (Number.isNaN(Number(word)) ? word : Number(word)));
console.log(await run.apply(host, args));
