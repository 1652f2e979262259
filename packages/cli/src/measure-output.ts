import { units } from "@hms/topology/lazy";
import type {
  MeasuredChase,
  MeasuredPair,
  MeasuredRates,
  Measurements,
  NotMeasured,
  Sample,
} from "@hms/topology/measured";
import type { Console } from "./command.ts";
import { printable } from "./printable.ts";
import { twoColumns, wrap } from "./wrap.ts";

const GAP = "  ";
const GIGA = 1e9;
/** Runs that lie further apart than this, as a part of the median, are marked. */
const SPREAD_MAX = 0.25;

/** A table: what it shows, and the text of a pair's cell. */
interface Table {
  readonly title: string;
  cell(pair: MeasuredPair): Cell | null;
}

interface Cell {
  readonly text: string;
  /** Its runs lie far apart. */
  readonly doubtful: boolean;
}

/** What was measured, for a person: a matrix a quantity, initiators × targets, as `hms topo --matrix` has them. */
export async function measureText(
  measured: Measurements,
  console: Pick<Console, "colour" | "width">,
): Promise<string> {
  const { formatSize } = await units();
  const bold = (text: string): string => (console.colour ? `\x1b[1m${text}\x1b[22m` : text);
  const { pairs, settings } = measured;
  const lines = [
    ...wrap(
      settings.runs === 1
        ? "this machine, measured: one run"
        : `this machine, measured: medians of ${settings.runs} runs, ± half of what lies between them`,
      console.width,
    ),
  ];
  const head = lines.map(bold);
  const tables = tablesOf(pairs).map((table) => tableText(table, pairs, console, bold));
  const body = pairs.length === 0 ? ["Nothing could be measured: see the reasons."] : tables;
  const sections = [head.join("\n"), ...body];
  const legend = legendOf(
    pairs,
    tables.some((text) => text.includes("!")),
  );
  if (pairs.length > 0) sections.push(wrap(legend, console.width).join("\n"));
  if (measured.devices.length > 0) {
    const rows = measured.devices.map(({ device, bytes, toDevice, toHost }): [string, string] => [
      printable(device),
      `${rate(toDevice).text} to it, ${rate(toHost).text} from it: ${formatSize(bytes)} to and fro`,
    ]);
    sections.push(
      `${bold("Pages that migrate between the host's memory and devices, GB/s")}\n\n${twoColumns(rows, console.width)}`,
    );
  }
  const notes = notesOf(pairs);
  if (notes.length > 0) sections.push(`${bold("Notes")}\n\n${twoColumns(notes, console.width)}`);
  if (measured.missing.length > 0) {
    const rows = measured.missing.map((one): [string, string] => [missingName(one), printable(one.why)]);
    sections.push(`${bold("Not measured")}\n\n${twoColumns(rows, console.width)}`);
  }
  return `${sections.join("\n\n")}\n`;
}

function tablesOf(pairs: readonly MeasuredPair[]): Table[] {
  if (pairs.length === 0) return [];
  const several = pairs.some(({ rates }) => rates.length > 1);
  const who = several ? "all CPUs of the row (one of them)" : "one CPU";
  const small = pairs.some(({ chases }) => chases.length > 1);
  const pages = pairs.some(({ chases }) => (chases[0]?.hugePages ?? 0) > 0)
    ? `in huge pages${small ? " (in small ones)" : ""}`
    : "in small pages";
  return [
    { title: `Reading, GB/s, ${who}`, cell: (pair) => rates(pair, (one) => one.read) },
    { title: `Writing, GB/s, ${who}`, cell: (pair) => rates(pair, (one) => one.write) },
    { title: `Copying, GB/s copied, ${who}`, cell: (pair) => rates(pair, (one) => one.copy) },
    { title: `Latency of a load, ns, ${pages}`, cell: ({ chases }) => latencies(chases) },
  ];
}

function rates(pair: MeasuredPair, of: (rates: MeasuredRates) => Sample): Cell | null {
  const all = pair.rates.at(-1);
  if (all === undefined) return null;
  const [one] = pair.rates;
  const shown = rate(of(all));
  return one === undefined || one === all
    ? shown
    : { ...shown, text: `${shown.text} (${threeDigits(of(one).median / GIGA)})` };
}

function rate(sample: Sample): Cell {
  return withSpread(sample, threeDigits(sample.median / GIGA));
}

function latencies([first, second]: readonly MeasuredChase[]): Cell | null {
  if (first === undefined) return null;
  const shown = withSpread(first.latency, threeDigits(first.latency.median));
  return second === undefined
    ? shown
    : { ...shown, text: `${shown.text} (${threeDigits(second.latency.median)})` };
}

function withSpread({ median, min, max, runs }: Sample, text: string): Cell {
  if (runs === 1) return { text, doubtful: false };
  const spread = (max - min) / median;
  const doubtful = spread > SPREAD_MAX;
  return { text: `${text} ±${Math.round(spread * 50)}%${doubtful ? "!" : ""}`, doubtful };
}

function threeDigits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

function tableText(
  { title, cell }: Table,
  pairs: readonly MeasuredPair[],
  { colour, width }: Pick<Console, "colour" | "width">,
  bold: (text: string) => string,
): string {
  const rows = [...new Set(pairs.map(({ initiator }) => initiator))];
  const columns = [...new Set(pairs.map(({ target }) => target))];
  const of = new Map(pairs.map((pair) => [`${pair.initiator} ${pair.target}`, cell(pair)]));
  const labelWidth = Math.max(...rows.map((row) => row.length)) + "CPU ".length;
  const texts = columns.map((column) => rows.map((row) => of.get(`${row} ${column}`) ?? null));
  const widths = columns.map((column, c) =>
    Math.max(column.length, ...(texts[c] ?? []).map((one) => one?.text.length ?? 1)),
  );
  const parts = partsOf(widths, Math.max(1, width - labelWidth)).map((places) => {
    const heading = places.map((c) => GAP + (columns[c] ?? "").padStart(widths[c] ?? 0)).join("");
    const lines = rows.map((row, r) => {
      const cells = places.map((c) => {
        const one = texts[c]?.[r] ?? null;
        const text = (one?.text ?? "·").padStart(widths[c] ?? 0);
        return GAP + (colour && one?.doubtful === true ? `\x1b[33m${text}\x1b[39m` : text);
      });
      return `${`CPU ${row}`.padEnd(labelWidth)}${cells.join("")}`;
    });
    return [" ".repeat(labelWidth) + heading, ...lines].join("\n");
  });
  return `${bold(title)}\n\n${parts.join("\n\n")}`;
}

/** Columns that fit beside each other. */
function partsOf(widths: readonly number[], room: number): number[][] {
  const parts: number[][] = [[]];
  let used = 0;
  widths.forEach((width, c) => {
    if (used > 0 && used + width + GAP.length > room) {
      parts.push([]);
      used = 0;
    }
    parts.at(-1)?.push(c);
    used += width + GAP.length;
  });
  return parts;
}

function legendOf(pairs: readonly MeasuredPair[], doubtful: boolean): string {
  const rows = new Set(pairs.map(({ initiator }) => initiator)).size;
  const columns = new Set(pairs.map(({ target }) => target)).size;
  const placed = pairs.every(({ placement }) => placement === "verified")
    ? "Where the pages were was asked of the kernel."
    : "The kernel does not say where pages are; there is one memory only.";
  return [
    "Rows reach columns.",
    ...(pairs.length < rows * columns ? ["· was not measured."] : []),
    ...(doubtful ? ["! marks runs that lie far apart: measure again when the machine is quiet."] : []),
    placed,
  ].join(" ");
}

/** Notes, with the pairs that each is about. */
function notesOf(pairs: readonly MeasuredPair[]): [string, string][] {
  const about = new Map<string, string[]>();
  for (const { initiator, target, notes } of pairs) {
    for (const note of notes) {
      const known = about.get(note);
      if (known === undefined) about.set(note, [`${initiator} → ${target}`]);
      else known.push(`${initiator} → ${target}`);
    }
  }
  return [...about].map(([note, names]) => [
    names.length > 2 ? `${names[0]} and ${names.length - 1} more` : names.join(", "),
    printable(note),
  ]);
}

function missingName({ initiator, target }: NotMeasured): string {
  if (initiator === null) return printable(target ?? "all");
  return printable(target === null ? `CPU ${initiator}` : `${initiator} → ${target}`);
}
