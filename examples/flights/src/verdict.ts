/** The last lines: what became of the claims, and whether all is well. */
import type { Audit } from "./claims-log.ts";
import { paint } from "./terminal.ts";

const SHOWN = 50;

/** The claims in two lines, as the service's own log has them. */
export function summary({ claims, keys, calls, refused, repeated, claimsByCalls }: Audit): string {
  const times = [...claimsByCalls].sort(([a], [b]) => a - b).map(([number, own]) => `${number} for ${own} of them`);
  return `${claims} claims under ${keys} idempotency keys in ${calls} calls: ${refused} refused with 503, ${repeated} known by their keys
calls per claim: ${times.join(", ")}`;
}

/** What to say at the end, and the exit code: 0 only if there are no problems. */
export function verdict(problems: readonly string[], tookMs: number): { text: string; exitCode: 0 | 1 } {
  const took = `${(tookMs / 1000).toFixed(1)} s`;
  if (problems.length === 0) {
    const text = `${paint("green", "Everything agrees")}: nothing lost, nothing twice, across the kill. ${took}`;
    return { text, exitCode: 0 };
  }
  const head = `${paint("red", `Problems: ${problems.length}`)}. ${took}`;
  const rest = problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [];
  return { text: [head, ...[...problems.slice(0, SHOWN), ...rest].map((line) => `  ${line}`)].join("\n"), exitCode: 1 };
}
