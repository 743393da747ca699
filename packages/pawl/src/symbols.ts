/** Symbols that users see. They are registered, so that two copies of the package agree. */

/** `c[RAW_STATE]()` gives a plain, detached copy of the state, read back from the native engine with the attempt's own writes. */
export const RAW_STATE: unique symbol = Symbol.for("pawl.raw_state") as never;
