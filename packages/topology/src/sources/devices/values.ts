import { IndexSet } from "../../model/index-set.ts";
import type { ByteCount } from "../../model/quantity.ts";
import { BYTES_RANGE, quoted, type Range, readLine, readMask } from "../attribute.ts";
import type { Discovery } from "../source.ts";

/** Kernel numbers of NUMA nodes; −1 is how it says "none". */
const NODE_RANGE: Range = { min: -1, max: IndexSet.INDEX_MAX };

/** A number that the kernel prints in decimal or, with `0x`, in hexadecimal. Null when absent, with a warning when it is none or out of range. */
export function readNumber(discovery: Discovery, path: string, range: Range): number | null {
  const line = readLine(discovery, path);
  if (line === undefined) return null;
  const value = /^(?:-?\d{1,16}|0x[0-9a-f]{1,16})$/i.test(line) ? Number(line) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  discovery.warn(path, `holds ${quoted(line)} where a number from ${range.min} to ${range.max} is expected`);
  return null;
}

/** Bytes, decimal or hexadecimal; null when unknown. */
export function readBytes(discovery: Discovery, path: string): ByteCount | null {
  return readNumber(discovery, path, BYTES_RANGE);
}

/** A file's text on one line, null when absent or blank. */
export function readWord(discovery: Discovery, path: string): string | null {
  return readLine(discovery, path) ?? null;
}

/** A NUMA node, null for −1 and when absent. */
export function readNode(discovery: Discovery, path: string): number | null {
  const node = readNumber(discovery, path, NODE_RANGE);
  return node === null || node < 0 ? null : node;
}

/** CPUs near a device: its `local_cpus`, else those of its node; empty when unknown. */
export function readLocalCpus(discovery: Discovery, directory: string, node: number | null): IndexSet {
  const stated = readMask(discovery, `${directory}/local_cpus`);
  return stated ?? nodeCpus(discovery, node);
}

/** CPUs near a node; empty for no node. */
export function nodeCpus(discovery: Discovery, node: number | null): IndexSet {
  if (node === null) return IndexSet.EMPTY;
  const fact = discovery.facts.nodes.find((one) => one.index === node);
  if (fact === undefined) return IndexSet.EMPTY;
  return fact.cpus.isEmpty ? fact.nearCpus : fact.cpus;
}

/** `KEY=value` lines of a uevent file; empty when absent. */
export function readEvent(discovery: Discovery, path: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of (discovery.tree.readText(path) ?? "").split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
  }
  return values;
}

/** The last name of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
