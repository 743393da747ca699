/** Calls from outside, with the trace that they are made in. */
import type { ActorCall } from "../runtime/call.ts";
import { carried } from "./carried.ts";
import type { Telemetry } from "./telemetry.ts";

/** The same call, as part of what is active where it is made. What an attempt calls says itself what it is part of. */
export function carrying(telemetry: Telemetry, call: ActorCall): ActorCall {
  const isCarried = ["action", "send", "ask", "create"].includes(call.kind);
  const trace = isCarried ? telemetry.here() : undefined;
  if (trace === undefined) return call;
  switch (call.kind) {
    case "action":
      return call.trace === undefined ? { ...call, trace } : call;
    case "send":
    case "ask":
      return { ...call, body: carried(call.body, trace) };
    case "create":
      return { ...call, input: carried(call.input, trace) };
    default:
      return call;
  }
}
