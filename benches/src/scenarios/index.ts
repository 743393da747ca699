/** The scenarios that exist, by the names that the suite gives them. */
import type { Effort, Progress, Section } from "../section.ts";
import { a1d, a5 } from "./durable.ts";
import { i } from "./import.ts";
import { a1, a1e, a2, a3, a3e, a4, a6 } from "./in-memory.ts";
import { a2m } from "./memory.ts";
import { r } from "./resume.ts";
import { b } from "./state.ts";
import { b5 } from "./state-memory.ts";
import { b2, b3, b4, b6 } from "./state-work.ts";
import { b7 } from "./state-written.ts";
import { a3w } from "./waiting.ts";

export const scenarios: Readonly<Record<string, (effort: Effort, progress: Progress) => Promise<Section>>> = {
  A1: a1,
  A1E: a1e,
  A1D: a1d,
  A2: a2,
  A2M: a2m,
  A3: a3,
  A3E: a3e,
  A3W: a3w,
  A4: a4,
  A5: a5,
  A6: a6,
  B: b,
  B2: b2,
  B3: b3,
  B4: b4,
  B5: b5,
  B6: b6,
  B7: b7,
  I: i,
  R: r,
};
