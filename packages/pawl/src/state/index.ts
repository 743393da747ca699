/** The JavaScript half of actor state: mirrors, drafts, plain copies and `vars`. */
export type { CellSource } from "./cell.ts";
export { Draft, OVERTAKEN, type Sealed } from "./draft.ts";
export { Mirror } from "./mirror.ts";
export { raw } from "./raw.ts";
export type { DraftListener, Staleness, StateOptions } from "./tree.ts";
export { AttemptVars, type VarsOptions } from "./vars.ts";
