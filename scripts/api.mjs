// The report of the public surface: docs/api/*.api.md, one page for each entry of the package. A change of the surface is a change
// of these pages, and is reviewed as such.
//
//   node scripts/api.mjs [--write]     without --write: fails where a page is not what the declarations say
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";
import { ROOT } from "./processes.mjs";
import { CACHE } from "./stamp.mjs";

const ENTRIES = {
  pawl: "index",
  "pawl-testing": "testing",
  "pawl-engine": "engine/index",
  "pawl-engine-testing": "engine/testing",
};
const REPORTS = join(ROOT, "docs", "api");

const { values } = parseArgs({ options: { write: { type: "boolean", default: false } } });
mkdirSync(REPORTS, { recursive: true });
mkdirSync(CACHE, { recursive: true });
const scratch = mkdtempSync(join(CACHE, "api-"));
const changed = Object.keys(ENTRIES).filter((name) => !report(name));
rmSync(scratch, { recursive: true, force: true });
if (changed.length > 0) {
  console.error(
    `\nThe public surface has changed: ${changed.join(", ")}. If that is meant: node scripts/api.mjs --write, and review docs/api.`,
  );
  process.exitCode = 1;
}

/** Whether the page of an entry says what its declarations say. */
function report(name) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(ROOT, "packages/pawl/package.json"),
    configObject: {
      projectFolder: join(ROOT, "packages/pawl"),
      mainEntryPointFilePath: join(ROOT, "packages/pawl/dist", `${ENTRIES[name]}.d.cts`),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: "es2022",
            lib: ["es2022", "esnext.disposable"],
            module: "node16",
            moduleResolution: "node16",
            types: ["node"],
            strict: true,
            skipLibCheck: true,
          },
          files: [join(ROOT, "packages/pawl/dist", `${ENTRIES[name]}.d.cts`)],
        },
      },
      apiReport: { enabled: true, reportFileName: `${name}.api.md`, reportFolder: REPORTS, reportTempFolder: scratch },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: "none" } },
        extractorMessageReporting: { default: { logLevel: "none" } },
        tsdocMessageReporting: { default: { logLevel: "none" } },
      },
    },
  });
  const { succeeded, apiReportChanged } = Extractor.invoke(config, {
    localBuild: values.write,
    showVerboseMessages: false,
    messageCallback: (message) => {
      message.handled = true;
      if (message.logLevel === "error") console.error(message.text);
    },
  });
  return values.write ? true : succeeded && !apiReportChanged;
}
