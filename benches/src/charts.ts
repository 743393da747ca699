/** A result as pictures: how Pawl compares, and how costs grow. */
import type { Section } from "./section.ts";

const WIDTH = 720;
const ROW = 28;
const LEFT = 300;
const RIGHT = 90;

/** One line of a growth chart: what one thing costs at sizes from small to large. */
interface Line {
  readonly name: string;
  readonly points: readonly { readonly size: number; readonly cost: number }[];
}

/** A bar for each comparison with the peer, logarithmic: how many times less time Pawl takes. `undefined` if there is none. */
export function ratioChart(sections: readonly Section[]): string | undefined {
  const rows = sections.flatMap(({ id, title, bars }) => {
    const found = bars.find(({ what }) => what.startsWith("peer / pawl"))?.found.median;
    return found === undefined ? [] : [{ label: `${id}  ${shortened(title)}`, found }];
  });
  if (rows.length === 0) return undefined;
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...rows.map(({ found }) => found)))));
  const at = (value: number): number => LEFT + (Math.max(0, Math.log10(value)) / decades) * (WIDTH - LEFT - RIGHT);
  const grid = Array.from({ length: decades + 1 }, (_, power) => at(10 ** power));
  const height = rows.length * ROW + 56;
  return picture(height, "Time of the closest engine, divided by Pawl's. Longer is better.", [
    ...grid.map((x, power) => vertical(x, 34, height - 22, `${(10 ** power).toLocaleString("en")}x`)),
    ...rows.flatMap(({ label, found }, row) => {
      const y = 40 + row * ROW;
      return [
        text(LEFT - 10, y + 14, label, "end"),
        `<rect x="${LEFT}" y="${y}" width="${Math.max(1, at(found) - LEFT).toFixed(1)}" height="${ROW - 8}" rx="3" fill="#d97706"/>`,
        text(at(found) + 6, y + 14, `${Number(found.toPrecision(found < 10 ? 2 : 3))}x`),
      ];
    }),
  ]);
}

/** What Pawl's cost does when the size grows: each line begins at 1, and one that stays there is flat. `undefined` if there is none. */
export function growthChart(sections: readonly Section[]): string | undefined {
  const lines = sections.flatMap(linesOf);
  if (lines.length === 0) return undefined;
  const relative = lines.map(({ points }) => points.map(({ cost }) => cost / (points[0]?.cost ?? 1)));
  const top = Math.max(2, Math.ceil(Math.max(...relative.flat())));
  const height = Math.max(260, 76 + lines.length * 22);
  const y = (value: number): number => height - 40 - (value / top) * (height - 90);
  const widest = Math.max(...lines.map(({ points }) => decadesOf(points)));
  const x = (size: number, first: number): number => 60 + (Math.log10(size / first) / widest) * (WIDTH - 330);
  return picture(
    height,
    "Cost of one step (or branch, or iteration) as the size grows, relative to the smallest. Flat is good.",
    [
      ...Array.from({ length: top + 1 }, (_, value) => horizontal(y(value), 60, WIDTH - 270, `${value}`)),
      ...Array.from({ length: widest + 1 }, (_, power) =>
        text(60 + (power / widest) * (WIDTH - 330), height - 20, `x ${(10 ** power).toLocaleString("en")}`, "middle"),
      ),
      ...lines.flatMap(({ name, points }, index) => {
        const first = points[0]?.size ?? 1;
        const path = points.map(
          ({ size }, point) => `${x(size, first).toFixed(1)},${y(relative[index]?.[point] ?? 0).toFixed(1)}`,
        );
        const colour = COLOURS[index % COLOURS.length];
        return [
          `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="2.5"/>`,
          `<circle cx="${WIDTH - 250}" cy="${52 + index * 22}" r="5" fill="${colour}"/>`,
          text(WIDTH - 238, 56 + index * 22, name),
        ];
      }),
    ],
  );
}

const COLOURS = ["#d97706", "#2563eb", "#059669", "#db2777", "#7c3aed", "#64748b"] as const;

/** The rows of a scenario that differ in a size alone: `1000 steps, pawl`, `sqlite, 1 MB of state`. */
function linesOf({ id, rows }: Section): Line[] {
  const lines = new Map<string, { size: number; cost: number }[]>();
  for (const { what, unit, series } of rows) {
    const size = sizeOf(what);
    if (size === undefined || what.includes("peer") || !/^[num]s/.test(unit)) continue;
    const name = `${id}  ${nameOf(what)}`;
    lines.set(name, [...(lines.get(name) ?? []), { size, cost: series.median }]);
  }
  return [...lines].flatMap(([name, points]) => {
    const sorted = points.sort((a, b) => a.size - b.size);
    return sorted.length < 2 ? [] : [{ name, points: sorted }];
  });
}

/** What a row measures, without its size and whose it is. */
function nameOf(what: string): string {
  const name = what
    .replace(SIZE, "")
    .replace(/,? ?pawl$/, "")
    .replace(/ +/g, " ");
  return shortened(name.replace(/^[ ,]+/, ""));
}

const SIZE = /\b(\d[\d,]*) ?(KB|MB)?\b/;

function sizeOf(what: string): number | undefined {
  const [, digits, unit] = what.match(SIZE) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits.replaceAll(",", "")) * (unit === "MB" ? 1e6 : unit === "KB" ? 1e3 : 1);
}

function decadesOf(points: Line["points"]): number {
  const [first, last] = [points[0]?.size ?? 1, points.at(-1)?.size ?? 1];
  return Math.max(1, Math.ceil(Math.log10(last / first)));
}

/** The first words of a title: what a label has room for. */
function shortened(title: string): string {
  const words = title.split(/[;:(]/)[0] ?? title;
  return words.length > 34 ? `${words.slice(0, 33).trimEnd()}…` : words;
}

function picture(height: number, caption: string, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#64748b" role="img" aria-label="${escaped(caption)}">
${[text(10, 20, caption), ...parts].map((part) => `  ${part}`).join("\n")}
</svg>
`;
}

function text(x: number, y: number, content: string, anchor = "start"): string {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function vertical(x: number, from: number, to: number, label: string): string {
  return `<line x1="${x.toFixed(1)}" y1="${from}" x2="${x.toFixed(1)}" y2="${to}" stroke="#cbd5e1"/>${text(x, to + 16, label, "middle")}`;
}

function horizontal(y: number, from: number, to: number, label: string): string {
  return `<line x1="${from}" y1="${y.toFixed(1)}" x2="${to}" y2="${y.toFixed(1)}" stroke="#cbd5e1"/>${text(from - 8, Math.round(y + 4), label, "end")}`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
