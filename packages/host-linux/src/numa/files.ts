// Small reads of /proc and /sys, below a root that tests replace.
import { readFileSync } from "node:fs";
import { IndexSet } from "@hms/topology";

/** The text of a file without its last newline, or null when it cannot be read. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch {
    return null;
  }
}

/** A list of indexes such as `0-3,8`, or null when there is none to read. */
export function readList(path: string): IndexSet | null {
  const text = readText(path);
  return text === null ? null : (IndexSet.tryParseList(text) ?? null);
}

/** A number of bytes; null for none to read and for what means no limit. */
export function readBytes(path: string): number | null {
  const text = readText(path);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}
