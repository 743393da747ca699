/** The log of a test runtime: kept, not shown. */
import type { Logger } from "../log.ts";

/** A line that would have been logged. */
export interface LogLine {
  /** Which method was called. */
  readonly level: keyof Logger;
  /** What was logged beside the message. */
  readonly fields: object;
  /** The text. */
  readonly message: string;
}

/** A logger that keeps what it is told, and passes it on to another one if there is one. */
export function keepingLogger(tell: (line: LogLine) => void, next: Logger | undefined): Logger {
  const at = (level: keyof Logger) => (fields: object, message: string) => {
    tell({ level, fields, message });
    next?.[level](fields, message);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
