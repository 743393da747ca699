/**
 * The packed records that cross the boundary. `crates/node/src/wire` is the other half; a change here is a change there,
 * and of the boundary's number.
 *
 * A number is an unsigned LEB128 varint; a time or duration is a big-endian f64 of milliseconds; text and bytes are a length
 * and that many bytes; an optional is a byte 0 or 1 and the item. A record is its kind, the actor's handle, and its fields.
 */
export * from "./wire/input.ts";
export * from "./wire/output.ts";
export * from "./wire/output-reader.ts";
export * from "./wire/records.ts";
export * from "./wire/sinks.ts";
export * from "./wire/touched.ts";
