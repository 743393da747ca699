// Packs what is published, as it is published: the package `pawl`, and one package for each platform whose addon is in
// packages/pawl/native. Publishes nothing.
//
//   node scripts/pack.mjs [--out FOLDER] [--all]     FOLDER (target/npm) gets the tarballs and manifest.json, which names them;
//                                                    --all fails where a platform is missing
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run, tool } from "./processes.mjs";

const SOURCE = join(ROOT, "packages", "pawl");
/** What only this workspace needs of the package's manifest. */
const PRIVATE = ["scripts", "devDependencies", "imports", "napi"];

const { values } = parseArgs({
  options: { out: { type: "string", default: join(ROOT, "target", "npm") }, all: { type: "boolean", default: false } },
});
await pack(resolve(values.out));

async function pack(out) {
  rmSync(out, { recursive: true, force: true });
  const main = join(out, "pawl");
  mkdirSync(main, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(SOURCE, "package.json"), "utf8"));
  const platforms = await stagePlatforms(main);
  stageMain(main, manifest, platforms);
  const tarballs = {};
  // Platforms first: whoever publishes in this order never shows a `pawl` whose addon is not there yet.
  for (const folder of [...platforms.filter(({ built }) => built).map(({ folder }) => folder), main]) {
    const { name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    tarballs[name] = await npmPack(name, folder, out);
  }
  const missing = platforms.filter(({ built }) => !built).map(({ name }) => name);
  writeFileSync(
    join(out, "manifest.json"),
    `${JSON.stringify({ version: manifest.version, tarballs, missing }, null, 2)}\n`,
  );
  if (missing.length === 0) return;
  console.log(`pack: not built on this machine: ${missing.join(", ")}`);
  if (values.all) process.exitCode = 1;
}

/** Lets napi write a folder for each platform, and puts in the addons that are there. */
async function stagePlatforms(main) {
  cpSync(join(SOURCE, "package.json"), join(main, "package.json"));
  const made = await tool("@napi-rs/cli", "dist/cli.js", ["create-npm-dirs", "--cwd", main]);
  if (made.code !== 0) throw new Error(`napi create-npm-dirs failed with exit code ${made.code}`);
  return readdirSync(join(main, "npm")).map((target) =>
    stagePlatform(join(main, "npm", target), join(main, "..", target)),
  );
}

function stagePlatform(made, folder) {
  cpSync(made, folder, { recursive: true });
  const { name, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  cpSync(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  const addon = join(SOURCE, "native", main);
  const built = existsSync(addon);
  if (built) cpSync(addon, join(folder, main));
  return { name, folder, built };
}

function stageMain(main, manifest, platforms) {
  rmSync(join(main, "npm"), { recursive: true });
  const published = Object.fromEntries(Object.entries(manifest).filter(([key]) => !PRIVATE.includes(key)));
  published.optionalDependencies = Object.fromEntries(platforms.map(({ name }) => [name, manifest.version]).sort());
  writeFileSync(join(main, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
  cpSync(join(SOURCE, "dist"), join(main, "dist"), { recursive: true });
  for (const file of ["LICENSE", "README.md"]) cpSync(join(ROOT, file), join(main, file));
}

async function npmPack(name, folder, out) {
  const { code, output } = await run("npm", ["pack", "--silent", "--pack-destination", out], { cwd: folder });
  if (code !== 0) throw new Error(`npm pack of ${basename(folder)} failed with exit code ${code}`);
  // Without the version, so that whoever uses it need not know it.
  const tarball = `${name.replace("@", "").replace("/", "-")}.tgz`;
  renameSync(join(out, output.trim().split("\n").at(-1)), join(out, tarball));
  return tarball;
}
