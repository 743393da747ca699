/**
 * The claims service: a process of its own, which knows nothing of Pawl. It accepts claims over HTTP, refuses every tenth
 * call, knows a repeated claim by its idempotency key, and logs every call to a file before it answers.
 *
 *   node dist/claims.js LOGFILE         prints its port, then a line for each call
 */
import { appendFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import type { Call, ClaimsReport } from "./claims-log.ts";
import type { Flight } from "./flights.ts";
import { endWithParent, report } from "./parent.ts";

const REFUSE_EVERY = 10;
/** How long the service thinks about a claim: long enough for the kill to come between the log and the answer. */
const THINKS_MS = 50;
const STATUS = { accepted: 201, repeated: 200, refused: 503, invalid: 400 };

const log = process.argv[2];
if (log === undefined) throw new Error("usage: node dist/claims.js LOGFILE");

const known = new Set<string>();
let calls = 0;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse(await text(request)) as Flight;
  const key = String(request.headers["idempotency-key"] ?? "");
  const call: Call = { call: ++calls, outcome: outcomeOf(calls, key), key, row: body.row };
  if (call.outcome === "accepted") known.add(key);
  appendFileSync(log as string, `${JSON.stringify(call)}\n`);
  report({ kind: "call", ...call } satisfies ClaimsReport);
  await setTimeout(THINKS_MS);
  response.writeHead(STATUS[call.outcome], { "content-type": "application/json" }).end(JSON.stringify(call));
}

function outcomeOf(number: number, key: string): Call["outcome"] {
  if (number % REFUSE_EVERY === 0) return "refused";
  if (key === "") return "invalid";
  return known.has(key) ? "repeated" : "accepted";
}

async function text(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  return body;
}

function listen(): void {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(400).end(String(error)));
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (typeof address === "object" && address !== null) {
      report({ kind: "listening", port: address.port } satisfies ClaimsReport);
    }
  });
}

endWithParent();
listen();
