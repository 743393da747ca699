/** What is shown while the work goes on: a bar on a terminal, a line for every tenth of the way elsewhere. */

const COLOURS = { red: 31, green: 32, yellow: 33 };
const WIDTH = 40;

/** Puts text in colour, on a terminal whose user has not set NO_COLOR. */
export function paint(colour: keyof typeof COLOURS, text: string): string {
  return process.stdout.isTTY && !process.env["NO_COLOR"] ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
}

export interface Display {
  /** How far the work is: `done` of all flights, and how many claims have been accepted. */
  show(done: number, claims: number): void;
  /** Prints a line that stays. */
  say(text: string): void;
  /** Ends the bar. */
  end(): void;
}

/** A display for a job of `total` flights on `out`. */
export function display(total: number, out: NodeJS.WriteStream = process.stdout): Display {
  const words = (done: number, claims: number) => `${done} of ${total} flights, ${claims} claims`;
  return out.isTTY && process.env["TERM"] !== "dumb" ? bar(total, words, out) : lines(total, words, out);
}

type Words = (done: number, claims: number) => string;

function bar(total: number, words: Words, out: NodeJS.WriteStream): Display {
  let drawn = "";
  return {
    show(done, claims) {
      const filled = Math.floor((WIDTH * done) / total);
      drawn = `[${paint("green", "#".repeat(filled))}${"-".repeat(WIDTH - filled)}] ${words(done, claims)}`;
      out.write(`\r\x1b[K${drawn}`);
    },
    say(text) {
      out.write(`\r\x1b[K${text}\n${drawn}`);
    },
    end() {
      if (drawn !== "") out.write("\n");
      drawn = "";
    },
  };
}

function lines(total: number, words: Words, out: NodeJS.WriteStream): Display {
  let tenths = 0;
  return {
    show(done, claims) {
      const reached = Math.floor((10 * done) / total);
      if (reached <= tenths) return;
      tenths = reached;
      out.write(`${String(reached * 10).padStart(3)} %  ${words(done, claims)}\n`);
    },
    say(text) {
      out.write(`${text}\n`);
    },
    end() {},
  };
}
