import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";

/** Public traces of pages and blocks; they lie beside the repository. */
export const TRACES: string = join(import.meta.dirname, "../../../../../shared/traces");
export const NO_TRACES: string | false = existsSync(join(TRACES, "misses.tsv"))
  ? false
  : "../shared/traces is not there";

/** What independent implementations count on a trace with so many slots. */
export interface Expected {
  readonly trace: string;
  readonly requests: number;
  readonly capacity: number;
  readonly lru: number;
  readonly clock: number;
  readonly optimal: number;
  readonly s3FifoRatio: number;
  readonly sieveRatio: number;
}

export function expected(): Expected[] {
  const [head = "", ...rows] = readFileSync(join(TRACES, "misses.tsv"), "utf8").trim().split("\n");
  const names = head.split("\t");
  return rows.map((row) => {
    const cells = row.split("\t");
    const number = (name: string): number => Number(cells[names.indexOf(name)]);
    return {
      trace: cells[0] ?? "",
      requests: number("requests"),
      capacity: number("capacity"),
      lru: number("LRU"),
      clock: number("CLOCK"),
      optimal: number("OPT"),
      s3FifoRatio: number("S3FIFO_ratio"),
      sieveRatio: number("SIEVE_ratio"),
    };
  });
}

/** A trace by its name in `misses.tsv`, its pages numbered from 0 in the order in which they come; null: it cannot be read here. */
export function readTrace(name: string): Uint32Array | null {
  const pages = rawPages(name);
  if (pages === null) return null;
  const numbers = new Map<number, number>();
  return Uint32Array.from(pages, (page) => {
    let number = numbers.get(page);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(page, number);
    }
    return number;
  });
}

function rawPages(name: string): ArrayLike<number> | null {
  if (name.startsWith("lirs_")) {
    const text = gunzipSync(readFileSync(join(TRACES, `${name}.trace.gz`))).toString();
    return text
      .split("\n")
      .filter((line) => /^\d/.test(line))
      .map(Number);
  }
  if (name.startsWith("arc_")) {
    const text = zstdDecompressSync(readFileSync(join(TRACES, `${name.slice(4)}.lis.zst`))).toString();
    return text.split("\n").flatMap((line) => {
      const [first, count] = line.split(" ").map(Number);
      return first === undefined || count === undefined
        ? []
        : Array.from({ length: count }, (_, i) => first + i);
    });
  }
  const done = spawnSync("xz", ["-dc", join(TRACES, "cloud_physics_w106.trace.xz")], { maxBuffer: 1 << 28 });
  if (name !== "cp_w106" || done.status !== 0) return null;
  const { buffer, byteOffset, byteLength } = done.stdout;
  return new Uint32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
