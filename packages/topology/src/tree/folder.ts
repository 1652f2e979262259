import {
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { LinkedTree } from "./linked.ts";
import type { EntryKind, FileStore } from "./store.ts";

/** Neither waits for the other end of a pipe nor follows a link that took the file's place meanwhile. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Nearly every file of sysfs fits; longer ones are read in steps. */
const STEP_BYTES = 65_536;
/** A kernel's file may come in pieces of about a page. Below IN_PIECES even in shorter ones, and only 0 bytes say that the end is reached. */
const PIECE_BYTES = 4096;
/** With these, opening or reading says that it is a link, a directory, a socket or a device. */
const NO_FILE: ReadonlySet<string> = new Set(["ELOOP", "EISDIR", "ENXIO", "ENODEV"]);
const IN_PIECES = /^(proc|sys\/fs)\//;

/** The files below a folder on disk. */
export class DiskStore implements FileStore {
  /** Without a trailing slash: "" for the root of the machine. */
  readonly #root: string;
  readonly #buffer = Buffer.allocUnsafeSlow(STEP_BYTES);

  constructor(root: string) {
    this.#root = root.replace(/\/+$/, "");
  }

  entries(path: string): ReadonlyMap<string, EntryKind> | undefined {
    const entries = new Map<string, EntryKind>();
    for (const entry of readdirSync(`${this.#root}/${path}`, { withFileTypes: true }))
      entries.set(entry.name, kindOf(entry));
    return entries;
  }

  linkText(path: string): string {
    return readlinkSync(`${this.#root}/${path}`);
  }

  readonly single = {
    kindOf: (path: string): EntryKind | undefined => {
      const stats = lstatSync(`${this.#root}/${path}`, { throwIfNoEntry: false });
      return stats === undefined ? undefined : kindOf(stats);
    },
    tryRead: (path: string, bytesMax: number): Uint8Array | "absent" | "look" => {
      // What is absent is no fault: where it was asked for is not needed, and takes longer than all the rest.
      const { stackTraceLimit } = Error;
      Error.stackTraceLimit = 0;
      try {
        const bytes = this.read(path, bytesMax);
        // Empty, or a pipe that nobody writes to.
        return bytes.length === 0 ? "look" : bytes;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? "";
        if (code === "ENOENT" || code === "ENOTDIR") return "absent";
        if (NO_FILE.has(code)) return "look";
        throw error;
      } finally {
        Error.stackTraceLimit = stackTraceLimit;
      }
    },
  };

  read(path: string, bytesMax: number): Uint8Array {
    const descriptor = openSync(`${this.#root}/${path}`, OPEN_FLAGS);
    try {
      const buffer = this.#buffer;
      const count = readSync(descriptor, buffer, 0, Math.min(STEP_BYTES, bytesMax), null);
      if (count < PIECE_BYTES && !IN_PIECES.test(path)) return buffer.subarray(0, count);
      return readRest(descriptor, Buffer.from(buffer.subarray(0, count)), bytesMax);
    } finally {
      closeSync(descriptor);
    }
  }
}

function kindOf(entry: Dirent | Stats): EntryKind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "link" : "other";
}

function readRest(descriptor: number, first: Buffer, bytesMax: number): Buffer {
  const parts = [first];
  let total = first.length;
  while (total < bytesMax) {
    const part = Buffer.allocUnsafe(Math.min(STEP_BYTES, bytesMax - total));
    const count = readSync(descriptor, part, 0, part.length, null);
    if (count === 0) break;
    parts.push(part.subarray(0, count));
    total += count;
  }
  return parts.length === 1 ? first : Buffer.concat(parts, total);
}

/** The files below a folder, as a FileTree: links are followed inside the folder and never lead out of it. */
export class FolderTree extends LinkedTree {
  constructor(root: string, options: { readonly live?: boolean; readonly label?: string } = {}) {
    super(new DiskStore(root), { label: options.label ?? root, live: options.live ?? false });
  }
}
