import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Tests of PostgreSQL that try both ways by themselves, or where there is one process, and nobody to give hints to. */
const OF_BOTH_WAYS = ["together", "events", "versions", "bad", "broken"].map(
  (name) => `tests/postgres/${name}.test.ts`,
);

const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "tests",
          include: [
            "{packages,examples}/*/{src,test,tests}/**/*.test.ts",
            "{tests,benches,scripts}/**/*.test.{ts,mjs}",
          ],
        },
      },
      {
        // Everything that is there to be found must be found by looking, too.
        extends: true,
        test: {
          name: "without hints",
          include: ["tests/postgres/*.test.ts"],
          exclude: OF_BOTH_WAYS,
          env: { PAWL_TEST_HINTS: "off" },
        },
      },
    ],
    // A worker_threads pool would share one process, and with it the addon's store, among test files.
    pool: "forks",
    // Only against what hangs: on a machine with ten times the work that it can do, a crash at every batch takes most of this, and a
    // hook that starts a server some of it.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    passWithNoTests: true,
  },
});

export default config;
