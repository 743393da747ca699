// Reads how many tests passed and failed from what the test runners print.

/** Results of one runner: how many tests passed, how many failed. */
const none = { passed: 0, failed: 0 };

/** Of `cargo nextest run`: "Summary [ 0.5s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped". Null without a summary. */
export function nextest(output) {
  const summary = /^\s*Summary \[.*?\].*? tests? run: (.*)$/m.exec(plain(output));
  if (summary === null) return /no tests to run/.test(output) ? none : null;
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(summary[1])?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed") + count("timed out") + count("exec failed") };
}

/** Of `cargo test`: the sum over all lines "test result: ok. 12 passed; 0 failed; ...". Null without any. */
export function cargoTest(output) {
  const lines = [...plain(output).matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed;/gm)];
  return lines.length === 0
    ? null
    : lines.reduce((sum, [, passed, failed]) => add(sum, { passed: +passed, failed: +failed }), none);
}

/** Of vitest's JSON reporter. A file that could not be loaded counts as one failed test. Null if the report is not one. */
export function vitest(json) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(json);
    const broken = testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
    );
    return { passed: numPassedTests, failed: numFailedTests + broken.length };
  } catch {
    return null;
  }
}

/**
 * What a runner's exit code and its counts (null if it printed none) come to. Whatever ends badly without a failed
 * test to show for it counts as one: a crash, a lint, a type error.
 */
export function judge(code, counts) {
  const { passed, failed } = counts ?? none;
  return { passed, failed: code === 0 || failed > 0 ? failed : 1 };
}

/** The sum of two results. */
export function add(one, other) {
  return { passed: one.passed + other.passed, failed: one.failed + other.failed };
}

function plain(output) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with the control character Escape
  return output.replace(/\x1b\[[\d;]*m/g, "");
}
