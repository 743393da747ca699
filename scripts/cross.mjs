// Builds the addon for another Linux, with zig as compiler and linker, into packages/pawl/native; `npm run pack` packs what is there.
//
//   node scripts/cross.mjs x86_64-unknown-linux-musl|aarch64-unknown-linux-gnu|aarch64-unknown-linux-musl
//
// On the PATH it needs zig and cargo-zigbuild; `rustup target add` of the target. What zig links needs glibc 2.28, where it needs one:
// the release workflow builds for 2.17.
import { join } from "node:path";
import { ROOT, tool } from "./processes.mjs";

const TARGETS = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl"];

const [target = ""] = process.argv.slice(2);
if (TARGETS.includes(target)) process.exitCode = await build(target);
else {
  console.error(`cross: ${target === "" ? "no target" : target}; expected one of ${TARGETS.join(", ")}`);
  process.exitCode = 2;
}

async function build(target) {
  const place = ["--manifest-path", "crates/node/Cargo.toml", "--package-json-path", "packages/pawl/package.json"];
  const made = ["--output-dir", "packages/pawl/native", "--platform", "--no-js", "--profile", "release"];
  const declarations = ["--dts", join("../../../node_modules/.cache/pawl", `${target}.d.ts`)];
  const args = ["build", ...place, ...made, ...declarations, "--target", target, "-x", "--", "--locked"];
  return (await tool("@napi-rs/cli", "dist/cli.js", args, { cwd: ROOT })).code;
}
