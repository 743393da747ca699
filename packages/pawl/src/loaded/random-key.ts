/** 32 hex digits. */
export function randomKey(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
