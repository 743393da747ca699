/** A process whose event loop is stuck gives up its actors, and finds out when it comes round. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { actor, createRuntime } from "pawl";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

/** So long it is stuck; others must have gone on long before. */
const STUCK_MS = 8_000;

let server: PostgresServer;
beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterAll(() => server?.stop());

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const job = actor("job", { workflow: (ctx) => ctx.step("compute", () => "another process") });

test.runIf(isInstalled())(
  "others go on with the actors of a process that is stuck for longer than stallLimit, and it names them when it comes round",
  async () => {
    const store = server.url("stall", "&lease=1000");
    const script = fileURLToPath(new URL("stuck.mjs", import.meta.url));
    const child = fork(script, [store, `${STUCK_MS}`], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: [],
    });
    const said: { stuck?: true; log?: string; result?: string }[] = [];
    const heard = (what: "stuck" | "log" | "result") =>
      expect.poll(() => said.some((report) => what in report), { timeout: 60_000 }).toBe(true);
    child.on("message", (report) => said.push(report as (typeof said)[number]));
    await heard("stuck");
    const runtime = createRuntime({ actors: [job], store, logger: silent });
    await runtime.start();
    expect(await runtime.get(job, "j").result()).toBe("another process");
    expect(
      said.filter(({ log, result }) => log !== undefined || result !== undefined),
      "it is stuck still",
    ).toEqual([]);
    await heard("log");
    await heard("result");
    expect(said.find(({ result }) => result !== undefined)).toEqual({ result: "another process" });
    expect(said.flatMap(({ log }) => log ?? []).join("\n")).toMatch(/stuck for \d+ ms, longer than stallLimit.*job\/j/);
    child.disconnect();
    await runtime.close();
  },
  180_000,
);
