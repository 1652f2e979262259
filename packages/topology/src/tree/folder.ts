import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { LinkedTree } from "./linked.ts";
import type { EntryKind, FileStore } from "./store.ts";

/** Neither waits for the other end of a pipe nor follows a link that took the file's place meanwhile. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Nearly every file of sysfs fits; longer ones are read in steps. */
const STEP_BYTES = 65_536;
/** A kernel's file may come in pieces of about a page. Below IN_PIECES even in shorter ones, and only 0 bytes say that the end is reached. */
const PIECE_BYTES = 4096;
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
    // One call that says what each name is costs less than asking for each file, absent ones too.
    for (const entry of readdirSync(`${this.#root}/${path}`, { withFileTypes: true })) {
      if (entry.isFile()) entries.set(entry.name, "file");
      else if (entry.isDirectory()) entries.set(entry.name, "directory");
      else entries.set(entry.name, entry.isSymbolicLink() ? "link" : "other");
    }
    return entries;
  }

  linkText(path: string): string {
    return readlinkSync(`${this.#root}/${path}`);
  }

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
