/** The door for an engine that was loaded elsewhere: by a program that carries one platform's addon in its bundle. */
import { checked, share } from "./load.ts";

/**
 * Makes `loaded`, the exports of a platform's addon, the engine of this process, if it has none yet.
 *
 * @throws OtherVersionError if it speaks another boundary than this code.
 */
export function provide(loaded: unknown): void {
  const engine = checked(loaded);
  share(() => engine);
}
