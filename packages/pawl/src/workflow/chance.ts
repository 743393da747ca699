/**
 * Chance that is the same on every replay: drawn from where it is drawn and how often, never from the process.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand, "small fast counting", 32-bit variant), seeded with 128 bits of a
 * SHA-256 over the run and the scope.
 */
export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  /** `seed`: 32 hex digits. */
  constructor(seed: string) {
    const word = (at: number) => Number.parseInt(seed.slice(at * 8, at * 8 + 8), 16) | 0;
    this.#a = word(0);
    this.#b = word(1);
    this.#c = word(2);
    this.#counter = word(3);
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** From 0 up to, but without, 1; 53 bits. */
  random(): number {
    const high = this.#next() >>> 5;
    const low = this.#next() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /** A UUID of version 4 (RFC 9562). */
  uuid(): string {
    const hex = [0, 1, 2, 3].map(() => (this.#next() >>> 0).toString(16).padStart(8, "0")).join("");
    const variant = "89ab"[Number.parseInt(hex[16] ?? "0", 16) & 3];
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum;
  }
}
