// What is promised of the addons in packages/pawl/native: their size, that they are stripped, and which C library they need.
//
//   node scripts/addon.mjs [--release]     --release: also the floor of the C library, which a build for this machine alone need not keep
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run } from "./processes.mjs";

const FOLDER = join(ROOT, "packages/pawl/native");
const MOST_BYTES = 6_000_000;
/** CentOS 7, Debian 8: what napi-cross links against. */
const GLIBC_FLOOR = [2, 17];

const { values } = parseArgs({ options: { release: { type: "boolean", default: false } } });
const addons = readdirSync(FOLDER).filter((name) => name.endsWith(".node"));
const problems = [];
for (const name of addons) problems.push(...(await check(name)).map((problem) => `${name}: ${problem}`));
if (addons.length === 0) problems.push(`there is no addon in ${FOLDER}`);
for (const problem of problems) console.error(`addon: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;

async function check(name) {
  const { size } = statSync(join(FOLDER, name));
  console.log(`addon: ${name}: ${(size / 1e6).toFixed(2)} MB`);
  const found = size > MOST_BYTES ? [`${size} bytes; expected at most ${MOST_BYTES}`] : [];
  return name.includes("linux") ? [...found, ...(await checkElf(name))] : found;
}

async function checkElf(name) {
  const sections = await readelf("-SW", name);
  const needed = [...(await readelf("-dW", name)).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, library]) => library);
  const found = / \.symtab /.test(sections) ? ["it is not stripped"] : [];
  if (name.includes("musl")) return needed.includes("libc.so.6") ? [...found, "it needs glibc: libc.so.6"] : found;
  if (!values.release) return found;
  const versions = [...(await readelf("-VW", name)).matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, a, b]) => [
    Number(a),
    Number(b),
  ]);
  const newest = versions.sort(([a, b], [c, d]) => a - c || b - d).at(-1) ?? GLIBC_FLOOR;
  console.log(`addon: ${name}: glibc ${newest.join(".")} or newer`);
  const isNewer = newest[0] > GLIBC_FLOOR[0] || newest[1] > GLIBC_FLOOR[1];
  return isNewer ? [...found, `it needs glibc ${newest.join(".")}; expected ${GLIBC_FLOOR.join(".")} or older`] : found;
}

async function readelf(flag, name) {
  const { code, output } = await run("readelf", [flag, join(FOLDER, name)], { quiet: true });
  if (code !== 0) throw new Error(`readelf ${flag} ${name} failed: ${output}`);
  return output;
}
