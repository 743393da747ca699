#!/usr/bin/env node
/** `npx pawl <verb>`: what operators do from a shell. Each verb is a file; this one finds it and says how it ended. */
import { parseArgs } from "node:util";
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import { backup, cancel, type Flags, list, release, replay, retry, show } from "./operate.ts";
import { version } from "./version.ts";

/** A verb: its arguments in a line, what it is for, and the work. Resolves to the exit code. */
interface Verb {
  readonly usage: string;
  readonly purpose: string;
  /** How many operands it takes at most. Default: none. */
  readonly operands?: number;
  readonly run: (flags: Flags, ...operands: string[]) => Promise<number>;
}

const ACTOR = "TYPE KEY --store URL";

const VERBS: Readonly<Record<string, Verb>> = {
  doctor: {
    usage: "doctor [--json]",
    purpose: "checks that Pawl works here: engine, workflow, store",
    run: ({ json }) => doctor(json),
  },
  explain: {
    usage: "explain [CODE] [--json]",
    purpose: "says what an error code means, and what to do",
    operands: 1,
    run: ({ json }, code) => explain(json, code),
  },
  list: {
    usage: "list [TYPE [PREFIX]] [--state STATE] [--limit N] --store URL [--json]",
    purpose: "lists actors; beside a running process",
    operands: 2,
    run: list,
  },
  show: {
    usage: `show ${ACTOR} [--json]`,
    purpose: "shows what is recorded of an actor; beside a running process",
    operands: 2,
    run: show,
  },
  backup: {
    usage: "backup FILE --store sqlite:PATH",
    purpose: "copies a store into a new file; beside a running process",
    operands: 1,
    run: backup,
  },
  cancel: { usage: `cancel ${ACTOR}`, purpose: "ends a workflow, and undoes what it did", operands: 2, run: cancel },
  retry: { usage: `retry ${ACTOR}`, purpose: "tries again what has ended a workflow", operands: 2, run: retry },
  release: { usage: `release ${ACTOR}`, purpose: "runs again what was quarantined", operands: 2, run: release },
  replay: {
    usage: `replay ${ACTOR} [--entry ID]`,
    purpose: "goes back to before an entry, or to the start",
    operands: 2,
    run: replay,
  },
};

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

async function main(args: string[]): Promise<number> {
  const [flag, text] = [{ type: "boolean" }, { type: "string" }] as const;
  const options = {
    ...{ json: flag, help: flag, version: flag },
    ...{ store: text, namespace: text, state: text, limit: text, entry: text },
  } as const;
  let parsed: ReturnType<typeof parseArgs<{ args: string[]; options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    return misuse(error instanceof Error ? error.message : String(error));
  }
  const [name, ...rest] = parsed.positionals;
  if (parsed.values.version === true) return say(version);
  if (parsed.values.help === true || name === undefined) return say(help());
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) return misuse(`there is no verb ${JSON.stringify(name)}`);
  const extra = rest[verb.operands ?? 0];
  if (extra !== undefined) return misuse(`${name} takes no ${JSON.stringify(extra)}`);
  const { json = false, store = process.env["PAWL_STORE"], namespace = "default", state, limit, entry } = parsed.values;
  const place = store === undefined ? undefined : { store, namespace };
  return verb.run({ json, place, state, limit, entry }, ...rest);
}

function say(text: string): number {
  console.log(text);
  return 0;
}

function misuse(found: string): number {
  console.error(`pawl: ${found}\n\n${help()}`);
  return 2;
}

function help(): string {
  const lines = Object.values(VERBS).map(({ usage, purpose }) => `  pawl ${usage.padEnd(44)} ${purpose}`);
  return [`Pawl ${version}: durable actors and workflows`, "", ...lines, "  pawl --version"].join("\n");
}
