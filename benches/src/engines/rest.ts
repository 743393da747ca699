/** When a process has nothing more to do for a state that was made. */
import { setTimeout } from "node:timers/promises";

/** Smaller states are not compacted when they are made. */
const LEAST_BYTES = 256 << 10;
const LOOK_MS = 500;
/** Milliseconds of computing, on all threads, that are next to nothing in that time. */
const NEXT_TO_NOTHING = 10;
const MOST_LOOKS = 240;

/**
 * Resolves when this process has computed nothing for a second: the first snapshot of a state of about so many bytes, which its
 * creation makes due, has been written.
 */
export async function rest(bytes: number): Promise<void> {
  if (bytes < LEAST_BYTES) return;
  let quiet = 0;
  for (let look = 0; quiet < 2 && look < MOST_LOOKS; look++) {
    const before = process.cpuUsage();
    await setTimeout(LOOK_MS);
    const { user, system } = process.cpuUsage(before);
    quiet = (user + system) / 1_000 < NEXT_TO_NOTHING ? quiet + 1 : 0;
  }
}
