/**
 * 100,000 actors that sleep, and 10,000 whose alarm comes in the same second: what they cost, and how soon they are up.
 *
 *   npm run sleepers            100,000 and 10,000, on SQLite in a temporary folder
 *   npm run sleepers -- 20000 1000
 *
 * Each part runs in a process of its own, so that what one leaves in memory is not counted for another.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { actor, createRuntime, type Runtime, type } from "pawl";

/** How many actors are made at once. */
const AT_ONCE = 500;
const MB = 1024 * 1024;

let up = 0;
const sleeper = actor("sleeper", {
  input: type<{ until: number }>(),
  workflow: async (ctx, { until }) => {
    await ctx.sleepUntil("night", until);
    await ctx.step("up", () => void (up += 1));
  },
});
const actors = [sleeper] as const;
type Sleepers = Runtime<typeof actors>;

const [part = "all", ...words] = process.argv.slice(2);
if (part === "make") await make(words[0] ?? "", Number(words[1]), Number(words[2]));
else if (part === "start") await start(words[0] ?? "");
else if (part === "alarms") await alarms(words[0] ?? "", Number(words[1]));
else all(Number(part === "all" ? 100_000 : part), Number(words[0] ?? 10_000));

function all(sleeping: number, alarmed: number): void {
  const folder = mkdtempSync(join(tmpdir(), "pawl-sleepers-"));
  try {
    const store = (name: string) => `sqlite:${join(folder, name)}.db`;
    const tomorrow = Date.now() + 86_400_000;
    run("make", store("empty"), 0, tomorrow);
    const made = run("make", store("full"), sleeping, tomorrow);
    const [empty, full] = [run("start", store("empty")), run("start", store("full"))];
    const megabytes = ((full["rss"] ?? 0) - (empty["rss"] ?? 0)) / MB;
    console.log(`made        ${sleeping} actors in ${seconds(made["ms"])}`);
    console.log(`asleep      ${megabytes.toFixed(1)} MB above the empty runtime (bar: 100 MB for 100,000)`);
    console.log(
      `start-up    ${seconds(full["ms"])}, of which computing ${seconds(full["cpu"])} (bar: 1 s for 100,000)`,
    );
    const rung = run("alarms", store("alarms"), alarmed);
    console.log(
      `alarms      ${alarmed} in one second, all fired ${seconds(rung["ms"])} after it; computing from its beginning on ${seconds(rung["cpu"])} (bar: 2 s for 10,000)`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(...args: (string | number)[]): Record<string, number> {
  const program = [fileURLToPath(import.meta.url), ...args.map(String)];
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--expose-gc", ...program], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")} has ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as Record<string, number>;
}

async function make(store: string, count: number, until: number): Promise<void> {
  const began = performance.now();
  const runtime = createRuntime({ actors, store, idleAfter: 200 });
  await runtime.start();
  await create(runtime, count, () => until);
  await runtime.close();
  tell({ ms: performance.now() - began });
}

async function create(runtime: Sleepers, count: number, until: (n: number) => number): Promise<void> {
  for (let n = 0; n < count; n += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, i) =>
        runtime.create(sleeper, `sleeper-${n + i}`, { until: until(n + i) }),
      ),
    );
}

/** From the call of `start` until every actor that has work is known; then what the process holds. */
async function start(store: string): Promise<void> {
  const runtime = createRuntime({ actors, store });
  const began = performance.now();
  const computed = process.cpuUsage();
  await runtime.start();
  const [ms, cpu] = [performance.now() - began, cpuSince(computed)];
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc?.();
  }
  const rss = process.memoryUsage.rss();
  await runtime.close();
  tell({ ms, cpu, rss });
}

/** All are made and asleep before the second in which their alarms are due, spread over it. */
async function alarms(store: string, count: number): Promise<void> {
  const runtime = createRuntime({ actors, store, idleAfter: 100 });
  await runtime.start();
  // Making them takes about a fifth of a millisecond each; they need some time to fall asleep.
  const second = Math.ceil(Date.now() / 1_000) * 1_000 + Math.max(10_000, count * 2);
  await create(runtime, count, (n) => second + (n % 1_000));
  await until(second);
  const computed = process.cpuUsage();
  await until(second + 999);
  while (up < count) await new Promise((resolve) => setTimeout(resolve, 5));
  const [ms, cpu] = [Date.now() - (second + 999), cpuSince(computed)];
  await runtime.close();
  tell({ ms, cpu });
}

function until(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));
}

/** What the process has computed since, on all its threads, in milliseconds: on a machine that has other work, time says little. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function tell(found: Record<string, number>): void {
  console.log(JSON.stringify(found));
}

function seconds(ms: number | undefined): string {
  return `${((ms ?? Number.NaN) / 1_000).toFixed(2)} s`;
}
