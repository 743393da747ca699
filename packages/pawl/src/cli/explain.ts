/** `npx pawl explain CODE`: the long form of an error, offline. */
import { CODES, explanationOf } from "./codes.ts";

/** Prints what a code means, or all codes without one. Resolves to the exit code: 2 for a code that there is not. */
export async function explain(json: boolean, code?: string): Promise<number> {
  if (code === undefined) return print(json ? JSON.stringify(CODES, null, 2) : list());
  const found = explanationOf(code);
  if (found === undefined) {
    console.error(`pawl: there is no code ${JSON.stringify(code)}\n\n${list()}`);
    return 2;
  }
  if (json) return print(JSON.stringify({ code, ...found }, null, 2));
  return print(`${code}\n  meaning   ${found.meaning}\n  effect    ${found.effect}\n  do        ${found.todo}`);
}

function list(): string {
  return Object.entries(CODES)
    .map(([kind, codes]) => `${kind.padEnd(12)}${Object.keys(codes).join(" ")}`)
    .join("\n");
}

function print(text: string): number {
  console.log(text);
  return 0;
}
