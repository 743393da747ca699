/** What verbs print: for people, and as JSON. Nothing that is shown can steer a terminal. */
import type { EntryRecord, Inspection, MessageRecord } from "../inspection.ts";
import type { Status, Wait } from "../runtime/status.ts";

/** An actor in one line. */
export function line(status: Status, now: number): string {
  const { type, key, state, since, alarm, waitingFor, owner, error } = status;
  const waits = waitingFor.map((one) => wait(one, now)).join("; ");
  const parts = [
    `${type}/${key}`.padEnd(32),
    state.padEnd(13),
    `${ago(since, now)}`.padEnd(11),
    ...(waits === "" ? [] : [`waits for ${waits}`]),
    ...(waits !== "" || alarm === undefined ? [] : [alarm === 0 ? "has work now" : `goes on ${when(alarm, now)}`]),
    ...(waits !== "" || error === undefined ? [] : [`${error.name}: ${firstLine(error.message)}`]),
    ...(owner === undefined ? [] : [`at ${owner}`]),
  ];
  return plain(parts.join("  ").trimEnd());
}

/** All that is recorded of an actor, the answer to "why does it wait?" first. */
export function whole(status: Status, { history, inbox, state }: Inspection, now: number): string {
  const { type, key, since, alarm, waitingFor, error, owner, version, codeVersion, conflicts, suspects, bytes } =
    status;
  const stuck = inbox.filter(({ undeliverable }) => undeliverable !== undefined).length;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["state", `${status.state}, nothing since ${time(since)} (${ago(since, now)})`],
    ...waitingFor.map((one) => ["waits for", wait(one, now)] as const),
    [
      "goes on",
      alarm === undefined ? undefined : alarm === 0 ? "at once: it has work" : `${when(alarm, now)} (${time(alarm)})`,
    ],
    ["error", error === undefined ? undefined : `${error.name}: ${firstLine(error.message)}`],
    ["parked by", status.state === "parked" ? (codeVersion ?? "code without a codeVersion") : undefined],
    ["suspects", suspects.length === 0 ? undefined : suspects.join(", ")],
    ["owner", owner],
    [
      "inbox",
      inbox.length === 0
        ? undefined
        : `${inbox.length} that nobody has taken${stuck === 0 ? "" : `, ${stuck} set aside`}`,
    ],
    ["conflicts", conflicts === 0 ? undefined : `${conflicts} attempts ran again since it was loaded`],
    ["stored", `${bytes} bytes, state of version ${version}`],
    ["value", state === undefined ? undefined : json(state)],
  ];
  const told = facts.filter(([, fact]) => fact !== undefined).map(([name, fact]) => `  ${name.padEnd(10)}${fact}`);
  const do_ = advice(status, stuck).map((todo) => `  ${"do".padEnd(10)}${todo}`);
  const parts = [
    `${type}/${key}`,
    ...told,
    ...do_,
    ...section("history", entries(history, now)),
    ...section("inbox", messages(inbox)),
  ];
  return parts.map(plain).join("\n");
}

/** The entries of a workflow, each with its id. */
export function entries(history: readonly EntryRecord[], now: number): string[] {
  return history.flatMap(({ id, path, kind, status, attempts, at, failure, deadline }) => [
    [
      `  ${status.padEnd(11)}${kind} ${path}`,
      ...(attempts > 1 ? [`${attempts} attempts`] : []),
      ...(at === undefined ? [] : [ago(at, now)]),
      ...(deadline === undefined || status !== "pending" ? [] : [`until ${time(deadline)}`]),
      id,
    ].join("  "),
    ...(failure === undefined ? [] : [`             ${failure.name}: ${firstLine(failure.message)}`]),
  ]);
}

function messages(inbox: readonly MessageRecord[]): string[] {
  return inbox.flatMap(({ name, body, sentAt, undeliverable }) => [
    `  ${name}, sent ${time(sentAt)}: ${json(body)}`,
    ...(undeliverable === undefined
      ? []
      : [`    set aside: ${undeliverable.name}: ${firstLine(undeliverable.message)}`]),
  ]);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines];
}

/** What can be done about it, in lines to paste. */
function advice({ type, key, state, waitingFor }: Status, stuck: number): string[] {
  const name = [type, key].map(quoted).join(" ");
  const retries = waitingFor.some(({ kind }) => kind === "retry");
  const message = waitingFor.find((one) => one.kind === "message" && one.names.length > 0);
  return [
    ...(state === "failed" || state === "rolling_back" ? [`npx pawl retry ${name}`] : []),
    ...(state === "parked"
      ? ["deploy code that matches; it goes on by itself: npx pawl explain history_diverged"]
      : []),
    ...(state === "quarantined" ? [`npx pawl release ${name}, once the step is repaired`] : []),
    ...(retries ? ["nothing, if the cause is gone: it is tried again by itself"] : []),
    ...(stuck > 0 ? [`npx pawl retry ${name}   hands messages that were set aside to their handler again`] : []),
    ...(message?.kind === "message"
      ? [`npx pawl send ${name} ${quoted(message.names[0] ?? "")} '"BODY AS JSON"'`]
      : []),
  ];
}

function wait(wait: Wait, now: number): string {
  if (wait.kind === "message") return `a message ${wait.names.join(" or ")}`.trimEnd();
  if (wait.kind === "timer") return `${wait.name} until ${time(wait.at)} (${when(wait.at, now)})`;
  if (wait.kind === "step")
    return `the body of step ${wait.step}${wait.since === undefined ? "" : `, ${ago(wait.since, now)}`}`;
  return `step ${wait.step} (attempt ${wait.attempt} failed: ${firstLine(wait.error.message)})`;
}

function time(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : "?";
}

function ago(ms: number, now: number): string {
  return now < ms ? when(ms, now) : `${span(now - ms)} ago`;
}

function when(ms: number, now: number): string {
  return ms <= now ? `due ${span(now - ms)} ago` : `in ${span(ms - now)}`;
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
] as const;

function span(ms: number): string {
  const at = UNITS.findIndex(([, size]) => ms >= size);
  const unit = UNITS[at];
  if (unit === undefined) return `${Math.floor(ms / 1_000)}s`;
  const [name, size] = unit;
  const [next, part] = UNITS[at + 1] ?? ["s", 1_000];
  const rest = Math.floor((ms % size) / part);
  return `${Math.floor(ms / size)}${name}${rest === 0 ? "" : ` ${rest}${next}`}`;
}

function firstLine(text: string): string {
  const [first = ""] = text.split("\n");
  return first === text ? text : `${first} ...`;
}

function quoted(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Without what a terminal would obey: control characters, and those that turn the direction of writing. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (char) =>
    char === "\n" ? char : `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}

/** What JSON cannot say, in words. */
export function json(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    if (part instanceof Map) return { map: [...part] };
    if (part instanceof Set) return { set: [...part] };
    if (part instanceof Uint8Array) return { bytes: Buffer.from(part).toString("base64") };
    return part;
  });
}
