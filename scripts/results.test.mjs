import { expect, test } from "vitest";
import { cargoTest, judge, nextest, vitest } from "./results.mjs";

test("nextest's summary is read, with colours and remarks in it", () => {
  const summary =
    "\x1b[32;1m     Summary\x1b[0m [   0.5s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped\n";
  expect(nextest(summary)).toEqual({ passed: 10, failed: 2 });
  expect(nextest("     Summary [   0.009s] 1 test run: 1 passed, 0 skipped")).toEqual({ passed: 1, failed: 0 });
  expect(nextest("     Summary [   0.009s] 3/5 tests run: 2 passed, 1 failed, 0 skipped")).toEqual({
    passed: 2,
    failed: 1,
  });
  expect(nextest("error[E0432]: unresolved import")).toBeNull();
});

test("cargo test's results are summed over all binaries", () => {
  const output =
    "test result: ok. 3 passed; 0 failed; 0 ignored;\n...\ntest result: FAILED. 1 passed; 2 failed; 0 ignored;\n";
  expect(cargoTest(output)).toEqual({ passed: 4, failed: 2 });
  expect(cargoTest("error: could not compile")).toBeNull();
});

test("a test file that vitest could not load counts as one failed test", () => {
  const testResults = [
    { status: "failed", assertionResults: [] },
    { status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] },
    { status: "passed", assertionResults: [{ status: "passed" }] },
  ];
  expect(vitest(JSON.stringify({ numPassedTests: 2, numFailedTests: 1, testResults }))).toEqual({
    passed: 2,
    failed: 2,
  });
  expect(vitest("")).toBeNull();
});

test("a runner that ends badly without a failed test counts as one", () => {
  expect(judge(0, { passed: 3, failed: 0 })).toEqual({ passed: 3, failed: 0 });
  expect(judge(1, { passed: 3, failed: 2 })).toEqual({ passed: 3, failed: 2 });
  expect(judge(1, { passed: 3, failed: 0 })).toEqual({ passed: 3, failed: 1 });
  expect(judge(101, null)).toEqual({ passed: 0, failed: 1 });
});
