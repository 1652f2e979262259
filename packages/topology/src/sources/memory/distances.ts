import type { DistanceMatrix } from "../../model/facts.ts";
import { quoted } from "../attribute.ts";
import type { Discovery } from "../source.ts";

/** hwloc's name for what the firmware's SLIT says. */
export const DISTANCES_NAME = "NUMALatency";
/** The firmware's table has a byte for each distance. */
const DISTANCE_MAX = 65_535;
/** Characters of a row, at most: the kernel's limit is 1,024 nodes. */
const TEXT_MAX = 8192;

/**
 * Relative distances between nodes, from the row of each. The kernel prints a column for each online node in
 * rising order; `online` are those, of which `nodes` are to be in the matrix. A node whose row cannot be used is not
 * in it; null when fewer than two are left.
 */
export function readDistances(
  discovery: Discovery,
  of: { readonly directory: string; readonly online: readonly number[]; readonly nodes: readonly number[] },
): DistanceMatrix | null {
  const columns = new Map(of.online.map((node, column) => [node, column]));
  const rows = new Map<number, readonly number[]>();
  for (const node of of.nodes) {
    const place = { columns: of.online.length, own: columns.get(node) ?? -1 };
    const row = readRow(discovery, `${of.directory}/node${node}/distance`, place);
    if (row !== undefined) rows.set(node, row);
  }
  const nodes = [...rows.keys()];
  if (nodes.length < 2) return null;
  const values = [...rows.values()].flatMap((row) => nodes.map((node) => row[columns.get(node) ?? -1] ?? 0));
  return { name: DISTANCES_NAME, nodes, values };
}

function readRow(
  discovery: Discovery,
  path: string,
  of: { readonly columns: number; readonly own: number },
): readonly number[] | undefined {
  const text = discovery.tree.readText(path)?.trim();
  if (text === undefined || text === "") return undefined;
  const { columns, own } = of;
  const parts = text.length > TEXT_MAX ? [] : text.split(/\s+/);
  const row = parts.map((part) => (/^\d{1,6}$/.test(part) ? Number(part) : -1));
  const good = row.every((value) => value >= 0 && value <= DISTANCE_MAX);
  // A capture may lack nodes. Where the last ones are missing the columns of the others are still theirs, which
  // shows in nothing being nearer to the node than itself.
  const cut = row.length > columns && row.every((value) => value >= (row[own] ?? 0));
  if (good && own >= 0 && (row.length === columns || cut)) return row;
  discovery.warn(
    path,
    `holds ${quoted(text)} where ${columns} distances, one for each online node, are expected`,
  );
  return undefined;
}

/** Row of a node in a matrix, by node; empty when it is not in it. */
export function distancesFrom(matrix: DistanceMatrix | undefined, node: number): ReadonlyMap<number, number> {
  const at = matrix?.nodes.indexOf(node) ?? -1;
  if (matrix === undefined || at < 0) return new Map();
  const { length } = matrix.nodes;
  return new Map(matrix.nodes.map((other, i) => [other, matrix.values[at * length + i] ?? 0]));
}
