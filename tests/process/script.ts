/** Runs a script of this folder in a process of its own. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** How a script ended, and what it said: one JSON value per line. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly said: readonly unknown[];
  readonly stderr: string;
  /** From the script's last word to its end, in milliseconds. */
  readonly lingered: number;
}

export function runScript(name: string, args: readonly string[], folder: string): Promise<Ended> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr, lastWord] = ["", "", performance.now()];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    lastWord = performance.now();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const lines = stdout.split("\n").filter((line) => line !== "");
      const said = lines.map((line) => JSON.parse(line) as unknown);
      resolve({ code, signal, said, stderr, lingered: performance.now() - lastWord });
    });
  });
}
