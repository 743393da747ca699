/** The log. */

/** What Pawl and user code log with; pino fits. The object first, then the words. */
export interface Logger {
  /** What helps to follow a run. */
  debug(o: object, m: string): void;
  /** What happens now and then. */
  info(o: object, m: string): void;
  /** What went wrong and goes on. */
  warn(o: object, m: string): void;
  /** What somebody has to look at. */
  error(o: object, m: string): void;
}

/** Writes to the console; keeps silent about what is only for debugging. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: (o, m) => console.info(m, o),
  warn: (o, m) => console.warn(m, o),
  error: (o, m) => console.error(m, o),
};

/** Says nothing. */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A logger that adds fields to everything. */
export function withFields(logger: Logger, fields: object): Logger {
  return {
    debug: (o, m) => logger.debug({ ...fields, ...o }, m),
    info: (o, m) => logger.info({ ...fields, ...o }, m),
    warn: (o, m) => logger.warn({ ...fields, ...o }, m),
    error: (o, m) => logger.error({ ...fields, ...o }, m),
  };
}
