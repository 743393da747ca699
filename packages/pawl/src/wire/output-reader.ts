/** Reading the fields of records, one after another. */
import { FAILURE_KINDS, type FailureRecord } from "../failure.ts";
import { ByteReader } from "../values/index.ts";
import {
  type AnswerRecord,
  type BranchRecord,
  type DivergenceRecord,
  type DriverCall,
  type EventRecord,
  FAILED_PARTS,
  type Facts,
  type HostRow,
  type OperationRecord,
  type ResolvedValue,
  type RowRecord,
  type RunOutcome,
  type Told,
  type Verdict,
  type WasRecord,
} from "./records.ts";
import type { StoreProblem } from "./sinks.ts";

const BRANCH_KEPT: BranchRecord = { kind: "kept" };
const BRANCH_NOTHING: BranchRecord = { kind: "nothing" };
const BRANCH_CANCELLED: BranchRecord = { kind: "cancelled" };

const CLEAN: Verdict = { kind: "clean" };
const STALE: Verdict = { kind: "stale" };

const KEPT: ResolvedValue = { kind: "kept" };
const NOTHING: ResolvedValue = { kind: "nothing" };

/** Every turn begins with a time: a view made for each would be a tenth of what a step costs. */
const TIME: DataView = new DataView(new ArrayBuffer(8));
const TIME_BYTES: Uint8Array = new Uint8Array(TIME.buffer);

/** Reads the fields of records, one after another. */
export class OutputReader {
  readonly #in: ByteReader;

  constructor(bytes: Uint8Array, length: number) {
    this.#in = new ByteReader(bytes, 0, length);
  }

  get offset(): number {
    return this.#in.offset;
  }

  get hasMore(): boolean {
    return this.#in.remaining > 0;
  }

  byte(): number {
    return this.#in.u8();
  }

  flag(): boolean {
    return this.#in.u8() !== 0;
  }

  number(): number {
    return this.#in.varint();
  }

  time(): number {
    for (let i = 0; i < 8; i++) TIME_BYTES[i] = this.#in.u8();
    return TIME.getFloat64(0);
  }

  fixed(count: number): Uint8Array {
    return this.#in.bytes(count);
  }

  bytes(): Uint8Array {
    return this.#in.bytes(this.number());
  }

  text(): string {
    const length = this.number();
    if (length === 0) return "";
    const view = this.#in.view(length);
    return Buffer.from(view.buffer, view.byteOffset, length).toString("utf8");
  }

  optionalBytes(): Uint8Array | undefined {
    return this.flag() ? this.bytes() : undefined;
  }

  value(): ResolvedValue {
    switch (this.byte()) {
      case 0:
        return KEPT;
      case 1:
        return NOTHING;
      case 2:
        return { kind: "encoded", bytes: this.bytes() };
      case 3:
        return { kind: "message", bytes: this.bytes() };
      case 4:
        return { kind: "messages", messages: Array.from({ length: this.number() }, () => this.bytes()) };
      default: {
        const winner = this.flag() ? this.number() : undefined;
        return { kind: "branches", winner, branches: Array.from({ length: this.number() }, () => this.branch()) };
      }
    }
  }

  branch(): BranchRecord {
    switch (this.byte()) {
      case 0:
        return BRANCH_KEPT;
      case 1:
        return BRANCH_NOTHING;
      case 2:
        return { kind: "encoded", bytes: this.bytes() };
      case 3:
        return { kind: "failed", failure: this.failure() };
      default:
        return BRANCH_CANCELLED;
    }
  }

  calls(): DriverCall[] {
    const calls: DriverCall[] = [];
    for (let left = this.number(); left > 0; left--) calls.push(this.call());
    return calls;
  }

  call(): DriverCall {
    switch (this.byte()) {
      case 0:
        return { kind: "set", key: this.bytes(), value: this.bytes() };
      case 1:
        return { kind: "batch", writes: this.rows() };
      case 2:
        return { kind: "delete", key: this.bytes() };
      case 3:
        return { kind: "deletePrefix", prefix: this.bytes() };
      case 4:
        return { kind: "deleteRange", start: this.bytes(), end: this.bytes() };
      case 5:
        return { kind: "setAlarm", at: this.time() };
      case 6:
        return { kind: "clearAlarm" };
      case 7:
        return { kind: "addMessage", id: this.text(), name: this.text(), body: this.bytes(), sentAt: this.time() };
      default:
        return { kind: "completeMessage", id: this.text(), response: this.optionalBytes() };
    }
  }

  answer(): AnswerRecord {
    const kind = this.byte();
    if (kind === 2) return { kind: "failed", failure: this.failure() };
    return { kind: "reply", bytes: kind === 0 ? undefined : this.bytes() };
  }

  row(name: string): RowRecord {
    return { name, ...this.standing(), owner: this.flag() ? this.text() : undefined };
  }

  standing(): Omit<RowRecord, "name" | "owner"> {
    const [state, alarm, version] = [this.text(), this.time(), this.number()];
    return { state, alarm: Number.isNaN(alarm) ? undefined : alarm, version };
  }

  rows(): HostRow[] {
    const rows: HostRow[] = [];
    for (let left = this.number(); left > 0; left--) rows.push({ key: this.bytes(), value: this.bytes() });
    return rows;
  }

  told(): Told {
    return { at: this.number(), replaying: this.flag() };
  }

  verdict(): Verdict {
    switch (this.byte()) {
      case 0:
        return { kind: "queued", seq: this.number() };
      case 1:
        return CLEAN;
      case 2:
        return { kind: "conflict", path: this.text(), alone: this.flag() };
      default:
        return STALE;
    }
  }

  failure(): FailureRecord {
    const kind = FAILURE_KINDS[this.byte()] ?? "error";
    const [name, message] = [this.text(), this.text()];
    const stack = this.flag() ? this.text() : undefined;
    return { kind, name, message, stack, fields: this.optionalBytes() };
  }

  event(): EventRecord {
    const part = FAILED_PARTS[this.byte()] ?? "step";
    const step = this.flag() ? this.text() : undefined;
    const attempt = this.number();
    const retryAt = this.flag() ? this.time() : undefined;
    return { part, step, attempt, retryAt, failure: this.failure() };
  }

  outcome(): RunOutcome {
    switch (this.byte()) {
      case 0:
        return { kind: "completed", output: this.optionalBytes() };
      case 1:
        return { kind: "failed", failure: this.failure() };
      default:
        return { kind: "cancelled", reason: this.flag() ? this.text() : undefined };
    }
  }

  facts(): Facts {
    const [exists, destroyed, hasRun] = [this.flag(), this.flag(), this.flag()];
    const outcome = this.flag() ? this.outcome() : undefined;
    const state = this.flag() ? { version: this.number(), head: this.number() } : undefined;
    return { exists, destroyed, hasRun, outcome, state, seq: this.number() };
  }

  was(): WasRecord {
    return { version: this.number(), value: this.optionalBytes() };
  }

  problem(): StoreProblem {
    const [code, message, retryable, unknown] = [this.text(), this.text(), this.flag(), this.flag()];
    const data: Record<string, string> = {};
    for (let left = this.number(); left > 0; left--) {
      const name = this.text();
      data[name] = this.text();
    }
    return { code, message, retryable, unknown, data };
  }

  divergence(): DivergenceRecord {
    const [scope, recorded, code] = [this.text(), this.operations(), this.operations()];
    const kind = this.byte();
    if (kind === 0) return { scope, recorded, code, mismatch: { kind: "new", code: this.operation() } };
    if (kind === 2) return { scope, recorded, code, mismatch: { kind: "ends" } };
    if (kind === 3) return { scope, recorded, code, mismatch: { kind: "no_handler", recorded: this.operation() } };
    return { scope, recorded, code, mismatch: { kind: "other", recorded: this.operation(), code: this.operation() } };
  }

  operations(): OperationRecord[] {
    return Array.from({ length: this.number() }, () => this.operation());
  }

  operation(): OperationRecord {
    return { kind: this.text(), name: this.text(), status: this.text() };
  }
}
