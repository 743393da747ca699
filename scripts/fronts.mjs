// Puts small files before what tsdown has built in packages/pawl/dist: an ESM front for each CommonJS entry, so that `import` and
// `require` share one core; and an entry for each platform, for programs that carry one addon in their bundle. Gives each comment in
// the declarations a line of its own: TypeScript takes one that follows something in its line for a part of that.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./processes.mjs";

const folder = join(ROOT, "packages", "pawl");
const require = createRequire(import.meta.url);
const { exports, napi } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

for (const target of Object.values(exports)) if (target?.require !== undefined) writeFront(target);
for (const triple of napi.targets) writePlatform(platformOf(triple));
for (const file of readdirSync(join(folder, "dist"), { recursive: true }))
  if (file.endsWith(".d.cts")) separateComments(join(folder, "dist", file));

function writeFront(target) {
  const core = target.require.default;
  const names = Object.keys(require(join(folder, core))).sort();
  const specifier = `./${core.slice(core.lastIndexOf("/") + 1)}`;
  const values = names.length > 0 ? `export const { ${names.join(", ")} } = core;\n` : "";
  writeFileSync(join(folder, target.import.default), `import core from "${specifier}";\n${values}`);
  writeFileSync(join(folder, target.import.types), `export * from "${specifier}";\n`);
}

function separateComments(file) {
  const declarations = readFileSync(file, "utf8");
  writeFileSync(file, declarations.replaceAll(/([;{]) (\/\*\*)/g, "$1\n$2"));
}

/** The addon's file is named in full, so that a bundler sees it and can carry it along. */
function writePlatform(platform) {
  const addon = `@pawl/native-${platform}/${napi.binaryName}.${platform}.node`;
  const path = join(folder, "dist", "native", platform);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(`${path}.cjs`, `"use strict";\nrequire("./provide.cjs").provide(require("${addon}"));\n`);
  writeFileSync(`${path}.d.cts`, "export {};\n");
}

/** `x86_64-unknown-linux-gnu` in npm's words: `linux-x64-gnu`. */
function platformOf(triple) {
  const [arch, , system, libc] = triple.split("-");
  const cpu = { x86_64: "x64", aarch64: "arm64" }[arch];
  const os = { windows: "win32", linux: "linux", darwin: "darwin" }[system];
  return [os, cpu, libc].filter((part) => part !== undefined).join("-");
}
