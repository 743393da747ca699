/** The native handle of one cell, as far as its mirror needs it. Both answers are encoded values. */
export interface CellSource {
  /** The value of the newest queued change. */
  read(): Uint8Array;
  /** The value that an attempt pinned to change `pin` sees, with its own operations so far. */
  readAt(pin: number, delta: Uint8Array | undefined): Uint8Array;
  /** The oldest pin that the engine still keeps the past for; without it, all of them. */
  readonly floor?: () => number;
}
