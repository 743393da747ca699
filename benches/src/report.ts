/** A result as people read it. */
import type { Bar, Row, Section } from "./section.ts";
import type { Yardsticks } from "./yardsticks.ts";

/** One scenario: its rows, then its bars. */
export function sectionText({ id, title, timed, rows, bars }: Section): string {
  const table = columns(rows.map(rowCells));
  return [
    `${id}  ${title}`,
    `    timed: ${timed}`,
    ...table.map((line) => `    ${line}`),
    ...bars.map((bar) => `    ${barText(bar)}`),
  ].join("\n");
}

/** The machine before and after. */
export function yardstickText(before: Yardsticks, after: Yardsticks): string {
  const line = (what: string, key: keyof Yardsticks, unit: string): string[] => [
    what,
    shown(before[key]),
    shown(after[key]),
    unit,
  ];
  const table = columns([
    ["", "before", "after", ""],
    line("4 KiB append + fdatasync", "syncs", "/s"),
    line("SQLite, one row a commit, synchronous=FULL", "commits", "/s"),
    line("a promise turn", "promiseTurn", "ns"),
    line("100,000,000 integer operations", "integers", "ms"),
  ]);
  return ["yardsticks", ...table.map((row) => `    ${row}`)].join("\n");
}

export function barText({ what, kind, limit, found, holds }: Bar): string {
  return `${holds ? "HOLDS " : "MISSED"}  ${what}: ${shown(found.median)} (${shown(found.min)} to ${shown(found.max)}), wanted ${kind} ${limit}`;
}

function rowCells({ what, unit, series: { median, min, max } }: Row): string[] {
  return [what, shown(median), `(${shown(min)} to ${shown(max)})`, unit];
}

/** Three digits are more than such a number is worth. */
function shown(value: number | undefined): string {
  if (value === undefined) return "-";
  return value >= 1_000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

/** Aligned: the first and the last column left, those between right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}
