import type { MemoryEntry } from "../../packages/topology/src/tree/memory.ts";
import type { Random } from "./random.ts";

/** What can be wrong with a file of a capture. */
export const BREAKAGES = [
  "deleted",
  "cut short",
  "empty",
  "garbage",
  "no UTF-8",
  "huge number",
  "negative",
  "huge",
  "zeros",
  "a pipe",
  "unreadable",
  "input error",
  "a link to itself",
  "a link outside",
  "a folder",
  "another file",
] as const;
export type Breakage = (typeof BREAKAGES)[number];

/** Those after which what was there cannot be used, whatever it was. */
export const UNUSABLE: ReadonlySet<Breakage> = new Set([
  "a pipe",
  "unreadable",
  "a link to itself",
  "a link outside",
  "a folder",
]);

const GARBAGE = [
  "garbage",
  "\n\n\n",
  "0x",
  "1e99",
  "NaN",
  "-",
  ",,,",
  "0-",
  "9-1",
  "0-4294967295",
  "\u{1b}[31mred\u{7}",
  "1 2 3 4 5 6 7 8 9",
  "18446744073709551616",
  "__proto__",
  "constructor",
  "%s%n%x",
];

/** Breaks one file; `files` is changed in place. */
export function breakFile(
  files: Map<string, MemoryEntry>,
  path: string,
  breakage: Breakage,
  random: Random,
): void {
  const entry = breakage === "deleted" ? undefined : broken(files, path, breakage, random);
  if (entry === undefined) files.delete(path);
  else files.set(path, entry);
}

function broken(
  files: ReadonlyMap<string, MemoryEntry>,
  path: string,
  breakage: Exclude<Breakage, "deleted">,
  random: Random,
): MemoryEntry | undefined {
  const entry = files.get(path);
  const text = typeof entry === "string" ? entry : "";
  switch (breakage) {
    case "cut short":
      return text.slice(0, random.below(text.length + 1));
    case "empty":
      return "";
    case "garbage":
      return random.pick(GARBAGE);
    case "no UTF-8":
      return Uint8Array.from({ length: 1 + random.below(40) }, () => 0x80 + random.below(0x80));
    case "huge number":
      return `${"9".repeat(1 + random.below(40))}\n`;
    case "negative":
      return `-${1 + random.below(1000)}\n`;
    case "huge":
      return "4096\n".repeat(40_000);
    case "zeros":
      return new Uint8Array(4096);
    case "a pipe":
      return { kind: "other" };
    case "unreadable":
      return { error: "EACCES" };
    case "input error":
      return { error: "EIO" };
    case "a link to itself":
      return { link: path.slice(path.lastIndexOf("/") + 1) };
    case "a link outside":
      return { link: `${"../".repeat(40)}etc/passwd` };
    case "a folder":
      return { kind: "directory" };
    case "another file":
      return files.get(random.pick([...files.keys()]));
  }
}
