/**
 * `pawl doctor`: whether Pawl works on this machine, and if not, what to do. Each check does for real what a program would do: it loads
 * the engine, runs a workflow, and finds in a new runtime what an earlier one has stored in a file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { actor } from "../actor.ts";
import { native, surroundings } from "../native/load.ts";
import { createRuntime } from "../runtime.ts";
import { type } from "../schema.ts";
import { version } from "./version.ts";

/** What a check found: in words, and whether all is well. */
interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
}

const CHECKS: Readonly<Record<string, () => string | Promise<string>>> = { engine, workflow, store };
/** Commits of one actor, one after another, that the store check times. */
const COMMITS = 50;

/** Runs every check, prints what each found, and resolves to the exit code: 1 if one failed. */
export async function doctor(json: boolean): Promise<number> {
  const findings: Finding[] = [];
  for (const [check, run] of Object.entries(CHECKS)) {
    findings.push(await examine(check, run));
    // Without an engine every other check would say the same again.
    if (check === "engine" && findings[0]?.ok === false) break;
  }
  const healthy = findings.every(({ ok }) => ok);
  const { target, glibc } = surroundings();
  if (json) {
    console.log(
      JSON.stringify({ pawl: version, target, glibc, node: process.versions.node, healthy, findings }, null, 2),
    );
  } else {
    const libc = glibc === undefined ? "" : ` (glibc ${glibc})`;
    console.log(`pawl ${version} on ${target}${libc}, Node.js ${process.versions.node}`);
    for (const { check, ok, found } of findings)
      console.log(`  ${ok ? "ok    " : "FAILED"}  ${check.padEnd(9)} ${found}`);
    console.log(healthy ? "Pawl works here." : "Pawl does not work here: what failed says what to do.");
  }
  return healthy ? 0 : 1;
}

async function examine(check: string, run: () => string | Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, found: await run() };
  } catch (error) {
    return { check, ok: false, found: error instanceof Error ? error.message : String(error) };
  }
}

function engine(): string {
  return `loaded; its boundary is version ${native().abi()}`;
}

async function workflow(): Promise<string> {
  await using runtime = createRuntime({ actors: [patient], store: "memory:" });
  const handle = await runtime.create(patient, "in-memory");
  await handle.send("pulse", 1);
  const counted = await handle.result({ timeout: "10s" });
  if (counted !== 1) throw new Error(`a workflow returned ${counted}, expected 1`);
  return "a step ran, with state and a message, in memory";
}

/** In a folder of its own below the present one, because that is the disk and the file system that a program would use. */
async function store(): Promise<string> {
  const folder = mkdtempSync(join(process.cwd(), "pawl-doctor-"));
  try {
    const url = `sqlite:${join(folder, "doctor.db")}`;
    const perSecond = await write(url);
    await using runtime = createRuntime({ actors: [patient], store: url });
    const found = await runtime.get(patient, "on-disk").actions.count();
    if (found !== COMMITS) throw new Error(`${COMMITS} commits were made and ${found} are stored`);
    return `SQLite in ${process.cwd()}: ${perSecond} commits/s one after another, each synced, found again after a restart`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function write(url: string): Promise<number> {
  await using runtime = createRuntime({ actors: [patient], store: url });
  const handle = await runtime.create(patient, "on-disk");
  const began = performance.now();
  for (let n = 0; n < COMMITS; n++) await handle.actions.beat();
  return Math.round((COMMITS * 1000) / (performance.now() - began));
}

const patient = actor("patient", {
  messages: { pulse: type<number>() },
  state: () => ({ count: 0 }),
  actions: {
    beat: (c) => {
      c.state.count += 1;
    },
    count: (c) => c.state.count,
  },
  workflow: async (ctx): Promise<number> => {
    const { body } = await ctx.queue.next("pulse");
    return ctx.step("count", (c) => {
      c.state.count += body;
      return c.state.count;
    });
  },
});
