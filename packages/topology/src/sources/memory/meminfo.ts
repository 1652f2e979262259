import { quoted } from "../attribute.ts";
import type { Discovery } from "../source.ts";

/** Bytes of memory, and how many are free; null when unknown. */
export interface Meminfo {
  readonly size: number | null;
  readonly free: number | null;
}

const LINES: Readonly<Record<"MemTotal" | "MemFree", RegExp>> = {
  MemTotal: /(?:^|[\n ])MemTotal:[ \t]*(\d{1,13}) kB/,
  MemFree: /(?:^|[\n ])MemFree:[ \t]*(\d{1,13}) kB/,
};

/** A value in kB of a meminfo file (`MemTotal: 16 kB`, or with `Node 0 ` before it). */
export function kibibytes(text: string | undefined, name: keyof typeof LINES): number | undefined {
  const match = LINES[name].exec(text ?? "");
  if (match === null) return undefined;
  const value = Number(match[1]);
  return Number.isSafeInteger(value * 1024) ? value : undefined;
}

/** Reads `nodeN/meminfo` or `/proc/meminfo`. */
export function readMeminfo(discovery: Discovery, path: string): Meminfo {
  const text = discovery.tree.readText(path);
  if (text === undefined) return { size: null, free: null };
  const total = kibibytes(text, "MemTotal");
  const free = kibibytes(text, "MemFree");
  if (total === undefined) {
    discovery.warn(path, `holds ${quoted(text)} where a line such as "MemTotal: 16384 kB" is expected`);
    return { size: null, free: null };
  }
  if (free !== undefined && free > total) {
    discovery.warn(path, `states ${free} kB free of ${total} kB: the free memory is taken as unknown`);
    return { size: total * 1024, free: null };
  }
  return { size: total * 1024, free: free === undefined ? null : free * 1024 };
}
