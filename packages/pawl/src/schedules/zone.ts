/**
 * Local time in a zone of the IANA database, as Intl knows it. A local time is a number: the milliseconds since the epoch that
 * it would be in UTC.
 */

const DAY_MS = 86_400_000;

export class Zone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;

  /** Throws `RangeError` for a zone that does not exist. */
  constructor(name: string) {
    this.name = name;
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** What clocks there show. */
  localAt(instant: number): number {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of this.#format.formatToParts(instant)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    const wholeSeconds = Date.UTC(year, month - 1, day, hour, minute, second);
    return wholeSeconds + (((instant % 1000) + 1000) % 1000);
  }

  /**
   * When clocks there show a local time: for the first time, if they do so twice; where they skip it, the first instant after
   * the gap.
   */
  instantOf(local: number): number {
    const [before, after] = [this.#offsetAt(local - DAY_MS), this.#offsetAt(local + DAY_MS)];
    for (const offset of [before, after]) if (this.#offsetAt(local - offset) === offset) return local - offset;
    return this.#changeBetween(local - DAY_MS, local + DAY_MS);
  }

  #offsetAt(instant: number): number {
    return this.localAt(instant) - instant;
  }

  /** The first instant at which the offset is no longer what it was; offsets change at whole seconds. */
  #changeBetween(earlier: number, later: number): number {
    const old = this.#offsetAt(earlier);
    let [low, high] = [Math.floor(earlier / 1000), Math.ceil(later / 1000)];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#offsetAt(middle * 1000) === old) low = middle;
      else high = middle;
    }
    return high * 1000;
  }
}
