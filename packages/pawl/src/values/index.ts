/** Values: what users store, as bytes and back. Everything else in Pawl takes the codec from here. */
export { ByteReader, ByteWriter, varintWidth } from "./bytes.ts";
export { copy, isImmutable } from "./copy.ts";
export { decode, decodeAt } from "./decode.ts";
export { DEFAULT_MAX_BYTES, DEFAULT_MAX_DEPTH, type EncodeOptions, encode, encodeInto, withEncoded } from "./encode.ts";
export { setUnwrap, type Unwrap, type Unwrapped } from "./encoder.ts";
export { ValueError, type ValueErrorCode, type ValueErrorDetail } from "./error.ts";
export { decodeWtf8, encodeWtf8, isWellFormed, writeWtf8, wtf8Length } from "./wtf8.ts";
