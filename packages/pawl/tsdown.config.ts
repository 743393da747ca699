import { defineConfig, type UserConfig } from "tsdown";

/**
 * One CommonJS core per entry, with what they share in chunks; `scripts/fronts.mjs` puts an ESM front before each. So both
 * module systems and all entries load the same code, and with it the same native engine: two of them in one process would
 * fight over one store.
 */
const config: UserConfig = defineConfig({
  entry: {
    index: "src/index.ts",
    testing: "src/testing/index.ts",
    "engine/index": "src/engine/index.ts",
    "engine/testing": "src/engine/testing.ts",
    cli: "src/cli/index.ts",
    browser: "src/browser.ts",
    "native/provide": "src/native/provide.ts",
  },
  format: "cjs",
  platform: "node",
  target: "node20.9",
  dts: true,
  sourcemap: true,
  clean: true,
  // croner is bundled, and its licence asks that this goes with it.
  copy: [{ from: "node_modules/croner/LICENSE", to: "dist/licenses", rename: "croner.txt" }],
  // The addon and the platform packages stay `require` strings, where bundlers and tracers can see them.
  deps: { neverBundle: [/^#native\//, /^@pawl\/native-/, "pawl/package.json"] },
});

export default config;
