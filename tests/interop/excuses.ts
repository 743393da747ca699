/**
 * What a stage may be left out for: the peer does not go on from it, for a defect that it has on its own histories, too. Each is told by what is
 * stored, never by an error's text alone: what an error says could be Pawl's fault, what the rows show cannot.
 */
import { type Engine, pawl, peer } from "../engine/engines.ts";
import { Host, HostDriver } from "../engine/host.ts";

/** The history of `pawl/engine`'s own reader, which both engines' rows are read by here. */
type History = Awaited<ReturnType<Engine["loadStorage"]>>;
type Entry = History["history"]["entries"] extends Map<string, infer E> ? E : never;

/** The defects of the peer's for which nothing can be asked of it, by their numbers in the engine's contract. */
export type Excuse = "names were lost (7.1.1)" | "what is complete is not visited (7.1.5)";

/**
 * Why the peer cannot be asked to finish: it was given `begun`, ended with the error `outcome`, and left `ended`. Nothing: it is to finish, or the
 * blame is not its own.
 */
export async function excuseOf(outcome: string, begun: Host, ended: Host): Promise<Excuse | undefined> {
  const lost = /Name index (\d+) not found in registry/.exec(outcome)?.[1];
  if (lost !== undefined) return isLostByPeer(Number(lost), begun, ended) ? "names were lost (7.1.1)" : undefined;
  const unvisited = /^HistoryDivergedError: Entry "(.*)" exists in history but was not visited/.exec(outcome)?.[1];
  if (unvisited === undefined) return undefined;
  const history = await pawl.loadStorage(new HostDriver(ended.copy())).catch(() => undefined);
  return history !== undefined && isBelowComplete(unvisited, history)
    ? "what is complete is not visited (7.1.5)"
    : undefined;
}

/**
 * Nothing that Pawl writes can spare the peer this: it loses a name that its own run registers while its own batch is under way, and names of
 * steps that have not been reached are known to nobody before. The peer does it to its own histories (`peer -> peer`) as often.
 *
 * 7.1.1: the peer was given a registry without a hole, as it reads it itself, and has made one. */
function isLostByPeer(index: number, begun: Host, ended: Host): boolean {
  return namesLost(begun).length === 0 && namesLost(ended).includes(index);
}

/** The indices that entries are located by, and that have no name. */
export function namesLost(host: Host): number[] {
  const named = new Set<number>();
  const used = new Set<number>();
  for (const [key] of host.rows) {
    const bytes = Uint8Array.from(Buffer.from(key, "hex"));
    if (key.startsWith("1501")) named.add(keys.parseNameKey(bytes));
    if (!key.startsWith("1502")) continue;
    for (const segment of keys.parseHistoryKey(bytes)) used.add(typeof segment === "number" ? segment : segment.loop);
  }
  return [...used].filter((index) => !named.has(index));
}

/**
 * 7.1.5: the entry lies below a join, a race or a loop that a resumed run answers without going into it, or in a round that such a run is past; and
 * that one lies in a scope that is checked at its end: in a round, a branch or a block.
 */
function isBelowComplete(path: string, history: History): boolean {
  const { entries } = history.history;
  return [...entries].some(([above, entry]) => {
    if (!path.startsWith(`${above}/`) || !above.includes("/")) return false;
    return isComplete(entry, history) || isPast(entry, path.slice(above.length + 1));
  });
}

function isComplete({ id, kind }: Entry, { entryMetadata }: History): boolean {
  if (kind.type === "race") return kind.data.winner !== null;
  if (kind.type === "join")
    return Object.values(kind.data.branches).every(({ status }) => status === "completed" || status === "failed");
  return kind.type === "loop" && (kind.data.output !== undefined || entryMetadata.get(id)?.status === "completed");
}

/** Whether `below`, a path in a loop, is in a round before the loop's present one. */
function isPast({ kind }: Entry, below: string): boolean {
  const round = /^~(\d+)/.exec(below)?.[1];
  return kind.type === "loop" && round !== undefined && Number(round) < kind.data.iteration;
}

type Segment = number | { readonly loop: number; readonly iteration: number };

/** The parsers of keys, which the peer does not export. */
const keys = (await import(["pawl", "engine"].join("/"))) as {
  readonly parseNameKey: (key: Uint8Array) => number;
  readonly parseHistoryKey: (key: Uint8Array) => readonly Segment[];
};

/** A host with the same history, every row of it written by the peer; messages and alarm as they are. */
export async function copiedByPeer(host: Host): Promise<Host> {
  const from = new HostDriver(host.copy());
  const storage = await peer.loadStorage(from);
  for (const entry of storage.history.entries.values()) {
    await peer.loadMetadata(storage, from, entry.id);
    entry.dirty = true;
  }
  for (const metadata of storage.entryMetadata.values()) metadata.dirty = true;
  storage.flushedNameCount = 0;
  for (const flushed of ["flushedState", "flushedError", "flushedOutput"] as const) delete storage[flushed];
  const copy = new Host();
  copy.messages = [...host.messages];
  copy.alarm = host.alarm;
  const to = new HostDriver(copy);
  const input = host.rows.get(INPUT);
  if (input !== undefined) await to.set(Uint8Array.from(Buffer.from(INPUT, "hex")), input);
  await peer.flush(storage, to);
  return copy;
}

const INPUT = "15031504";
