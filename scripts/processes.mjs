// Starts other programs: with their output shown, kept, or both.
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the workspace; every command runs there. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Runs a command to its end, shows what it prints unless `quiet`, and resolves to its exit code and output. One that cannot be started has code 127. */
export function run(command, args, { env = {}, cwd = ROOT, quiet = false } = {}) {
  if (!quiet) console.log(`\n$ ${[command, ...args].join(" ")}`);
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["inherit", "pipe", "pipe"] });
    let output = "";
    const show = (target) => (chunk) => {
      output += chunk;
      if (!quiet) target.write(chunk);
    };
    child.stdout.on("data", show(process.stdout));
    child.stderr.on("data", show(process.stderr));
    child.on("error", (error) => resolve({ code: 127, output: `${output}${error.message}\n` }));
    child.on("close", (code, signal) =>
      resolve({ code: code ?? 1, output: signal ? `${output}ended by ${signal}\n` : output }),
    );
  });
}

/** The first line that `command args` prints, or null if it is not there or fails. */
export function ask(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0].trim() : null;
}

/** Runs the JavaScript program `bin` of the installed package `name`, for instance `tool("typescript", "bin/tsc", ["-p", "."])`. */
export function tool(name, bin, args, options) {
  return run(process.execPath, [join(ROOT, "node_modules", name, bin), ...args], options);
}
