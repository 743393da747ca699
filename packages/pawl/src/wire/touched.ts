/** What an attempt that is still running has done to a cell, as `Engine.overtaken` takes it. */
import { ByteWriter } from "../values/index.ts";
import type { CellWrites } from "./records.ts";

/** In the form that a settle call has it in. */
export function encodeTouched({ cell, pin, delta, reads }: CellWrites): Uint8Array {
  const out = new ByteWriter((delta?.length ?? 0) + (reads?.length ?? 0) + 64);
  part(out, Buffer.from(cell));
  out.varint(pin);
  optional(out, delta);
  optional(out, reads);
  return out.copy();
}

function optional(out: ByteWriter, bytes: Uint8Array | undefined): void {
  out.u8(bytes === undefined ? 0 : 1);
  if (bytes !== undefined) part(out, bytes);
}

function part(out: ByteWriter, bytes: Uint8Array): void {
  out.varint(bytes.length);
  out.bytes(bytes);
}
