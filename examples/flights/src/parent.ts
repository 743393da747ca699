/** The parent process, seen from a child. */

/** Tells the parent something: one line of JSON. */
export function report(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Ends this process when its parent is gone, however that happened. */
export function endWithParent(): void {
  process.stdin.on("end", () => process.exit(1)).resume();
  process.stdin.unref(); // a process whose work is done may end before its parent
}
