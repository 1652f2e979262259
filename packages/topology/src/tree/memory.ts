import { LinkedTree } from "./linked.ts";
import { type EntryKind, errnoError, type FileStore } from "./store.ts";

/**
 * What a MemoryStore holds at a path: text or bytes are a file, `link` a symbolic link with that text,
 * `directory` an (else maybe empty) directory, `other` a pipe or device, `error` a file that cannot be read.
 */
export type MemoryEntry =
  | string
  | Uint8Array
  | { readonly link: string }
  | { readonly kind: "directory" | "other" }
  | { readonly error: string };

const EMPTY = new Uint8Array(0);

/** Files in memory: an archive that was read, or a capture that a test wrote down. Directories above a path come by themselves. */
export class MemoryStore implements FileStore {
  readonly #directories = new Map<string, Map<string, EntryKind>>([["", new Map()]]);
  readonly #entries = new Map<string, MemoryEntry>();

  constructor(entries: Iterable<readonly [string, MemoryEntry]> = []) {
    for (const [path, entry] of entries) this.add(path, entry);
  }

  /**
   * Puts an entry at a path (relative, no empty part, no `.` or `..`), in place of one that was there. What
   * lies below a directory stays when the directory comes again, as in an archive; false when a part of the path
   * above is there and is no directory: then nothing is added.
   */
  add(path: string, entry: MemoryEntry): boolean {
    const cut = path.lastIndexOf("/");
    const names = this.#makeDirectory(cut < 0 ? "" : path.slice(0, cut));
    if (names === undefined) return false;
    const kind = kindOf(entry);
    if (kind === "directory") return this.#makeDirectory(path) !== undefined;
    if (this.#directories.has(path)) return false;
    names.set(path.slice(cut + 1), kind);
    this.#entries.set(path, entry);
    return true;
  }

  /** What was put at a path, undefined for a directory. */
  get(path: string): MemoryEntry | undefined {
    return this.#entries.get(path);
  }

  entries(path: string): ReadonlyMap<string, EntryKind> | undefined {
    return this.#directories.get(path);
  }

  linkText(path: string): string {
    const entry = this.#entries.get(path);
    if (typeof entry === "object" && "link" in entry) return entry.link;
    throw errnoError("EINVAL", path);
  }

  read(path: string, bytesMax: number): Uint8Array {
    const entry = this.#entries.get(path);
    if (typeof entry === "string") return Buffer.from(entry).subarray(0, bytesMax);
    if (entry instanceof Uint8Array) return entry.subarray(0, bytesMax);
    if (entry !== undefined && "error" in entry) throw errnoError(entry.error, path);
    if (entry === undefined) throw errnoError("ENOENT", path);
    return EMPTY;
  }

  #makeDirectory(path: string): Map<string, EntryKind> | undefined {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const cut = path.lastIndexOf("/");
    const parent = this.#makeDirectory(cut < 0 ? "" : path.slice(0, cut));
    const name = path.slice(cut + 1);
    if (parent === undefined || parent.has(name)) return undefined;
    parent.set(name, "directory");
    const made = new Map<string, EntryKind>();
    this.#directories.set(path, made);
    return made;
  }
}

function kindOf(entry: MemoryEntry): EntryKind {
  if (typeof entry === "string" || entry instanceof Uint8Array || "error" in entry) return "file";
  return "link" in entry ? "link" : entry.kind;
}

/**
 * A FileTree of files written down in the program.
 *
 * @example
 * ```ts
 * import { discoverTree, MemoryTree } from "@hms/topology";
 * const tree = new MemoryTree({
 *   "sys/devices/system/node/online": "0",
 *   "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal: 16384 kB",
 * });
 * tree.list("sys/devices/system/node"); // ["node0", "online"]
 * ```
 */
export class MemoryTree extends LinkedTree {
  constructor(files: Readonly<Record<string, MemoryEntry>>, label = "files in memory") {
    super(new MemoryStore(Object.entries(files)), { label });
  }
}
