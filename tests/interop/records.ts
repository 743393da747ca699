/** The rows that EB section 2 fixes, made comparable: ids are random, so each is replaced by the location of its entry. */
import { decode } from "cbor-x";
import type { Host } from "../engine/host.ts";

const HISTORY = "1502";
const METADATA = "1504";
const ERROR_ROW = "15031503";

/**
 * The shared rows of a host by their keys, in hex, ids renamed. The error row keeps name and message (a stack is each engine's own), and rows of
 * metadata stand under the location of their entry. Rows under (9) are Pawl's own and are left out.
 */
export function sharedRows(host: Host): Map<string, string> {
  const locations = locationsById(host);
  const shared = new Map<string, string>();
  for (const [key, value] of [...host.rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (key.startsWith("1509")) continue;
    const id = key.startsWith(METADATA) ? Buffer.from(key.slice(6, -2), "hex").toString() : null;
    shared.set(id === null ? key : `metadata of ${locations.get(id) ?? `no entry (${id})`}`, rename(key, value));
  }
  return shared;
}

function rename(key: string, value: Uint8Array): string {
  if (key === ERROR_ROW) {
    const { name, message } = decode(value) as { name: string; message: string };
    return `${name}: ${message}`;
  }
  const text = Buffer.from(value).toString("hex");
  // Version (2 bytes), length of the id (1 byte, 36), the id.
  return key.startsWith(HISTORY) ? `${text.slice(0, 6)}<id>${text.slice(6 + 72)}` : text;
}

function locationsById(host: Host): Map<string, string> {
  const locations = new Map<string, string>();
  for (const [key, value] of host.rows) {
    if (key.startsWith(HISTORY)) locations.set(Buffer.from(value.slice(3, 39)).toString(), key);
  }
  return locations;
}
