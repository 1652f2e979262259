import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import { LINK_MEDIA, type LinkProperties } from "../../model/facts.ts";
import { tryParseBandwidth, tryParseLatency } from "../../model/units.ts";
import type { Draft } from "./draft.ts";
import { type Field, shown } from "./field.ts";
import { DISTANCE_MAX, LINKS_MAX } from "./limits.ts";
import { sourced, tryParseDistance } from "./numbers.ts";

type PropertyName = "readBandwidth" | "writeBandwidth" | "readLatency" | "writeLatency" | "distance";

/** What a matrix may hold: the properties that it states, and how a cell is read. */
const METRICS: Readonly<
  Record<
    string,
    { readonly states: readonly PropertyName[]; readonly parse: (text: string) => number | string }
  >
> = {
  bandwidth: { states: ["readBandwidth", "writeBandwidth"], parse: tryParseBandwidth },
  "read-bandwidth": { states: ["readBandwidth"], parse: tryParseBandwidth },
  "write-bandwidth": { states: ["writeBandwidth"], parse: tryParseBandwidth },
  latency: { states: ["readLatency", "writeLatency"], parse: tryParseLatency },
  "read-latency": { states: ["readLatency"], parse: tryParseLatency },
  "write-latency": { states: ["writeLatency"], parse: tryParseLatency },
  distance: { states: ["distance"], parse: tryParseDistance },
};

/** Reads `matrices:`: numbers of pairs of initiators (rows) and targets (columns), as benchmarks print them. */
export function readMatrices(list: Field | undefined, draft: Draft): void {
  for (const field of list?.list() ?? []) readMatrix(field, draft);
}

function readMatrix(field: Field, draft: Draft): void {
  const fields = field.fields(["of", "unit", "rows", "columns", "medium", "values", "source"]);
  const of = fields.require("of", `one of ${Object.keys(METRICS).join(", ")}`).choice(Object.keys(METRICS));
  const metric = METRICS[of];
  if (metric === undefined) return;
  const unit = fields.get("unit")?.name() ?? "";
  const source = draft.numbers.source(fields.get("source"), draft.source);
  const medium = fields.get("medium")?.choice(LINK_MEDIA) ?? null;
  const nodes = [...draft.nodes.values()].sort((a, b) => a.index - b.index);
  const named = (
    name: string,
    ids: { resolve(field: Field): string[] },
    all: readonly number[],
  ): string[] => {
    const given = fields.get(name);
    return given === undefined ? all.map((index) => `node${index}`) : ids.resolve(given);
  };
  const rows = named(
    "rows",
    draft.initiators,
    nodes.filter((node) => node.isInitiator).map((node) => node.index),
  );
  const columns = named(
    "columns",
    draft.targets,
    nodes.filter((node) => node.isTarget).map((node) => node.index),
  );
  const values = fields.require("values", "a list of rows, each with a number for each column");
  draft.countMembers(field, rows.length * columns.length);
  // Few values are different, and what is equal shares its object.
  const known = new Map<string, LinkProperties | null>();
  cells(values, rows.length, columns.length, (text, row, column) => {
    let properties = known.get(text);
    if (properties === undefined) {
      properties = cell(values, text, unit, metric, source);
      known.set(text, properties);
      if (known.size > LINKS_MAX) {
        values.fail(`expected at most ${LINKS_MAX} different numbers, but there are more; round them`);
      }
    }
    if (properties !== null) draft.pairs.state(rows[row] ?? "", columns[column] ?? "", medium, properties);
  });
}

/** What a cell states; null for one that says that the number is not known (0 or `-`). */
function cell(
  field: Field,
  text: string,
  unit: string,
  metric: { readonly states: readonly PropertyName[]; readonly parse: (text: string) => number | string },
  source: string | null,
): LinkProperties | null {
  if (text === "-" || /^0+(\.0+)?$/.test(text)) return null;
  const value = metric.parse(`${text}${unit}`);
  if (typeof value === "string") return field.fail(value);
  const quantity = sourced(value, source);
  return { ...UNKNOWN_PROPERTIES, ...Object.fromEntries(metric.states.map((name) => [name, quantity])) };
}

/** Goes through the cells: a text for each row, in which blanks or commas divide columns. One text may hold all rows, in lines. */
function cells(
  field: Field,
  rows: number,
  columns: number,
  visit: (text: string, row: number, column: number) => void,
): void {
  const texts = field.oneOrMore().map((row) => row.raw("a row of numbers"));
  const lines = texts.flatMap((text) => text.split("\n")).filter((line) => line.trim() !== "");
  if (lines.length !== rows) field.fail(`expected ${rows} rows, but got ${lines.length}`);
  lines.forEach((line, row) => {
    const numbers = line.trim().split(/[\s,]+/);
    if (numbers.length !== columns) {
      field.fail(`expected ${columns} numbers in row ${row + 1}, but got ${numbers.length}`);
    }
    numbers.forEach((text, column) => {
      visit(text, row, column);
    });
  });
}

/** Reads `distances:`, the firmware's relative distances from every node to every node, as `numactl -H` prints them. */
export function readDistances(field: Field | undefined, draft: Draft): void {
  if (field === undefined) return;
  const inner = field.value.kind === "map" ? field.fields(["nodes", "values", "source"]) : null;
  const nodes =
    inner?.get("nodes") === undefined
      ? [...draft.nodes.keys()].sort((a, b) => a - b)
      : [...(inner.get("nodes")?.indexes() ?? [])];
  for (const node of nodes) if (!draft.nodes.has(node)) field.fail(`there is no node ${node}`);
  const source = draft.numbers.source(inner?.get("source"), draft.source);
  const text = inner === null ? field : inner.require("values", "a row for each node");
  const values: number[] = [];
  draft.countMembers(field, nodes.length * nodes.length);
  const known = new Map<number, LinkProperties>();
  cells(text, nodes.length, nodes.length, (digits, row, column) => {
    const value = /^\d{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
    if (!(value <= DISTANCE_MAX)) {
      text.fail(
        `expected whole numbers up to ${DISTANCE_MAX} (10 is local, 0 unknown), but got ${shown(digits)}`,
      );
    }
    values.push(value);
    const from = draft.nodes.get(nodes[row] ?? -1);
    const to = draft.nodes.get(nodes[column] ?? -1);
    if (!draft.implied || value === 0 || from?.isInitiator !== true || to?.isTarget !== true) return;
    let properties = known.get(value);
    if (properties === undefined) {
      const distance = sourced(value, source);
      properties = { ...UNKNOWN_PROPERTIES, distance };
      known.set(value, properties);
    }
    draft.pairs.state(`node${from.index}`, `node${to.index}`, null, properties);
  });
  draft.facts.distances.push({ name: "NUMALatency", nodes, values });
}
