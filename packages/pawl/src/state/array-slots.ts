/** Arrays as the language has them: indices, holes, and splices of any length. */

const MANY_ARGUMENTS = 1000;
/** The longest array there can be. */
export const MAX_LENGTH: number = 2 ** 32 - 1;

/** The index that a property name of an array stands for, or -1. */
export function arrayIndex(key: string): number {
  const first = key.charCodeAt(0);
  if (!(first >= 48 && first <= 57)) return -1;
  const index = Number(key);
  return index < MAX_LENGTH && String(index) === key ? index : -1;
}

/** `Array.prototype.splice` without a limit on the number of arguments. */
export function spliceInto(slots: unknown[], start: number, removed: number, added: readonly unknown[]): void {
  if (added.length <= MANY_ARGUMENTS) {
    slots.splice(start, removed, ...added);
    return;
  }
  const tail = slots.slice(start + removed);
  slots.length = start;
  for (const raw of added) slots.push(raw);
  const offset = slots.length;
  slots.length = offset + tail.length;
  for (let i = 0; i < tail.length; i++) if (i in tail) slots[offset + i] = tail[i];
}

/** Makes `target` hold exactly `slots`, holes included, and stay the same array. */
export function overwrite(target: unknown[], slots: readonly unknown[]): void {
  target.length = 0;
  for (let i = 0; i < slots.length; i++) if (i in slots) target[i] = slots[i];
  target.length = slots.length;
}
