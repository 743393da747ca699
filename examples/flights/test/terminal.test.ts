import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { display } from "../src/terminal.ts";

// A terminal that calls itself dumb gets plain lines, and so does a machine without one.
beforeAll(() => void vi.stubEnv("TERM", "xterm"));
afterAll(() => void vi.unstubAllEnvs());

function shown(isTTY: boolean): string {
  const out = Object.assign(new PassThrough().setEncoding("utf8"), { isTTY });
  const seen = display(200, out as unknown as NodeJS.WriteStream);
  for (const done of [5, 20, 21, 110]) seen.show(done, done / 10);
  seen.say("killed");
  seen.show(200, 12);
  seen.end();
  return out.read() as string;
}

test("away from a terminal, each tenth of the way is one plain line", () => {
  expect(shown(false).split("\n")).toEqual([
    " 10 %  20 of 200 flights, 2 claims",
    " 50 %  110 of 200 flights, 11 claims",
    "killed",
    "100 %  200 of 200 flights, 12 claims",
    "",
  ]);
});

test("on a terminal, one line is drawn again and again, and what is said stands above it", () => {
  const text = shown(true);
  expect(text).toContain("\r\x1b[K[####------------------------------------] 20 of 200 flights, 2 claims");
  expect(text).toContain("\r\x1b[Kkilled\n");
  expect(text.endsWith("200 of 200 flights, 12 claims\n")).toBe(true);
});
