// Puts an ESM front before each CommonJS entry of packages/pawl/dist, so that `import` and `require` share one core.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./processes.mjs";

const folder = join(ROOT, "packages", "pawl");
const require = createRequire(import.meta.url);

for (const target of Object.values(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).exports)) {
  if (typeof target !== "object") continue;
  const core = target.require.default;
  const names = Object.keys(require(join(folder, core))).sort();
  const specifier = `./${core.slice(core.lastIndexOf("/") + 1)}`;
  const values = names.length > 0 ? `export const { ${names.join(", ")} } = core;\n` : "";
  writeFileSync(join(folder, target.import.default), `import core from "${specifier}";\n${values}`);
  writeFileSync(join(folder, target.import.types), `export * from "${specifier}";\n`);
}
