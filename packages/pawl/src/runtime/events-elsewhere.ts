/** Events that leave this thread: other threads of this process that share the store may listen to our actors, and we to theirs. */
import type { EventRecord, Source } from "../broadcasts.ts";
import type { Pump } from "../pump.ts";
import { decode, encode } from "../values/index.ts";

/** As it travels. */
interface Packed {
  readonly event: string;
  readonly payload: Uint8Array;
  readonly step?: string;
  readonly attempt?: number;
}

/** An event may be as large as a value: what is around it is not counted. */
const ROOM = 256 << 20;

export class EventsElsewhere {
  /** Actors to which somebody listens in another thread. */
  readonly #heard = new Set<string>();

  note(name: string, listens: boolean): void {
    if (listens) this.#heard.add(name);
    else this.#heard.delete(name);
  }

  /** Tells those who listen elsewhere, if there are any. */
  tell(pump: Pump | undefined, name: string, { event, payload }: EventRecord, source: Source | undefined): void {
    if (this.#heard.size === 0 || pump === undefined || !this.#heard.has(name)) return;
    const { step, attempt } = source ?? {};
    const packed = {
      event,
      payload,
      ...(step === undefined ? {} : { step }),
      ...(attempt === undefined ? {} : { attempt }),
    };
    pump.input.event(name, encode(packed satisfies Packed, { maxBytes: ROOM }));
    pump.schedule();
  }
}

/** What another thread has told. */
export function unpackedEvent(body: Uint8Array): [record: EventRecord, source: Source | undefined] {
  const { event, payload, step, attempt } = decode(body) as Packed;
  return [{ event, payload }, attempt === undefined ? undefined : { step, attempt }];
}
