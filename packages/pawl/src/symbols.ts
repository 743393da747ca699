/** Symbols that users see. They are registered, so that two copies of the package agree. */

/** `c[RAW_STATE]()` gives a plain, detached copy of the state, read back from the native engine with the attempt's own writes. */
export const RAW_STATE: unique symbol = Symbol.for("pawl.raw_state") as never;

/** What has a plain, detached copy. Declared beside the symbol: where types are bundled, a computed key does not hold on to its import. */
export interface Raw<T> {
  /** A plain, detached copy, with the attempt's own writes. */
  [RAW_STATE](): T;
}
