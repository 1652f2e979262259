import type { Warning } from "../model/facts.ts";
import { naturalOrder } from "./natural.ts";
import type { EntryKind, FileStore } from "./store.ts";
import { type FileTree, LINKS_FOLLOWED_MAX, LIST_NAMES_MAX, TEXT_BYTES_MAX } from "./tree.ts";

/** Errors with which sysfs says that an attribute has no value now; nothing to warn of. */
export const NO_VALUE: ReadonlySet<string> = new Set([
  "ENOENT",
  "ENOTDIR",
  "EIO",
  "EINVAL",
  "ENODEV",
  "ENXIO",
  "ENODATA",
  "EOPNOTSUPP",
  "ENOTSUP",
  "EAGAIN",
]);

/** A path free of links, with what lies there, or why there is none. */
type Resolved = Found | { readonly missing: "absent" | "outside" | "loop" };
interface Found {
  readonly path: string;
  readonly kind: EntryKind;
}

/** Absent files of a directory that are asked for one by one before it is listed. */
const MISSES_MAX = 3;

const ABSENT: Resolved = { missing: "absent" };
const OUTSIDE: Resolved = { missing: "outside" };
const LOOP: Resolved = { missing: "loop" };
const ROOT: Found = { path: "", kind: "directory" };

/**
 * The files of a store as a FileTree. Links are followed here, by hand, as if the root of the store were the root
 * of the file system (an absolute link starts at it): they never lead out of it. What a directory holds and where
 * a path leads is looked up once and kept: a capture does not change while it is read.
 *
 * Most directories of sysfs hold more than is read of them. Where a store can, files are read without listing the
 * directory first, until too many turn out to be absent.
 */
export class LinkedTree implements FileTree {
  readonly live: boolean;
  readonly label: string;
  readonly warnings: Warning[] = [];
  readonly #store: FileStore;
  readonly #resolved = new Map<string, Resolved>([["", ROOT]]);
  readonly #entries = new Map<string, ReadonlyMap<string, EntryKind> | undefined>();
  /** Files found absent in a directory that was not listed. */
  readonly #misses = new Map<string, number>();
  /** Links followed for the path that is looked up now. */
  #followed = 0;
  readonly #warned = new Set<string>();

  constructor(
    store: FileStore,
    options: { readonly label: string; readonly live?: boolean; readonly warnings?: readonly Warning[] },
  ) {
    this.#store = store;
    this.warnings.push(...(options.warnings ?? []));
    this.label = options.label;
    this.live = options.live ?? false;
  }

  readText(path: string): string | undefined {
    const bytes = this.#read(path, TEXT_BYTES_MAX);
    if (bytes === undefined) return undefined;
    // A tar of sysfs pads what it read to the page that the file claimed to be.
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end--;
    return Buffer.from(bytes.buffer, bytes.byteOffset, end).toString("utf8");
  }

  readBytes(path: string, bytesMax: number = TEXT_BYTES_MAX): Uint8Array | undefined {
    const bytes = this.#read(path, bytesMax);
    return bytes === undefined ? undefined : new Uint8Array(bytes);
  }

  list(path: string): readonly string[] {
    const directory = this.#resolve(path);
    if ("missing" in directory) {
      this.#warnMissing(path, directory.missing);
      return [];
    }
    if (directory.kind !== "directory") {
      this.#warn(path, `is ${A_KIND[directory.kind]} where a directory is expected`);
      return [];
    }
    const entries = this.#directory(directory.path);
    if (entries === undefined) return [];
    const names = [...entries.keys()].sort(naturalOrder);
    if (names.length <= LIST_NAMES_MAX) return names;
    this.#warn(path, `holds ${names.length} names: only the first ${LIST_NAMES_MAX} are looked at`);
    return names.slice(0, LIST_NAMES_MAX);
  }

  exists(path: string): boolean {
    return "path" in this.#resolve(path);
  }

  realPath(path: string): string | undefined {
    const resolved = this.#resolve(path);
    if ("path" in resolved) return resolved.path;
    this.#warnMissing(path, resolved.missing);
    return undefined;
  }

  /** Bytes of a file, links followed. */
  #read(path: string, bytesMax: number): Uint8Array | undefined {
    const direct = this.#readUnlisted(path, bytesMax);
    if (direct !== "look") return direct;
    const found = this.#lookUp(path);
    if ("missing" in found) {
      this.#warnMissing(path, found.missing);
      return undefined;
    }
    if (found.kind !== "file") {
      this.#warn(path, `is ${A_KIND[found.kind]} where a file is expected`);
      return undefined;
    }
    try {
      return this.#cut(path, this.#store.read(found.path, bytesMax + 1), bytesMax);
    } catch (error) {
      this.#unreadable(path, error);
      return undefined;
    }
  }

  /** Bytes of a file in a directory that was not listed yet; `look` when that is not the way to read it. */
  #readUnlisted(path: string, bytesMax: number): Uint8Array | undefined | "look" {
    const { single } = this.#store;
    const cut = path.lastIndexOf("/");
    if (single === undefined || cut < 0) return "look";
    const parent = this.#resolve(path.slice(0, cut));
    if ("missing" in parent || parent.kind !== "directory") return "look";
    const misses = this.#misses.get(parent.path) ?? 0;
    const name = path.slice(cut + 1);
    if (
      misses >= MISSES_MAX ||
      this.#entries.has(parent.path) ||
      name === ".." ||
      name === "." ||
      name === ""
    )
      return "look";
    try {
      const found = single.tryRead(inside(parent.path, name), bytesMax + 1);
      if (typeof found !== "string") return this.#cut(path, found, bytesMax);
      if (found === "look") return "look";
      this.#misses.set(parent.path, misses + 1);
    } catch (error) {
      this.#unreadable(path, error);
    }
    return undefined;
  }

  #cut(path: string, bytes: Uint8Array, bytesMax: number): Uint8Array {
    if (bytes.length <= bytesMax) return bytes;
    this.#warn(path, `is longer than ${bytesMax} bytes: only that many are read`);
    return bytes.subarray(0, bytesMax);
  }

  /** Where a path leads, links followed; kept for directories, which are gone through again and again. */
  #resolve(path: string): Resolved {
    const known = this.#resolved.get(path);
    if (known !== undefined) return known;
    const resolved = this.#lookUp(path);
    this.#resolved.set(path, resolved);
    return resolved;
  }

  #lookUp(path: string): Resolved {
    const cut = path.lastIndexOf("/");
    const parent = cut < 0 ? ROOT : this.#resolve(path.slice(0, cut));
    if ("missing" in parent) return parent;
    this.#followed = 0;
    return this.#step(parent, cut < 0 ? path : path.slice(cut + 1));
  }

  /** From a place free of links to a name in it. */
  #step(parent: Found, name: string): Resolved {
    if (parent.kind !== "directory") {
      // A file among folders is common (/sys/class/net/bonding_masters); anything else has no business there.
      if (parent.kind === "other") this.#warn(parent.path, `is ${A_KIND.other}`);
      return ABSENT;
    }
    if (name === "" || name === ".") return parent;
    if (name === "..") return parentOf(parent.path);
    const path = inside(parent.path, name);
    const kind = this.#kindOf(parent.path, name, path);
    if (kind === undefined) return ABSENT;
    return kind === "link" ? this.#follow(parent, path) : { path, kind };
  }

  #kindOf(directory: string, name: string, path: string): EntryKind | undefined {
    const { single } = this.#store;
    if (
      single === undefined ||
      this.#entries.has(directory) ||
      (this.#misses.get(directory) ?? 0) >= MISSES_MAX
    )
      return this.#directory(directory)?.get(name);
    try {
      return single.kindOf(path);
    } catch (error) {
      this.#unreadable(path, error);
      return undefined;
    }
  }

  #follow(parent: Found, link: string): Resolved {
    // As the kernel does, by count: that also ends links which multiply (each to several others).
    if (++this.#followed > LINKS_FOLLOWED_MAX) return LOOP;
    try {
      const text = this.#store.linkText(link);
      let at = text.startsWith("/") ? ROOT : parent;
      for (const name of text.split("/")) {
        const next = this.#step(at, name);
        if ("missing" in next) return next;
        at = next;
      }
      return at;
    } catch (error) {
      this.#unreadable(link, error);
      return ABSENT;
    }
  }

  /** What a directory holds, links in its path already followed. */
  #directory(path: string): ReadonlyMap<string, EntryKind> | undefined {
    const known = this.#entries.get(path);
    if (known !== undefined || this.#entries.has(path)) return known;
    let entries: ReadonlyMap<string, EntryKind> | undefined;
    try {
      entries = this.#store.entries(path);
    } catch (error) {
      this.#unreadable(path, error);
    }
    this.#entries.set(path, entries);
    return entries;
  }

  #unreadable(path: string, error: unknown): void {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!NO_VALUE.has(code)) this.#warn(path, `cannot be read (${code || String(error)})`);
  }

  #warnMissing(path: string, missing: "absent" | "outside" | "loop"): void {
    if (missing === "outside") this.#warn(path, "is a link that leads outside of the capture: not followed");
    if (missing === "loop")
      this.#warn(
        path,
        `is a link that leads back to itself, or through more than ${LINKS_FOLLOWED_MAX} others: not followed`,
      );
  }

  #warn(path: string, message: string): void {
    if (this.#warned.has(path)) return;
    this.#warned.add(path);
    this.warnings.push({ path, message });
  }
}

const A_KIND: Readonly<Record<EntryKind, string>> = {
  file: "a file",
  directory: "a directory",
  link: "a link",
  other: "neither a file nor a directory",
};

function inside(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function parentOf(path: string): Resolved {
  if (path === "") return OUTSIDE;
  const cut = path.lastIndexOf("/");
  return cut < 0 ? ROOT : { path: path.slice(0, cut), kind: "directory" };
}
