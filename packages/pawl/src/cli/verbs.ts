/** The verbs of `npx pawl`: what each is called with, what it is for, and what its `--help` says. */
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import {
  backup,
  cancel,
  copy,
  destroy,
  type Flags,
  history,
  list,
  release,
  replay,
  retry,
  send,
  show,
  state,
} from "./operate.ts";
import { version } from "./version.ts";

/** A verb: its arguments in a line, what it is for, and the work. Resolves to the exit code. */
export interface Verb {
  readonly usage: string;
  readonly purpose: string;
  /** What its help says beside: how it is used, and what to know. */
  readonly more: readonly string[];
  /** How many operands it takes at most. Default: none. */
  readonly operands?: number;
  /** Whether its first two operands are an actor, which may be written as one word: `order/42`. */
  readonly namesActor?: boolean;
  readonly run: (flags: Flags, ...operands: string[]) => Promise<number>;
}

const ACTOR = "TYPE KEY";
const OF_ACTOR = { operands: 2, namesActor: true } as const;
const READS = "It reads beside the process that has the store, and changes nothing.";
const CHANGES =
  "On PostgreSQL at any time; on SQLite while no process has the file. It runs none of your code: that goes on when your process is back.";

export const VERBS: Readonly<Record<string, Verb>> = {
  doctor: {
    usage: "doctor [--json]",
    purpose: "checks that Pawl works here: engine, workflow, store",
    more: [
      "Loads the native module, runs a workflow in memory, and writes a store into a folder below this one, which it removes again.",
      "--json   what was found, as one JSON value",
      "Exit code 1 if something does not work; what failed says what to do.",
    ],
    run: ({ json }) => doctor(json),
  },
  explain: {
    usage: "explain [CODE] [--json]",
    purpose: "says what an error code means, and what to do",
    more: [
      "Without a CODE: lists them all.",
      "--json   as one JSON value",
      "example   npx pawl explain history_diverged",
    ],
    operands: 1,
    run: ({ json }, code) => explain(json, code),
  },
  list: {
    usage: "list [TYPE [PREFIX]] [--state STATE] [--waiting-for NAME] [--stuck-for TIME] [--limit N]",
    purpose: "actors, one a line",
    more: [
      "PREFIX              of the key",
      "--state STATE       none, running, waiting, rolling_back, completed, failed, cancelled, parked or quarantined",
      "--waiting-for NAME  of a message, a sleep or a step",
      "--stuck-for TIME    has not ended, and nothing was heard of it for that long: 30m, 1h, 2d",
      "--limit N           at most so many",
      READS,
      "example   npx pawl list order --state failed --store sqlite:./app.db",
    ],
    operands: 2,
    run: list,
  },
  show: {
    usage: `show ${ACTOR}`,
    purpose: "why an actor waits, and all that is recorded of it",
    more: [READS, "example   npx pawl show order order-42 --store sqlite:./app.db"],
    ...OF_ACTOR,
    run: show,
  },
  history: {
    usage: `history ${ACTOR}`,
    purpose: "the entries of its workflow",
    more: [
      "Each with its status, kind and path, when it ended, and its id: the ENTRY that other verbs take.",
      READS,
      "example   npx pawl history order order-42 --store sqlite:./app.db",
    ],
    ...OF_ACTOR,
    run: history,
  },
  state: {
    usage: `state ${ACTOR} [--at ENTRY]`,
    purpose: "its state, now or after an entry",
    more: [
      "--at ENTRY   the id of an entry, as pawl history prints it",
      READS,
      "example   npx pawl state order order-42 --store sqlite:./app.db",
    ],
    ...OF_ACTOR,
    run: state,
  },
  backup: {
    usage: "backup FILE",
    purpose: "copies an SQLite store into a new file",
    more: [
      "All that is durable at one moment, while the process that has the store goes on.",
      "example   npx pawl backup copy.db --store sqlite:./app.db",
    ],
    operands: 1,
    run: backup,
  },
  copy: {
    usage: "copy --to URL",
    purpose: "copies a store into an empty one of any kind",
    more: [
      "From --store to --to: SQLite, PostgreSQL. The target is made if there is none. What happens in the source meanwhile is not in the copy.",
      'example   npx pawl copy --store sqlite:./app.db --to "postgres://pawl@db/shop"',
    ],
    run: copy,
  },
  cancel: {
    usage: `cancel ${ACTOR}`,
    purpose: "ends a workflow, and undoes what it did",
    more: [CHANGES, "example   npx pawl cancel order order-42 --store sqlite:./app.db"],
    ...OF_ACTOR,
    run: cancel,
  },
  retry: {
    usage: `retry ${ACTOR}`,
    purpose: "tries again what has ended a workflow",
    more: [
      "The step that was exhausted, the undo handler it is stuck at; and hands messages that were set aside to their handlers again.",
      CHANGES,
      "example   npx pawl retry order order-42 --store sqlite:./app.db",
    ],
    ...OF_ACTOR,
    run: retry,
  },
  release: {
    usage: `release ${ACTOR}`,
    purpose: "runs again what was quarantined",
    more: [
      "Repair first what the attempt does: it was taken out because its process died of it again and again.",
      CHANGES,
      "example   npx pawl release order order-42 --store sqlite:./app.db",
    ],
    ...OF_ACTOR,
    run: release,
  },
  replay: {
    usage: `replay ${ACTOR} [--from ENTRY] [--dry-run]`,
    purpose: "goes back to before an entry, or to the start",
    more: [
      "--from ENTRY  the id of an entry, as pawl history prints it; it and what came after it runs again, under the same idempotency keys",
      "--dry-run     only says what would run again",
      'The actor\'s state stays as it is. To take it back, too: runtime.admin.replay(type, key, { entry, state: "rewind" }).',
      CHANGES,
      "example   npx pawl replay order order-42 --from af0746ef-3b83-4bcb-a0d9-79d63d7816a8 --dry-run --store sqlite:./app.db",
    ],
    ...OF_ACTOR,
    run: replay,
  },
  send: {
    usage: `send ${ACTOR} MESSAGE [JSON]`,
    purpose: "sends a message",
    more: [
      "JSON is the body; without it, undefined. No schema checks it.",
      CHANGES,
      `example   npx pawl send order order-42 approve '{"by":"ann"}' --store sqlite:./app.db`,
    ],
    operands: 4,
    namesActor: true,
    run: send,
  },
  destroy: {
    usage: `destroy ${ACTOR}`,
    purpose: "ends an actor: nothing of it stays but that it was",
    more: [
      "Its state, history and messages go, and nothing is undone. There is no way back.",
      CHANGES,
      "example   npx pawl destroy order order-42 --store sqlite:./app.db",
    ],
    ...OF_ACTOR,
    run: destroy,
  },
};

const COMMON = [
  "  --store URL       sqlite:./app.db or postgres://user@host/database; or PAWL_STORE in the environment",
  "  --namespace NAME  default: default",
  "  --json            one JSON value a line",
];

/** What `npx pawl --help` says. */
export function help(): string {
  const lines = Object.values(VERBS).map(({ usage, purpose }) =>
    usage.length > 40 ? `  pawl ${usage}\n${" ".repeat(48)}${purpose}` : `  pawl ${usage.padEnd(40)} ${purpose}`,
  );
  return [
    `Pawl ${version}: durable actors and workflows`,
    "",
    ...lines,
    "  pawl VERB --help                              more of a verb, with an example",
    "  pawl --version",
    "",
    ...COMMON,
    "",
    "TYPE KEY may be written as one word, as it is printed: order/order-42.",
    "list, show, history, state, backup and copy read beside a running process. The others change something: on PostgreSQL at any",
    "time, on SQLite while no process has the file.",
  ].join("\n");
}

/** What `npx pawl VERB --help` says. */
export function helpOn({ usage, purpose, more }: Verb): string {
  const needsStore = !/^(doctor|explain)\b/.test(usage);
  const [text, example] = [
    more.filter((line) => !line.startsWith("example")),
    more.filter((line) => line.startsWith("example")),
  ];
  return [
    `pawl ${usage}`,
    "",
    `  ${purpose}`,
    "",
    ...text.map((line) => `  ${line}`),
    ...(needsStore ? ["", ...COMMON] : []),
    ...(example.length > 0 ? ["", ...example.map((line) => `  ${line}`)] : []),
  ].join("\n");
}
