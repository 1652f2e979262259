import { IndexSet } from "../model/index-set.ts";
import type { Discovery } from "./source.ts";

/** The values that an attribute may have; what is outside is no such value, and is warned of. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** A number that the kernel gives to something: a package, a node, a cache. −1 says that there is none. */
export const ID_RANGE: Range = { min: -1, max: 2 ** 31 - 1 };
/** Bytes: up to what a number holds exactly, 8 PiB. */
export const BYTES_RANGE: Range = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** The first line of a file without the space around it; undefined when the file is absent or blank. */
export function readLine(discovery: Discovery, path: string): string | undefined {
  const text = discovery.tree.readText(path);
  if (text === undefined) return undefined;
  const end = text.indexOf("\n");
  const line = (end < 0 ? text : text.slice(0, end)).trim();
  return line === "" ? undefined : line;
}

/** A decimal integer. What is there and is none, or out of range, leaves a warning and reads as undefined. */
export function readInteger(discovery: Discovery, path: string, range: Range): number | undefined {
  const line = readLine(discovery, path);
  if (line === undefined) return undefined;
  const value = /^[+-]?\d{1,16}$/.test(line) ? Number(line) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  discovery.warn(
    path,
    `holds ${quoted(line)} where an integer from ${range.min} to ${range.max} is expected`,
  );
  return undefined;
}

/** A list of numbers such as `0-3,8`; an empty file is the empty set. */
export function readList(discovery: Discovery, path: string): IndexSet | undefined {
  return readSet(discovery, path, "list");
}

/** A mask such as `ff,00000003`; an empty file is the empty set. */
export function readMask(discovery: Discovery, path: string): IndexSet | undefined {
  return readSet(discovery, path, "mask");
}

/** The same few sets are stated by one file of each CPU: parse each text once, for as long as it is in use. */
const parsed = { list: new Map<string, IndexSet>(), mask: new Map<string, IndexSet>() };
/** Texts kept at most, and how long they may be; one machine of 1,024 CPUs has about 3,000. */
const PARSED_MAX = 4096;
const PARSED_LENGTH_MAX = 4096;

function readSet(discovery: Discovery, path: string, form: "list" | "mask"): IndexSet | undefined {
  const text = discovery.tree.readText(path);
  if (text === undefined) return undefined;
  const known = parsed[form].get(text);
  if (known !== undefined) return known;
  const blank = text.trim() === "";
  const set = blank
    ? IndexSet.EMPTY
    : form === "list"
      ? IndexSet.tryParseList(text)
      : IndexSet.tryParseMask(text);
  if (set === undefined) {
    const expected = form === "list" ? "a list such as 0-3,8" : "a mask such as ff,00000003";
    discovery.warn(
      path,
      `holds ${quoted(text)} where ${expected}, with numbers up to ${IndexSet.INDEX_MAX}, is expected`,
    );
    return undefined;
  }
  if (text.length > PARSED_LENGTH_MAX) return set;
  if (parsed[form].size >= PARSED_MAX) parsed[form].clear();
  parsed[form].set(text, set);
  return set;
}

/** Text of a file as a warning shows it: short, on one line. */
export function quoted(text: string): string {
  const clean = text.trim();
  return JSON.stringify(clean.length <= 40 ? clean : `${clean.slice(0, 40)}…`);
}

/** Numbers N of the names `prefixN` in a directory, in rising order (that in which the names are listed). */
export function numbered(discovery: Discovery, path: string, prefix: string): number[] {
  const numbers: number[] = [];
  for (const name of discovery.tree.list(path)) {
    if (!name.startsWith(prefix)) continue;
    const number = digitsFrom(name, prefix.length);
    if (number >= 0 && number <= IndexSet.INDEX_MAX) numbers.push(number);
  }
  return numbers;
}

/** The number that the rest of a name is, −1 for none: `node007` and `node` are not what the kernel names anything. */
function digitsFrom(name: string, start: number): number {
  const digits = name.length - start;
  if (digits < 1 || digits > 5 || (digits > 1 && name.charCodeAt(start) === 48)) return -1;
  let number = 0;
  for (let i = start; i < name.length; i++) {
    const digit = name.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}
