#!/usr/bin/env node
/** `npx pawl <verb>`: what operators do from a shell. Each verb is a file; this one finds it and says how it ended. */
import { parseArgs } from "node:util";
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import { version } from "./version.ts";

/** A verb: its arguments in a line, what it is for, and the work. Resolves to the exit code. */
interface Verb {
  readonly usage: string;
  readonly purpose: string;
  /** How many operands it takes at most. Default: none. */
  readonly operands?: number;
  readonly run: (json: boolean, ...operands: string[]) => Promise<number>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  doctor: { usage: "doctor [--json]", purpose: "checks that Pawl works here: engine, workflow, store", run: doctor },
  explain: {
    usage: "explain [CODE] [--json]",
    purpose: "says what an error code means, and what to do",
    operands: 1,
    run: explain,
  },
};

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

async function main(args: string[]): Promise<number> {
  const options = { json: { type: "boolean" }, help: { type: "boolean" }, version: { type: "boolean" } } as const;
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
  return verb.run(parsed.values.json === true, ...rest);
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
  const lines = Object.values(VERBS).map(({ usage, purpose }) => `  pawl ${usage.padEnd(24)} ${purpose}`);
  return [`Pawl ${version}: durable actors and workflows`, "", ...lines, "  pawl --version"].join("\n");
}
