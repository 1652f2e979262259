import type { Warning } from "../model/facts.ts";

/**
 * The files of a machine, live or captured, as the sources read them. Paths are relative to its root, without a
 * leading slash: `sys/devices/system/node/node0/meminfo`. No call throws for what a file holds or lacks: what
 * is absent reads as undefined or empty, what is odd (unreadable, too large, a link that loops or leads outside)
 * besides leaves a warning that names it.
 */
export interface FileTree {
  /** True for the running machine: then some answers come from the process itself (its cpuset, its page size). */
  readonly live: boolean;
  /** For people: the path it was opened by, or `this machine`. */
  readonly label: string;
  /** Text of a file up to TEXT_BYTES_MAX bytes (more is cut, with a warning), undefined when absent. Bytes that are not UTF-8 become U+FFFD. */
  readText(path: string): string | undefined;
  /** Bytes of a file up to bytesMax. */
  readBytes(path: string, bytesMax?: number): Uint8Array | undefined;
  /** Names in a directory, in natural order (`node2` before `node10`); empty when absent or not a directory. */
  list(path: string): readonly string[];
  /** Whether a path exists, links followed. */
  exists(path: string): boolean;
  /** Path with every link in it followed, undefined when absent or outside the root. */
  realPath(path: string): string | undefined;
  readonly warnings: readonly Warning[];
}

/** A text file of sysfs or procfs is at most this long; /proc/cpuinfo of a large machine is the longest. */
export const TEXT_BYTES_MAX: number = 8 * 1024 * 1024;
/** Names that `list` returns of one directory, at most. */
export const LIST_NAMES_MAX = 100_000;
/** Links followed in one path, at most (the kernel's own limit). */
export const LINKS_FOLLOWED_MAX = 40;
