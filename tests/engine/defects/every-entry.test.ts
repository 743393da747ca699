/**
 * The defects and windows that Pawl must not have (engine behaviour 7.1 and 5.5), each with the tests that show it free of it, or why it is an
 * exception. A test that is renamed or taken away is missed here.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const HERE = "tests/engine/defects/";
const WINDOWS = "packages/pawl/test/engine/runner/windows.test.ts";

/** Files whose tests are all about the entry, or one test of a file. Tests here run on the peer, too, and have to fail on it. */
const SHOWN: Readonly<Record<string, readonly (string | readonly [file: string, sentence: string])[]>> = {
  "7.1.1": [`${HERE}7-1-01-names-lost.test.ts`],
  "7.1.2": [`${HERE}7-1-02-writes-lost.test.ts`],
  "7.1.3": [`${HERE}7-1-03-caught-failures-run-again.test.ts`],
  "7.1.4": [`${HERE}7-1-04-terminal-for-one-run.test.ts`],
  "7.1.5": [`${HERE}7-1-05-scope-check-on-resume.test.ts`],
  "7.1.6": [`${HERE}7-1-06-version-of-fresh-code.test.ts`],
  "7.1.7": [`${HERE}7-1-07-any-message-waits.test.ts`],
  "7.1.8": [`${HERE}7-1-08-wide-joins.test.ts`],
  "7.1.9": [`${HERE}7-1-09-rollback-reach.test.ts`],
  "7.1.10": [`${HERE}7-1-10-replay-keeps-waits.test.ts`],
  "7.1.11": [`${HERE}7-1-11-eviction-of-races.test.ts`],
  "7.1.12": [`${HERE}7-1-12-winner-that-diverges.test.ts`],
  "7.1.13": [`${HERE}7-1-13-cancel-is-overwritten.test.ts`],
  "7.1.14": [`${HERE}7-1-14-writes-after-the-end.test.ts`],
  "7.1.15": [`${HERE}7-1-15-recover-in-branches.test.ts`],
  "7.1.16": [`${HERE}7-1-16-watchers-fail-steps.test.ts`],
  "7.1.17": [`${HERE}7-1-17-completable-in-branches.test.ts`],
  "7.1.18": [`${HERE}7-1-18-limits-and-aliases.test.ts`],
  "7.1.19": [`${HERE}7-1-19-removed-waits.test.ts`],
  "7.1.20": [`${HERE}7-1-20-sends-repeat.test.ts`],
  // After a load the code runs again: it has to, for nothing else tells where it stands.
  "7.1.21": [`${HERE}7-1-21-code-outside-steps.test.ts`],
  // What is outside is at least once, under one key: nothing can make it more.
  W1: [[WINDOWS, "W1: a body that had an effect and was not recorded runs again, under the same key"]],
  W2: [[WINDOWS, "W2: what a body has half done is not stored while it runs, and is done once after a death"]],
  W3: [[WINDOWS, "W3: the commit of a branch stores nothing of what its sibling is in the midst of"]],
  W4: [[WINDOWS, "W4: a step that is recorded has its state in the same batch"]],
  W5: [[WINDOWS, "W5: state whose batch failed, written or not, is stored with the step that runs again"]],
  W6: [[WINDOWS, "W6: the failure that the hook hears of is durable by then"]],
  W7: [`${HERE}w07-messages-taken.test.ts`],
  W8: [`${HERE}w08-acknowledgements.test.ts`],
  // The messages of a host that is not asked to commit leave after the change, under one id; its databases are its own.
  W9: [`${HERE}w09-sends.test.ts`],
  W10: [`${HERE}w10-prunes.test.ts`],
  W11: [`${HERE}w11-race-cleanup.test.ts`],
  W12: [`${HERE}w12-alarms.test.ts`],
  W13: [[WINDOWS, "W13: a handler that had an effect and was not recorded runs again, under the same key"]],
  W14: [`${HERE}w14-control.test.ts`],
  // What a host destroys is its own affair; what ends after an eviction is recorded.
  W15: [[WINDOWS, "W15: a body that ends after its run was evicted is recorded, with its state"]],
  // The result is handed out before it is durable (P8); its state is not.
  W16: [[WINDOWS, "W16: an ephemeral step's state is not stored before its entry"]],
};

const ENTRIES = [
  ...Array.from({ length: 21 }, (_, i) => `7.1.${i + 1}`),
  ...Array.from({ length: 16 }, (_, i) => `W${i + 1}`),
];

test.each(ENTRIES)("%s has a test that shows Pawl free of it, or what is left of it", (entry) => {
  const shown = SHOWN[entry] ?? [];
  expect(shown).not.toEqual([]);
  for (const by of shown) {
    const [file, sentence] = typeof by === "string" ? [by, undefined] : by;
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
    if (sentence === undefined) expect(text).toMatch(/defects\(\s*"/);
    else expect(text).toContain(`test("${sentence}`);
  }
});
