/** Tells the parent something, before anything else happens: one line of JSON. */
import { writeSync } from "node:fs";

export function say(value) {
  writeSync(1, `${JSON.stringify(value)}\n`);
}
