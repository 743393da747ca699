/** What users write of schedules. */
import type { Duration } from "../duration.ts";
import type { AttemptContext, Types } from "../types.ts";

/** When an actor does something by the clock, and what. */
export type Schedule<T extends Types> = (
  | {
      /** Five fields: minute, hour, day of the month, month, day of the week; as in `"0 3 * * MON-FRI"`. */
      cron: string;
      /**
       * A zone of the IANA database, by whose clocks it goes. Where they skip a time, it is due at the first instant after the gap;
       * where they show one twice, the first time. Default: `"UTC"`.
       */
      timezone?: string;
    }
  | {
      /** From the actor's making on, and from then on at the same intervals, however long a run takes. */
      every: Duration;
    }
) & {
  /**
   * What becomes of the times at which it was due and could not run, for there was no process: it runs `"once"` for all of them;
   * it does not (`"skip"`), unless the last was less than a minute ago; or once for each (`"all"`). Default: `"once"`.
   */
  missed?: "once" | "skip" | "all";
  /** What it does when it is due. An attempt as any other: its idempotency key is another one each time it is due, and the same when it is tried again. */
  run: (c: AttemptContext<T>) => unknown;
};

/** A schedule whose form is not known. */
export interface AnySchedule {
  readonly cron?: string;
  readonly timezone?: string;
  readonly every?: Duration;
  readonly missed?: "once" | "skip" | "all";
  readonly run: (c: AttemptContext<Types>) => unknown;
}

/** By name. */
export type Schedules = Readonly<Record<string, AnySchedule>>;
