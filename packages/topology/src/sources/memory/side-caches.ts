import type { MemorySideCache } from "../../model/facts.ts";
import { BYTES_RANGE, numbered, type Range, readInteger } from "../attribute.ts";
import type { Discovery } from "../source.ts";

const LINE_RANGE: Range = { min: 0, max: 2 ** 20 };
const CODE_RANGE: Range = { min: 0, max: 255 };
/** Levels of caches in front of one memory, at most. */
const LEVELS_MAX = 16;
/** By the kernel's codes. */
const INDEXING: readonly MemorySideCache["associativity"][] = ["direct", "complex", "none"];
const POLICIES: readonly MemorySideCache["writePolicy"][] = ["write-back", "write-through", "other"];
const MODES: readonly MemorySideCache["addressMode"][] = ["transparent", "extended-linear"];

/** Caches in front of a node's memory, as the kernel numbers them; one of unknown size (0) is none. */
export function readSideCaches(discovery: Discovery, node: string): MemorySideCache[] {
  const directory = `${node}/memory_side_cache`;
  const caches: MemorySideCache[] = [];
  for (const level of numbered(discovery, directory, "index").slice(0, LEVELS_MAX)) {
    const at = `${directory}/index${level}`;
    const code = (file: string): number => readInteger(discovery, `${at}/${file}`, CODE_RANGE) ?? -1;
    const size = readInteger(discovery, `${at}/size`, BYTES_RANGE) ?? 0;
    if (size === 0) continue;
    caches.push({
      level,
      size,
      lineSize: readInteger(discovery, `${at}/line_size`, LINE_RANGE) ?? 0,
      associativity: INDEXING[code("indexing")] ?? "unknown",
      writePolicy: POLICIES[code("write_policy")] ?? "unknown",
      addressMode: MODES[code("address_mode")] ?? "unknown",
    });
  }
  return caches;
}
