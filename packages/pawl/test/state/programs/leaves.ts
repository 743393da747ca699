/** What programs do with a Date, a typed array or another leaf. */
import { pick, type Step } from "./side.ts";

type Act = (at: unknown, step: Step) => unknown;

const bytes =
  (act: (at: Uint8Array, step: Step) => unknown): Act =>
  (at, step) =>
    at instanceof Uint8Array ? act(at, step) : undefined;
const dates =
  (act: (at: Date, step: Step) => unknown): Act =>
  (at, step) =>
    at instanceof Date ? act(at, step) : undefined;
const memory =
  (act: (at: ArrayBuffer, step: Step) => unknown): Act =>
  (at, step) =>
    at instanceof ArrayBuffer ? act(at, step) : undefined;
const bigs =
  (act: (at: BigInt64Array, step: Step) => unknown): Act =>
  (at, step) =>
    at instanceof BigInt64Array ? act(at, step) : undefined;

export const leaves: Record<string, Act> = {
  "Date.setTime": dates((at, step) => at.setTime(pick(step, 1))),
  "Date.setFullYear": dates((at, step) => at.setFullYear(1990 + pick(step, 1))),
  "Date.setUTCHours": dates((at, step) => at.setUTCHours(pick(step, 1), 1, 2, 3)),
  "a Date made invalid": dates((at) => at.setTime(Number.NaN)),
  "set a byte": bytes((at, step) => {
    if (at.length > 0) at[pick(step, 2) % at.length] = pick(step, 1);
  }),
  "fill bytes": bytes((at, step) => at.fill(pick(step, 1), pick(step, 2) % 3).length),
  "set bytes": bytes((at, step) => at.length > 1 && at.set([pick(step, 1), 2], 0)),
  "copyWithin bytes": bytes((at, step) => at.copyWithin(0, pick(step, 1) % 3).length),
  "sort bytes": bytes((at) => at.sort().length),
  "reverse bytes": bytes((at) => at.reverse().length),
  "write into a subarray": bytes((at, step) => at.subarray(1).fill(pick(step, 1)).length),
  "write text into a Buffer": (at) => (Buffer.isBuffer(at) ? at.write("w") : undefined),
  "a DataView on an ArrayBuffer": memory((at, step) => {
    if (at.byteLength > 3) new DataView(at).setUint16(2, pick(step, 1));
  }),
  "a bigint element": bigs((at, step) => {
    if (at.length > 0) at[0] = BigInt(pick(step, 1)) - 20n;
  }),
  "an error's message": (at, step) => {
    if (at instanceof Error) at.message = `m${pick(step, 1)}`;
  },
  "a URL's hash": (at, step) => {
    if (at instanceof URL) at.hash = `h${pick(step, 1)}`;
  },
  lastIndex: (at, step) => {
    if (at instanceof RegExp) at.lastIndex = pick(step, 1);
  },
};
