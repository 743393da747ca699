/** What every error that users meet must be. */
import { expect } from "vitest";
import { PawlError } from "../../src/index.ts";

/** The parts of a message. What is not given is not looked at. */
export interface Wording {
  readonly found?: RegExp;
  readonly expected?: RegExp;
  readonly do?: RegExp;
  /** Who or what the message is about. */
  readonly where?: RegExp;
}

/** The error with which `attempt` throws or rejects: of Pawl, with this code, and with a message that says these things. */
export async function refusal(attempt: () => unknown, code: string, wording: Wording = {}): Promise<PawlError> {
  const error = await thrownBy(attempt);
  expect(error, String(error)).toBeInstanceOf(PawlError);
  const refused = error as PawlError;
  expect(refused.code, refused.message).toBe(code);
  says(refused.message, wording);
  return refused;
}

/** Checks the parts of a message. */
export function says(message: string, { found, expected, do: act, where }: Wording): void {
  if (found !== undefined) expect(part(message, "found")).toMatch(found);
  if (expected !== undefined) expect(part(message, "expected") + part(message, "storable")).toMatch(expected);
  if (act !== undefined) expect(part(message, "do")).toMatch(act);
  if (where !== undefined) expect(message).toMatch(where);
}

/** A labelled part, with the lines that continue it. */
function part(message: string, label: string): string {
  const lines = message.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`  ${label.padEnd(10)}`));
  if (start < 0) return "";
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => !line.startsWith(" ".repeat(12)));
  return [lines[start], ...(end < 0 ? rest : rest.slice(0, end))].join("\n");
}

async function thrownBy(attempt: () => unknown): Promise<unknown> {
  try {
    await attempt();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
