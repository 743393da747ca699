/** `@opentelemetry/api`, if the program has it and has registered something with it. */
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as Otel from "@opentelemetry/api";

export type Api = typeof Otel;

/** Where every copy of the API finds what was registered, whichever version 1 it is of. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** The API: none if nothing was registered, or it is not installed where Pawl or the program is. */
export function registeredApi(): Api | undefined {
  const registered = (globalThis as { [REGISTERED]?: { trace?: unknown; metrics?: unknown } })[REGISTERED];
  if (registered?.trace === undefined && registered?.metrics === undefined) return undefined;
  for (const from of [import.meta.url, process.argv[1], join(process.cwd(), "index.js")]) {
    if (from === undefined) continue;
    try {
      return createRequire(from)("@opentelemetry/api") as Api;
    } catch {
      // It is not to be found from there.
    }
  }
  return undefined;
}
