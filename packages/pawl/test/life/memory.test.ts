/** What sleeps costs no JavaScript memory: measured in a process of its own, on the package as built. */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const HERE = dirname(fileURLToPath(import.meta.url));

const PROGRAM = `
  import { actor, createRuntime, type } from "pawl";
  const held = [];
  const sleeper = actor("sleeper", {
    messages: { wake: type() },
    state: () => ({ text: "x".repeat(1000) }),
    vars: () => { const vars = { ballast: new Uint8Array(10_000) }; held.push(new WeakRef(vars)); return vars; },
    actions: { look: (c) => c.vars.ballast.length + c.state.text.length },
    workflow: async (ctx) => {
      const frame = { own: new Uint8Array(10_000) };
      held.push(new WeakRef(frame));
      await ctx.queue.next("wake");
      return frame.own.length;
    },
  });
  const settled = async () => { for (let i = 0; i < 10; i++) { await new Promise((r) => setTimeout(r, 5)); gc(); } };
  const runtime = createRuntime({ actors: [sleeper], store: "memory:", idleAfter: 50 });
  await runtime.get(sleeper, "warm").actions.look();
  for (let i = 0; i < 200; i++) await runtime.get(sleeper, String(i)).actions.look();
  const alive = () => held.filter((ref) => ref.deref() !== undefined).length;
  const before = alive();
  const deadline = Date.now() + 20_000;
  while (alive() > 0 && Date.now() < deadline) await settled();
  const look = await runtime.get(sleeper, "7").actions.look();
  console.log(JSON.stringify({ before: before > 300, alive: alive(), look }));
  await runtime.close();
`;

test("an evicted actor leaves nothing in JavaScript's memory: neither its vars nor its workflow's frames", () => {
  const args = ["--expose-gc", "--input-type=module", "-e", PROGRAM];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: HERE, encoding: "utf8", timeout: 60_000 });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({ before: true, alive: 2, look: 11_000 });
});
