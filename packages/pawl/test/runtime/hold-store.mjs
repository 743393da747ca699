// Opens the SQLite store at argv[2] with the addon at argv[3], says so, and keeps it until its input ends.
import { createRequire } from "node:module";

const [path, addon] = process.argv.slice(2);
const { Engine } = createRequire(import.meta.url)(addon);
const READY = 20;
const KIND_AT = 10; // after the next deadline (f64), the number of pending jobs and a flag (one byte each)

const engine = new Engine({ url: `sqlite:${path}`, namespace: "default" }, look);
const output = Buffer.alloc(4096);

function look() {
  const length = engine.advance(Date.now(), new Uint8Array(0), 0, output);
  if (length > KIND_AT) process.stdout.write(output[KIND_AT] === READY ? "open\n" : "refused\n");
}

process.stdin.on("end", () => engine.close()).resume();
look();
