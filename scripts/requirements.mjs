// What the machine must have before anything can be built, and what to do where it is missing.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, ROOT } from "./processes.mjs";

const NODE = [20, 9];

/** Returns one sentence or two for each thing that is missing: found, expected, what to do. */
export function missing() {
  return [missingNode(), missingCargo(), missingCompiler()].filter((text) => text !== null);
}

function missingNode() {
  if (!older(process.versions.node, NODE)) return null;
  return `Node.js ${process.versions.node} is too old: Pawl needs ${NODE.join(".")} or newer. Install a newer one from https://nodejs.org.`;
}

function missingCargo() {
  const oldest = /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(ROOT, "Cargo.toml"), "utf8"))[1];
  const found = ask("cargo", ["--version"]);
  if (found === null)
    return `cargo is missing: Pawl's engine is built with Rust ${oldest} or newer. Install stable Rust from https://rustup.rs.`;
  const version = /\d+\.\d+(\.\d+)?/.exec(found)[0];
  if (!older(version, oldest.split(".").map(Number))) return null;
  return `Rust ${version} is too old: Pawl needs ${oldest} or newer. Run \`rustup update stable\`.`;
}

function missingCompiler() {
  // On Windows, Rust's own toolchain finds the compiler, or says that there is none.
  if (process.platform === "win32" || ask(process.env.CC ?? "cc", ["--version"]) !== null) return null;
  const cure =
    process.platform === "darwin" ? "xcode-select --install" : "sudo apt-get install gcc libc6-dev (or the like)";
  return `A C compiler (${process.env.CC ?? "cc"}) is missing: SQLite is compiled from its source. Run \`${cure}\`.`;
}

function older(version, [major, minor]) {
  const [foundMajor, foundMinor] = version.split(".").map(Number);
  return foundMajor < major || (foundMajor === major && foundMinor < minor);
}
