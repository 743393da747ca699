/** Why a value could not be written or read. */
export type ValueErrorCode = "value_not_storable" | "value_too_large" | "record_corrupt";

/** What a {@link ValueError} knows beside its code. */
export interface ValueErrorDetail {
  /** What was found, as a noun phrase: `a function`, `an instance of class Decimal`, `a cycle back to .a`. */
  readonly found: string;
  /** Where in the value, as one would write it after the variable: `.items[3].price`; empty for the value itself. */
  readonly path?: string;
  /** Where in the bytes: the offset of the first byte that could not be accepted. Only for `record_corrupt`. */
  readonly offset?: number;
}

const EXPECTED: Readonly<Record<ValueErrorCode, string>> = {
  value_not_storable: "only data can be stored, so store its plain parts instead",
  value_too_large: "store less at once, or raise the limit",
  record_corrupt: "these bytes were not written by this codec, or were damaged since",
};

/** A value that cannot be stored, or bytes that hold none. Nothing has been written or changed when it is thrown. */
export class ValueError extends Error {
  override readonly name = "ValueError";
  readonly code: ValueErrorCode;
  readonly path: string;
  readonly found: string;
  readonly offset: number | undefined;

  constructor(code: ValueErrorCode, detail: ValueErrorDetail) {
    const path = detail.path ?? "";
    super(`found ${detail.found}${whereabouts(path, detail.offset)}: ${EXPECTED[code]}`);
    this.code = code;
    this.path = path;
    this.found = detail.found;
    this.offset = detail.offset;
  }
}

function whereabouts(path: string, offset: number | undefined): string {
  if (offset !== undefined) return ` at byte ${offset}`;
  return path === "" ? "" : ` at ${path}`;
}
