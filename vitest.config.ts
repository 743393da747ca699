import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["{packages,examples}/*/{src,test,tests}/**/*.test.ts", "{tests,benches,scripts}/**/*.test.{ts,mjs}"],
    // A worker_threads pool would share one process, and with it the addon's store, among test files.
    pool: "forks",
    testTimeout: 30_000,
    passWithNoTests: true,
  },
});

export default config;
