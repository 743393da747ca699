#!/usr/bin/env node
/** `npx pawl <verb>`: what operators do from a shell. Each verb is a file; this one finds it and says how it ended. */
import { parseArgs } from "node:util";
import { help, helpOn, VERBS } from "./verbs.ts";
import { version } from "./version.ts";

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

async function main(args: string[]): Promise<number> {
  const [flag, text] = [{ type: "boolean" }, { type: "string" }] as const;
  const options = {
    ...{ json: flag, help: { ...flag, short: "h" }, version: flag, "dry-run": flag },
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
  if (name === undefined || name === "help") return say(help());
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) return misuse(`there is no verb ${JSON.stringify(name)}`);
  if (parsed.values.help === true) return say(helpOn(verb));
  const operands = verb.namesActor === true ? apart(rest) : rest;
  const extra = operands[verb.operands ?? 0];
  if (extra !== undefined) return misuse(`${name} takes no ${JSON.stringify(extra)}`, helpOn(verb));
  const { json = false, store = process.env["PAWL_STORE"], namespace = "default", ...flags } = parsed.values;
  const place = store === undefined ? undefined : { store, namespace };
  const { state, limit, from, at, to } = flags;
  const [waitingFor, stuckFor, dryRun] = [flags["waiting-for"], flags["stuck-for"], flags["dry-run"] === true];
  return verb.run({ json, place, state, waitingFor, stuckFor, limit, from, at, to, dryRun }, ...operands);
}

function say(text: string): number {
  console.log(text);
  return 0;
}

function misuse(found: string, instead: string = help()): number {
  console.error(`pawl: ${found}\n\n${instead}`);
  return 2;
}

/** `order/42` is an actor as it is printed: its type has no slash. */
function apart([first = "", ...rest]: readonly string[]): string[] {
  const [type = "", ...key] = first.split("/");
  return first.includes("/") ? [type, key.join("/"), ...rest] : first === "" ? [...rest] : [first, ...rest];
}
