import { ValueError } from "../values/index.ts";
import { OutputReader } from "./output-reader.ts";
import { type AnswerRecord, HALTS, type Halt, REFUSALS, type Refusal, TERMINALS, type Terminal } from "./records.ts";
import { type ActorSink, type EngineSink, MISUSES, type Misuse } from "./sinks.ts";

/** What a turn says of itself. */
export interface Said {
  readonly next: number;
  readonly pending: number;
  readonly pulse: boolean;
}

/**
 * Hands everything that a turn says to `sink`, in order. Returns the next deadline (NaN: none), what the store is doing, and
 * whether a pulse is wanted.
 */
export function dispatch(bytes: Uint8Array, length: number, sink: EngineSink): Said {
  const reader = new OutputReader(bytes, length);
  const next = reader.time();
  const pending = reader.number();
  const pulse = reader.flag();
  while (reader.hasMore) {
    const start = reader.offset;
    try {
      dispatchOne(reader, sink);
    } catch (error) {
      if (error instanceof ValueError || reader.offset === start) throw error;
      sink.defect(error);
    }
  }
  return { next, pending, pulse };
}

/** Reads what is needed before anything is called, so that a callback that throws leaves the reader in its place. */
function dispatchOne(reader: OutputReader, sink: EngineSink): void {
  const kind = reader.byte();
  const handle = reader.number();
  if (kind === 40) {
    const actor = reader.text();
    return sink.load(handle, actor);
  }
  if (kind === 41) {
    const [actor, calls, after] = [reader.text(), reader.calls(), reader.calls()];
    return sink.write(handle, actor, calls, after);
  }
  if (kind >= 68 && kind <= 71) return dispatchShared(kind, reader, sink);
  if (kind === 94) {
    const died = Array.from({ length: handle }, () => String(reader.number()));
    return sink.died(died);
  }
  if (kind === 95) return sink.lapsed();
  if (kind === 110) {
    const [name, listens] = [reader.text(), reader.flag()];
    return sink.listened(name, listens);
  }
  if (kind === 111) {
    const [name, body] = [reader.text(), reader.bytes()];
    return sink.event(name, String(handle), body);
  }
  if (kind === 60) {
    const gone = reader.flag();
    return sink.actor(handle)?.retired(gone);
  }
  if ((kind >= 61 && kind <= 63) || kind === 81 || kind === 116) return dispatchLook(kind, handle, reader, sink);
  if (kind >= 52) return dispatchDealing(kind, reader, sink.actor(handle));
  if (kind >= 16 && (kind < 20 || kind > 28)) return dispatchControl(kind, reader, sink.actor(handle));
  if (kind >= 20) {
    if (kind <= 21 || kind >= 26) return dispatchEngine(kind, reader, sink);
    return dispatchLife(kind, reader, sink.actor(handle));
  }
  const actor = sink.actor(handle);
  switch (kind) {
    case 1:
      return dispatchVerdict(reader, actor);
    case 2: {
      const [scope, input, replaying] = [reader.number(), reader.optionalBytes(), reader.flag()];
      return actor?.runWorkflow({ scope, input, replaying, rebuild: reader.flag(), at: reader.number() });
    }
    case 3: {
      const [op, attempt] = [reader.number(), reader.number()];
      return actor?.execute(op, attempt);
    }
    case 4: {
      const [op, attempt] = [reader.number(), reader.number()];
      const timeout = reader.byte() === 0 ? reader.time() : undefined;
      return actor?.abort(op, attempt, timeout);
    }
    case 5: {
      const [op, scope, state, replaying] = [reader.number(), reader.number(), reader.value(), reader.flag()];
      const ahead = reader.number();
      return actor?.iterate(op, scope, state, replaying, ahead);
    }
    case 6: {
      const op = reader.number();
      const told = reader.told();
      const value = reader.value();
      return actor?.resolve(op, value, told);
    }
    case 7: {
      const [op, told] = [reader.number(), reader.told()];
      const [terminal, attempts] = [TERMINALS[reader.byte()] as Terminal, reader.number()];
      const failure = reader.failure();
      return actor?.reject(op, terminal, attempts, failure, told);
    }
    case 8: {
      const op = reader.number();
      return actor?.rethrow(op);
    }
    case 9: {
      const [report, event] = [reader.number(), reader.event()];
      return actor?.report(report, event);
    }
    case 10: {
      const call = reader.number();
      return actor?.reply(call);
    }
    case 11: {
      const [call, reason, why] = [reader.number(), REFUSALS[reader.byte()] as Refusal, reader.text()];
      return actor?.refuse(call, reason, why);
    }
    case 12: {
      const outcome = reader.outcome();
      return actor?.runEnded(outcome);
    }
    case 13: {
      const divergence = reader.divergence();
      return actor?.parked(divergence);
    }
    case 14: {
      const op = reader.flag() ? reader.number() : undefined;
      const [misuse, name] = [MISUSES[reader.byte()] as Misuse, reader.text()];
      return actor?.misuse(op, misuse, name);
    }
    case 15: {
      const report = reader.number();
      return actor?.reported(report);
    }
    default:
      throw new Error(`the engine says something of kind ${kind}, which this version does not know`);
  }
}

function dispatchControl(kind: number, reader: OutputReader, actor: ActorSink | undefined): void {
  switch (kind) {
    case 16: {
      const [op, attempt, attempted, output] = [reader.number(), reader.number(), reader.flag(), reader.value()];
      return actor?.undo(op, attempt, attempted, output);
    }
    case 17: {
      const [op, scope, index, replaying] = [reader.number(), reader.number(), reader.number(), reader.flag()];
      return actor?.branch(op, scope, index, replaying);
    }
    case 18: {
      const [op, scope, replaying] = [reader.number(), reader.number(), reader.flag()];
      return actor?.enter(op, scope, replaying);
    }
    case 19: {
      const scope = reader.number();
      return actor?.cancelled(scope);
    }
    case 29: {
      const reason = HALTS[reader.byte()] as Halt;
      return actor?.halted(reason);
    }
    case 30: {
      const [call, messageId] = [reader.number(), reader.text()];
      return actor?.sent(call, messageId);
    }
    case 31: {
      const [messageId, answer] = [reader.text(), reader.answer()];
      return actor?.answered(messageId, answer);
    }
    case 34: {
      const op = reader.number();
      return actor?.durable(op);
    }
    case 36: {
      const [scope, replaying, steps] = [reader.number(), reader.flag(), reader.bytes()];
      return actor?.ahead(scope, steps, replaying);
    }
    case 44: {
      const [call, was] = [reader.number(), reader.was()];
      return actor?.past(call, { kind: "state", was });
    }
    case 45: {
      const [call, entryIds] = [reader.number(), Array.from({ length: reader.number() }, () => reader.text())];
      const was = reader.flag() ? reader.was() : undefined;
      const moved = Array.from({ length: reader.number() }, () => ({ seq: reader.number(), at: reader.time() }));
      return actor?.past(call, { kind: "way", entryIds, was, moved });
    }
    case 46: {
      const [call, problem] = [reader.number(), reader.problem()];
      return actor?.pastFailed(call, problem);
    }
    case 35:
      return actor?.due();
    case 32: {
      const alarm = reader.flag() ? reader.time() : undefined;
      const names = reader.flag() ? Array.from({ length: reader.number() }, () => reader.text()) : undefined;
      return actor?.suspended(alarm, names);
    }
    case 33: {
      const [op, names] = [reader.number(), Array.from({ length: reader.number() }, () => reader.text())];
      const count = reader.number();
      return actor?.want(op, names, count);
    }
    default:
      throw new Error(`the engine says something of kind ${kind}, which this version does not know`);
  }
}

function dispatchVerdict(reader: OutputReader, actor: ActorSink | undefined): void {
  const whose = reader.byte();
  const id = reader.number();
  const attempt = whose === 0 || whose === 3 ? reader.number() : 0;
  const verdict = reader.verdict();
  if (whose === 0) actor?.stepVerdict(id, attempt, verdict);
  else if (whose === 1) actor?.actionVerdict(id, verdict);
  else if (whose === 2) actor?.reportVerdict(id, verdict);
  else actor?.receiptVerdict(id, attempt, verdict);
}

/** What actors do to each other. */
function dispatchDealing(kind: number, reader: OutputReader, actor: ActorSink | undefined): void {
  switch (kind) {
    case 52: {
      const [receipt, attempt, id] = [reader.number(), reader.number(), reader.text()];
      const [name, body] = [reader.text(), reader.bytes()];
      return actor?.receive({ receipt, attempt, id, name, body });
    }
    case 53: {
      const [receipt, attempt, timeout] = [reader.number(), reader.number(), reader.time()];
      return actor?.abortReceipt(receipt, attempt, timeout);
    }
    case 54: {
      const receipt = reader.number();
      return actor?.received(receipt);
    }
    case 55: {
      const input = reader.optionalBytes();
      return actor?.ordered(input);
    }
    case 56:
      return actor?.destroyed();
    case 80: {
      const [receipt, attempt, id] = [reader.number(), reader.number(), reader.text()];
      const [name, spec, dueAt] = [reader.text(), reader.bytes(), reader.time()];
      return actor?.tick({ receipt, attempt, id, name, spec, dueAt });
    }
    default:
      throw new Error(`the engine says something of kind ${kind}, which this version does not know`);
  }
}

function dispatchEngine(kind: number, reader: OutputReader, sink: EngineSink): void {
  if (kind === 20) {
    const id = reader.fixed(16);
    sink.ready(id, reader.text());
  } else if (kind === 21) sink.storeFailed(reader.problem());
  else if (kind === 26) sink.wake(reader.text());
  else if (kind === 27) sink.resumed();
  else sink.resumeFailed(reader.problem());
}

function dispatchLook(kind: number, ticket: number, reader: OutputReader, sink: EngineSink): void {
  if (kind === 61) {
    const rows = Array.from({ length: reader.number() }, () => reader.row(reader.text()));
    return sink.looked(ticket, { kind: "listed", rows });
  }
  if (kind === 81) {
    const read = (): [string, Uint8Array] => [reader.text(), reader.bytes()];
    const notes = new Map(Array.from({ length: reader.number() }, read));
    return sink.looked(ticket, { kind: "notes", notes });
  }
  if (kind === 116) return sink.looked(ticket, { kind: "was", was: reader.was() });
  if (kind !== 62) return sink.lookFailed(ticket, reader.problem());
  if (!reader.flag()) return sink.looked(ticket, { kind: "none" });
  const [standing, inspection, state] = [reader.standing(), reader.bytes(), reader.optionalBytes()];
  const row = { ...standing, owner: reader.flag() ? reader.text() : undefined };
  sink.looked(ticket, { kind: "seen", row, inspection, state, bytes: reader.number() });
}

/** What comes from other processes. */
function dispatchShared(kind: number, reader: OutputReader, sink: EngineSink): void {
  const problem = kind === 71 ? reader.problem() : undefined;
  const name = reader.text();
  if (kind === 70) {
    const outcome = reader.flag() ? reader.outcome() : undefined;
    return sink.outcome(name, outcome);
  }
  const id = reader.text();
  if (kind === 68) {
    const body = reader.bytes();
    return sink.called(name, id, body);
  }
  const reply = reader.optionalBytes();
  return sink.replied(name, id, reply ?? new Uint8Array(), problem);
}

function dispatchLife(kind: number, reader: OutputReader, actor: ActorSink | undefined): void {
  if (kind === 22 || kind === 25) {
    const facts = reader.facts();
    if (kind === 22) actor?.opened(facts);
    else actor?.reopened(facts);
  } else {
    const problem = reader.problem();
    if (kind === 23) actor?.openFailed(problem);
    else actor?.lost(problem);
  }
}

/** What `Engine.answer` and `Engine.remembered` give, where that is not empty. */
export function readAnswer(bytes: Uint8Array): AnswerRecord {
  return new OutputReader(bytes, bytes.length).answer();
}
