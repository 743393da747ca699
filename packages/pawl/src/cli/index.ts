#!/usr/bin/env node
/** `npx pawl <verb>`: what operators do from a shell. Each verb is a file; this one finds it and says how it ended. */
import { parseArgs } from "node:util";
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import {
  backup,
  cancel,
  copy,
  destroy,
  type Flags,
  history,
  list,
  release,
  replay,
  retry,
  send,
  show,
  state,
} from "./operate.ts";
import { version } from "./version.ts";

/** A verb: its arguments in a line, what it is for, and the work. Resolves to the exit code. */
interface Verb {
  readonly usage: string;
  readonly purpose: string;
  /** How many operands it takes at most. Default: none. */
  readonly operands?: number;
  readonly run: (flags: Flags, ...operands: string[]) => Promise<number>;
}

const ACTOR = "TYPE KEY";

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
    usage: "list [TYPE [PREFIX]] [--state STATE] [--waiting-for NAME] [--stuck-for TIME] [--limit N]",
    purpose: "actors, one a line",
    operands: 2,
    run: list,
  },
  show: {
    usage: `show ${ACTOR}`,
    purpose: "why an actor waits, and all that is recorded of it",
    operands: 2,
    run: show,
  },
  history: { usage: `history ${ACTOR}`, purpose: "the entries of its workflow", operands: 2, run: history },
  state: { usage: `state ${ACTOR} [--at ENTRY]`, purpose: "its state, now or after an entry", operands: 2, run: state },
  backup: { usage: "backup FILE", purpose: "copies an SQLite store into a new file", operands: 1, run: backup },
  copy: { usage: "copy --to URL", purpose: "copies a store into an empty one of any kind", run: copy },
  cancel: { usage: `cancel ${ACTOR}`, purpose: "ends a workflow, and undoes what it did", operands: 2, run: cancel },
  retry: { usage: `retry ${ACTOR}`, purpose: "tries again what has ended a workflow", operands: 2, run: retry },
  release: { usage: `release ${ACTOR}`, purpose: "runs again what was quarantined", operands: 2, run: release },
  replay: {
    usage: `replay ${ACTOR} [--from ENTRY] [--dry-run]`,
    purpose: "goes back to before an entry, or to the start",
    operands: 2,
    run: replay,
  },
  send: { usage: `send ${ACTOR} MESSAGE [JSON]`, purpose: "sends a message", operands: 4, run: send },
  destroy: { usage: `destroy ${ACTOR}`, purpose: "ends an actor: nothing of it stays", operands: 2, run: destroy },
};

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

async function main(args: string[]): Promise<number> {
  const [flag, text] = [{ type: "boolean" }, { type: "string" }] as const;
  const options = {
    ...{ json: flag, help: flag, version: flag, "dry-run": flag },
    ...{ store: text, namespace: text, state: text, limit: text, from: text, at: text, to: text },
    ...{ "waiting-for": text, "stuck-for": text },
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
  const { json = false, store = process.env["PAWL_STORE"], namespace = "default", ...flags } = parsed.values;
  const place = store === undefined ? undefined : { store, namespace };
  const { state, limit, from, at, to } = flags;
  const [waitingFor, stuckFor, dryRun] = [flags["waiting-for"], flags["stuck-for"], flags["dry-run"] === true];
  return verb.run({ json, place, state, waitingFor, stuckFor, limit, from, at, to, dryRun }, ...rest);
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
  const lines = Object.values(VERBS).map(({ usage, purpose }) =>
    usage.length > 40 ? `  pawl ${usage}\n${" ".repeat(48)}${purpose}` : `  pawl ${usage.padEnd(40)} ${purpose}`,
  );
  return [
    `Pawl ${version}: durable actors and workflows`,
    "",
    ...lines,
    "  pawl --version",
    "",
    "  --store URL       sqlite:./app.db or postgres://user@host/database; or PAWL_STORE in the environment",
    "  --namespace NAME  default: default",
    "  --json            one JSON value a line",
    "",
    "list, show, history, state, backup and copy read beside a running process. The others change something: on PostgreSQL at any",
    "time, on SQLite while no process has the file.",
  ].join("\n");
}
