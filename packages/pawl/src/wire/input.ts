/** Writing the records that go in. */
import { FAILURE_KINDS, type FailureRecord } from "../failure.ts";
import { ByteWriter } from "../values/index.ts";
import {
  BEGUN,
  type CallRecord,
  type CreateRecord,
  type EmbeddedRecord,
  FORK_RULES,
  type ForkRecord,
  type HostMessage,
  type HostTakes,
  type KeepRecord,
  type LoopRecord,
  NOTHING_WRITTEN,
  type PackedRows,
  PURPOSES,
  type ReceivesRecord,
  type ScheduleRecord,
  type StepPolicyRecord,
  type WaitRecord,
  type WholeStep,
  type Writes,
} from "./records.ts";

/** Appends inputs for the engine. */
export class InputWriter {
  readonly out: ByteWriter = new ByteWriter(4096);

  open(handle: number, name: string): void {
    this.#record(1, handle);
    this.#text(name);
  }

  close(handle: number): void {
    this.#record(2, handle);
  }

  resume(): void {
    this.#record(3, 0);
  }

  /** Asks for an actor to be forgotten, if it has nothing to do. */
  retire(handle: number): void {
    this.#record(60, handle);
  }

  /** Asks for the actors behind `after`, in order of name. */
  list(ticket: number, after: string | undefined, limit: number): void {
    this.#record(61, ticket);
    this.#optionalText(after);
    this.out.varint(limit);
  }

  /** Writes notes, in place of what is there under these names; without a body, one goes. */
  note(ticket: number, puts: readonly (readonly [name: string, body: Uint8Array | undefined])[]): void {
    this.#record(81, ticket);
    this.out.varint(puts.length);
    for (const [name, body] of puts) {
      this.#text(name);
      this.#optionalBytes(body);
    }
  }

  /** Asks for the notes whose names begin so. */
  notes(ticket: number, prefix: string): void {
    this.#record(82, ticket);
    this.#text(prefix);
  }

  /** Asks for what is stored of an actor. */
  see(ticket: number, name: string): void {
    this.#record(62, ticket);
    this.#text(name);
  }

  /** Asks for the state of an actor after the change in which an entry committed. */
  seeAt(ticket: number, name: string, entry: string): void {
    this.#record(115, ticket);
    this.#text(name);
    this.#text(entry);
  }

  create(handle: number, call: number, actor: CreateRecord): void {
    this.#record(4, handle);
    this.out.varint(call);
    this.#flag(actor.workflow);
    this.#optionalBytes(actor.input);
    this.#optionalBytes(actor.state);
    this.out.varint(actor.version);
    this.#flag(actor.hosted === true);
    this.#flag(actor.ordered === true);
  }

  migrate(handle: number, state: Uint8Array, version: number): void {
    this.#record(5, handle);
    this.#bytes(state);
    this.out.varint(version);
  }

  /** `guarded`: bodies are kept waiting until `begun` says that they begin. */
  start(handle: number, reports: boolean, codeVersion: string, guarded: boolean, embedded?: EmbeddedRecord): void {
    this.#record(6, handle);
    this.#flag(reports);
    this.#text(codeVersion);
    this.#flag(guarded);
    this.#flag(embedded !== undefined);
    if (embedded === undefined) return;
    this.#flag(embedded.frontier);
    this.out.f64(embedded.patience);
    this.#flag(embedded.controlled);
    this.#flag(embedded.asks);
  }

  send(handle: number, call: number, name: string, body: Uint8Array, delay: number, keep?: KeepRecord): void {
    this.#record(7, handle);
    this.out.varint(call);
    this.#text(name);
    this.#bytes(body);
    this.out.f64(delay);
    this.#keep(keep);
  }

  /** Which messages have handlers. */
  receives(handle: number, receives: ReceivesRecord): void {
    this.#record(52, handle);
    this.#texts(receives.names);
    this.#texts(receives.answered);
    this.#policy(receives.policy);
    this.#flag(receives.reports);
  }

  /** Before `create`, and before `start`. */
  schedules(handle: number, schedules: readonly ScheduleRecord[]): void {
    this.#record(80, handle);
    this.out.varint(schedules.length);
    for (const { name, spec, nextAt } of schedules) {
      this.#text(name);
      this.#bytes(spec);
      this.out.f64(nextAt);
    }
  }

  received(handle: number, receipt: number, attempt: number, reply: Uint8Array | undefined, writes: Writes): void {
    this.#receipt(handle, receipt, attempt);
    this.#done(reply, writes);
  }

  /** `retryAt`: when the handler asks to be tried again. */
  receiveThrew(handle: number, receipt: number, attempt: number, failure: FailureRecord, retryAt?: number): void {
    this.#receipt(handle, receipt, attempt);
    this.#threw(failure, undefined, retryAt);
  }

  /** A workflow asks another actor, and waits. */
  request(handle: number, scope: number, op: number, call: CallRecord): void {
    this.#operation(54, handle, scope, op, call.name);
    this.#flag(call.kind === "ask");
    this.#text(call.to);
    this.#text(call.message);
    this.#bytes(call.body);
    this.#optionalTime(call.timeout);
  }

  /** The actor that was ordered cannot be made. */
  notOrdered(handle: number, failure: FailureRecord): void {
    this.#record(55, handle);
    this.#failure(failure);
  }

  destroy(handle: number, call: number): void {
    this.#record(56, handle);
    this.out.varint(call);
  }

  /** `begun`: when its first attempt has begun, if it has. */
  step(
    handle: number,
    scope: number,
    op: number,
    name: string,
    policy: StepPolicyRecord,
    traits: number,
    begun: number | undefined,
  ): void {
    this.#operation(8, handle, scope, op, name);
    this.#policy(policy);
    if (begun === undefined) return this.out.u8(traits);
    this.out.u8(traits | BEGUN);
    this.out.f64(begun);
  }

  /** A new step as a whole, which the workflow knows of: nothing answers it. */
  stepped(handle: number, scope: number, op: number, name: string, whole: WholeStep): void {
    this.#operation(130, handle, scope, op, name);
    this.out.f64(whole.begun);
    this.out.f64(whole.ended);
    this.#optionalBytes(whole.output);
  }

  sleepFor(handle: number, scope: number, op: number, name: string, ms: number): void {
    this.#operation(9, handle, scope, op, name);
    this.#flag(false);
    this.out.f64(ms);
  }

  sleepUntil(handle: number, scope: number, op: number, name: string, at: number): void {
    this.#operation(9, handle, scope, op, name);
    this.#flag(true);
    this.out.f64(at);
  }

  next(handle: number, scope: number, op: number, wait: WaitRecord): void {
    this.#operation(10, handle, scope, op, wait.name);
    this.out.varint(wait.names.length);
    for (const wanted of wait.names) this.#text(wanted);
    this.#optionalTime(wait.timeout);
    this.out.varint(wait.count);
    this.#flag(wait.completable);
  }

  loop(handle: number, scope: number, op: number, loop: LoopRecord): void {
    this.#operation(11, handle, scope, op, loop.name);
    this.#optionalBytes(loop.state);
    this.out.varint(loop.keep);
    this.out.varint(loop.every);
  }

  /** The body of an attempt was kept waiting, and begins. */
  begun(handle: number, op: number, attempt: number): void {
    this.#record(72, handle);
    this.out.varint(op);
    this.out.varint(attempt);
  }

  settled(handle: number, op: number, attempt: number, output: Uint8Array | undefined, writes: Writes): void {
    this.#record(12, handle);
    this.out.varint(op);
    this.out.varint(attempt);
    this.#done(output, writes);
  }

  /** `retryAt`: when the body asks to be tried again. */
  failed(handle: number, op: number, attempt: number, failure: FailureRecord, retryAt?: number): void {
    this.#record(12, handle);
    this.out.varint(op);
    this.out.varint(attempt);
    this.#threw(failure, undefined, retryAt);
  }

  /** `reply` is given if it is kept. */
  acted(handle: number, call: number, reply: Uint8Array | undefined, writes: Writes, keep?: KeepRecord): void {
    this.#record(13, handle);
    this.out.varint(call);
    this.#done(reply, writes);
    this.#keep(keep);
  }

  /** The same, of a call of another process, which finds `reply` with the change. */
  actedFor(handle: number, call: number, id: string, reply: Uint8Array, writes: Writes): void {
    this.#record(71, handle);
    this.#text(id);
    this.#optionalBytes(reply);
    this.out.u8(13);
    this.out.varint(call);
    this.#done(undefined, writes);
    this.#keep(undefined);
  }

  /** A message as a call of another process, which finds the message's id with the change. */
  sendFor(handle: number, call: number, id: string, name: string, body: Uint8Array, delay: number): void {
    this.#record(71, handle);
    this.#text(id);
    this.#optionalBytes(undefined);
    this.out.u8(7);
    this.out.varint(call);
    this.#text(name);
    this.#bytes(body);
    this.out.f64(delay);
    this.#keep(undefined);
  }

  /** Asks whoever owns an actor. */
  call(name: string, id: string, body: Uint8Array): void {
    this.#record(68, 0);
    this.#text(name);
    this.#text(id);
    this.#bytes(body);
  }

  /** Replies to a call of another process, if no change does. */
  answer(handle: number, id: string, reply: Uint8Array): void {
    this.#record(69, handle);
    this.#text(id);
    this.#bytes(reply);
  }

  /** Wants to hear how the run of another process's actor ends. */
  watch(name: string): void {
    this.#record(70, 0);
    this.#text(name);
  }

  /** Wants to hear what an actor of another thread broadcasts, or not any more. */
  listen(name: string, listens: boolean): void {
    this.#record(105, 0);
    this.#text(name);
    this.#flag(listens);
  }

  /** Tells those in other threads who listen to an actor of ours. */
  event(name: string, body: Uint8Array): void {
    this.#record(106, 0);
    this.#text(name);
    this.#bytes(body);
  }

  /** Wants to hear when another process dies. */
  heed(process: number): void {
    this.#record(92, 0);
    this.out.varint(process);
  }

  actionThrew(handle: number, call: number, failure: FailureRecord, pin: number | undefined): void {
    this.#record(13, handle);
    this.out.varint(call);
    this.#threw(failure, pin);
    this.#keep(undefined);
  }

  reported(handle: number, report: number, writes: Writes): void {
    this.#record(14, handle);
    this.out.varint(report);
    this.#done(undefined, writes);
  }

  reportThrew(handle: number, report: number, failure: FailureRecord): void {
    this.#record(14, handle);
    this.out.varint(report);
    this.#threw(failure, undefined);
  }

  continued(handle: number, scope: number, state: Uint8Array | undefined): void {
    this.#iterated(handle, scope, 0);
    this.#optionalBytes(state);
  }

  /** The same, and the next iteration has begun, in the scope of the number that follows. */
  wentAhead(handle: number, scope: number, state: Uint8Array | undefined): void {
    this.#iterated(handle, scope, 3);
    this.#optionalBytes(state);
  }

  broke(handle: number, scope: number, value: Uint8Array | undefined): void {
    this.#iterated(handle, scope, 1);
    this.#optionalBytes(value);
  }

  iterationThrew(handle: number, scope: number): void {
    this.#iterated(handle, scope, 2);
  }

  returned(handle: number, scope: number, output: Uint8Array | undefined): void {
    this.#record(16, handle);
    this.out.varint(scope);
    this.#flag(false);
    this.#optionalBytes(output);
  }

  /** `because`: the operation whose failure it is. */
  workflowThrew(handle: number, scope: number, failure: FailureRecord, because: number | undefined): void {
    this.#record(16, handle);
    this.#endThrew(scope, failure, because);
  }

  fork(handle: number, scope: number, op: number, fork: ForkRecord): void {
    this.#operation(20, handle, scope, op, fork.name);
    this.out.u8(FORK_RULES.indexOf(fork.rule));
    this.out.varint(fork.concurrency);
    this.out.varint(fork.count);
    for (const branch of fork.branches) this.#text(branch);
  }

  branchReturned(handle: number, scope: number, output: Uint8Array | undefined): void {
    this.#record(21, handle);
    this.out.varint(scope);
    this.#flag(false);
    this.#optionalBytes(output);
  }

  branchThrew(handle: number, scope: number, failure: FailureRecord, because: number | undefined): void {
    this.#record(21, handle);
    this.#endThrew(scope, failure, because);
  }

  tryBlock(handle: number, scope: number, op: number, name: string): void {
    this.#operation(22, handle, scope, op, name);
  }

  left(handle: number, scope: number, threw: boolean): void {
    this.#record(23, handle);
    this.out.varint(scope);
    this.#flag(threw);
  }

  version(handle: number, scope: number, op: number, name: string, latest: number): void {
    this.#operation(24, handle, scope, op, name);
    this.out.varint(latest);
  }

  removed(handle: number, scope: number, op: number, name: string, kind: string): void {
    this.#operation(25, handle, scope, op, name);
    this.#text(kind);
  }

  checkpoint(handle: number, scope: number, op: number, name: string): void {
    this.#operation(26, handle, scope, op, name);
  }

  post(handle: number, scope: number, op: number, name: string, body: Uint8Array): void {
    this.#operation(27, handle, scope, op, name);
    this.#bytes(body);
  }

  complete(handle: number, op: number, messageId: string, reply: Uint8Array | undefined): void {
    this.#record(28, handle);
    this.out.varint(op);
    this.#text(messageId);
    this.#optionalBytes(reply);
  }

  rollBack(handle: number, scope: number, op: number, output: Uint8Array | undefined): void {
    this.#record(29, handle);
    this.out.varint(scope);
    this.out.varint(op);
    this.#optionalBytes(output);
  }

  cancel(handle: number, call: number, compensate: boolean, reason: string | undefined): void {
    this.#record(30, handle);
    this.out.varint(call);
    this.#flag(compensate);
    this.#optionalText(reason);
  }

  retry(handle: number, call: number): void {
    this.#record(31, handle);
    this.out.varint(call);
  }

  /** Goes back to before an entry. `writes`: what becomes of the state in the same change. */
  replay(handle: number, call: number, entryId: string | undefined, writes: Writes = NOTHING_WRITTEN): void {
    this.#record(32, handle);
    this.out.varint(call);
    this.#optionalText(entryId);
    this.#writes(writes);
  }

  /** Asks for the state after the change in which an entry committed. */
  askState(handle: number, call: number, entryId: string): void {
    this.#record(45, handle);
    this.out.varint(call);
    this.#flag(false);
    this.#text(entryId);
  }

  /** Asks what going back to before an entry would take away, and what the state would be, if that is to be taken back, too. */
  askWay(handle: number, call: number, entryId: string, rewinds: boolean): void {
    this.#record(45, handle);
    this.out.varint(call);
    this.#flag(true);
    this.#optionalText(entryId);
    this.#flag(rewinds);
  }

  polled(handle: number, op: number, messages: readonly HostMessage[]): void {
    this.#record(33, handle);
    this.out.varint(op);
    this.out.varint(messages.length);
    for (const { id, name, body, sentAt } of messages) {
      this.#text(id);
      this.#text(name);
      this.#bytes(body);
      this.out.f64(sentAt);
    }
  }

  /** The rows of an embedding host, and what one of its batches takes. */
  loaded(ticket: number, { count, out: rows }: PackedRows, { limits, takesWhole, isAtomic }: HostTakes): void {
    this.#record(40, ticket);
    this.#flag(limits !== undefined);
    if (limits !== undefined) {
      this.out.varint(limits.rows);
      this.out.varint(limits.bytes);
    }
    this.#flag(takesWhole);
    this.#flag(isAtomic);
    this.out.varint(count);
    this.#bytes(rows.written());
  }

  notLoaded(ticket: number, why: string): void {
    this.#record(41, ticket);
    this.#text(why);
  }

  /** `failed.certain`: the call that failed did nothing. */
  written(ticket: number, failed: { readonly certain: boolean; readonly why: string } | undefined): void {
    this.#record(42, ticket);
    this.#flag(failed !== undefined);
    if (failed === undefined) return;
    this.#flag(failed.certain);
    this.#text(failed.why);
  }

  /** An embedding host's actor of this name is never opened again. */
  forget(name: string): void {
    this.#record(44, 0);
    this.#text(name);
  }

  settledAfter(ticket: number, failed: readonly number[]): void {
    this.#record(43, ticket);
    this.out.varint(failed.length);
    for (const index of failed) this.out.varint(index);
  }

  /** Gives a further cell its first value; one that is there keeps its own, unless it is to be replaced. */
  cell(handle: number, name: string, value: Uint8Array, replace: boolean): void {
    this.#record(34, handle);
    this.#text(name);
    this.#bytes(value);
    this.#flag(replace);
  }

  /** Forgets what is running, and nothing that is recorded. */
  evict(handle: number): void {
    this.#record(35, handle);
  }

  /** What is due after a wait may happen. */
  goOn(handle: number): void {
    this.#record(36, handle);
  }

  /** So many of the steps that were handed out last of a scope have been asked for, and answered. */
  took(handle: number, scope: number, count: number): void {
    this.#record(37, handle);
    this.out.varint(scope);
    this.out.varint(count);
  }

  pulse(): void {
    this.#record(19, 0);
  }

  pins(handle: number, oldest: number | undefined): void {
    this.#record(17, handle);
    this.#flag(oldest !== undefined);
    if (oldest !== undefined) this.out.varint(oldest);
  }

  suspend(handle: number): void {
    this.#record(18, handle);
  }

  #record(kind: number, handle: number): void {
    this.out.u8(kind);
    this.out.varint(handle);
  }

  #operation(kind: number, handle: number, scope: number, op: number, name: string): void {
    this.#record(kind, handle);
    this.out.varint(scope);
    this.out.varint(op);
    this.#text(name);
  }

  #iterated(handle: number, scope: number, how: number): void {
    this.#record(15, handle);
    this.out.varint(scope);
    this.out.u8(how);
  }

  #receipt(handle: number, receipt: number, attempt: number): void {
    this.#record(53, handle);
    this.out.varint(receipt);
    this.out.varint(attempt);
  }

  #policy(policy: StepPolicyRecord): void {
    this.out.varint(policy.maxRetries);
    this.out.f64(policy.backoffBase);
    this.out.f64(policy.backoffMax);
    this.#optionalTime(policy.timeout === 0 ? undefined : policy.timeout);
    this.#flag(policy.retryOnTimeout);
  }

  #keep(keep: KeepRecord | undefined): void {
    this.#flag(keep !== undefined);
    if (keep === undefined) return;
    this.#text(keep.key);
    this.out.f64(keep.ms);
    this.#flag(keep.always);
  }

  #texts(texts: readonly string[]): void {
    this.out.varint(texts.length);
    for (const text of texts) this.#text(text);
  }

  #done(output: Uint8Array | undefined, writes: Writes): void {
    this.#flag(false);
    this.#optionalBytes(output);
    this.#writes(writes);
  }

  #writes(writes: Writes): void {
    this.out.varint(writes.cells.length);
    for (const { cell, pin, delta, reads } of writes.cells) {
      this.#text(cell);
      this.out.varint(pin);
      this.#optionalBytes(delta);
      this.#optionalBytes(reads);
    }
    this.out.varint(writes.sends.length);
    for (const { to, name, body, delay, purpose } of writes.sends) {
      this.#optionalText(to);
      this.#text(name);
      this.#bytes(body);
      this.out.f64(delay);
      this.out.u8(PURPOSES.indexOf(purpose));
    }
    this.out.varint(writes.rows.length);
    for (const { key, value } of writes.rows) {
      this.#bytes(key);
      this.#bytes(value);
    }
  }

  #threw(failure: FailureRecord, pin: number | undefined, retryAt?: number): void {
    this.#flag(true);
    this.#failure(failure);
    this.#flag(pin !== undefined);
    if (pin !== undefined) this.out.varint(pin);
    this.#optionalTime(retryAt);
  }

  #endThrew(scope: number, failure: FailureRecord, because: number | undefined): void {
    this.out.varint(scope);
    this.#flag(true);
    this.#failure(failure);
    this.#flag(because !== undefined);
    if (because !== undefined) this.out.varint(because);
  }

  #optionalText(text: string | undefined): void {
    this.#flag(text !== undefined);
    if (text !== undefined) this.#text(text);
  }

  #failure(failure: FailureRecord): void {
    this.out.u8(FAILURE_KINDS.indexOf(failure.kind));
    this.#text(failure.name);
    this.#text(failure.message);
    this.#flag(failure.stack !== undefined);
    if (failure.stack !== undefined) this.#text(failure.stack);
    this.#optionalBytes(failure.fields);
  }

  #flag(flag: boolean): void {
    this.out.u8(flag ? 1 : 0);
  }

  #optionalTime(ms: number | undefined): void {
    this.#flag(ms !== undefined);
    if (ms !== undefined) this.out.f64(ms);
  }

  #optionalBytes(bytes: Uint8Array | undefined): void {
    this.#flag(bytes !== undefined);
    if (bytes !== undefined) this.#bytes(bytes);
  }

  #bytes(bytes: Uint8Array): void {
    this.out.varint(bytes.length);
    this.out.bytes(bytes);
  }

  /** UTF-8; a lone surrogate becomes U+FFFD. Names have none: they were checked. */
  #text(text: string): void {
    const { out } = this;
    const length = text.length;
    if (length < 64) {
      out.reserve(length + 1);
      const start = out.length;
      let at = start + 1;
      for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) {
          at = 0;
          break;
        }
        out.memory[at++] = unit;
      }
      if (at !== 0) {
        out.memory[start] = length;
        out.length = at;
        return;
      }
    }
    const size = Buffer.byteLength(text);
    out.varint(size);
    out.reserve(size);
    out.memory.write(text, out.length, "utf8");
    out.length += size;
  }
}
