/** Where nothing is registered, nothing of telemetry runs. */
import { metrics, trace } from "@opentelemetry/api";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { expect, test, vi } from "vitest";
import { Telemetry } from "../../src/telemetry/telemetry.ts";
import { actor, createRuntime, silentLogger } from "./pawl.ts";

test("nobody is asked anything when no SDK is registered, and one is found that is registered before the runtime is made", async () => {
  expect(Telemetry.registered()).toBeUndefined();
  const begun = vi.spyOn(Telemetry.prototype, "attempt");
  const counter = actor("counter", { state: () => ({ n: 0 }), actions: { up: (c) => ++c.state.n } });
  const runtime = createRuntime({ actors: [counter], store: "memory:", logger: silentLogger });
  metrics.setGlobalMeterProvider(new MeterProvider());
  await runtime.get(counter, "c").actions.up();
  await runtime.close();
  expect(begun).not.toHaveBeenCalled();
  expect(Telemetry.registered()).toBeDefined();
  metrics.disable();
  trace.disable();
  expect(Telemetry.registered()).toBeUndefined();
});
