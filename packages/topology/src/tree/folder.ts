import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import type { Warning } from "../model/facts.ts";
import { naturalOrder } from "./natural.ts";
import { type FileTree, LINKS_FOLLOWED_MAX, LIST_NAMES_MAX, TEXT_BYTES_MAX } from "./tree.ts";

/** Errors with which sysfs says that an attribute has no value now; nothing to warn of. */
const NO_VALUE = new Set([
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
  "ENOENT",
]);

/** Directory below the root, links followed: the text after `root`, or why there is none. */
type Resolved = { readonly path: string } | { readonly missing: "absent" | "outside" | "loop" };

/**
 * The files below a folder, as a FileTree. Links are followed by hand as if the folder were the root of the file
 * system (an absolute link starts at it), and never lead out of it.
 */
export class FolderTree implements FileTree {
  readonly live: boolean;
  readonly label: string;
  readonly warnings: Warning[] = [];
  /** Without a trailing slash: "" for the root of the machine. */
  readonly #root: string;
  readonly #directories = new Map<string, Resolved>([["", { path: "" }]]);
  readonly #warned = new Set<string>();

  constructor(root: string, options: { readonly live?: boolean; readonly label?: string } = {}) {
    this.#root = root.replace(/\/+$/, "");
    this.live = options.live ?? false;
    this.label = options.label ?? root;
  }

  readText(path: string): string | undefined {
    const found = this.#file(path);
    if (found === undefined) return undefined;
    try {
      if (found.stats.size <= TEXT_BYTES_MAX) return readFileSync(this.#root + found.path, "utf8");
      this.#warn(path, `is ${found.stats.size} bytes long: only the first ${TEXT_BYTES_MAX} are read`);
      return new TextDecoder().decode(this.#readFirst(found.path, TEXT_BYTES_MAX));
    } catch (error) {
      return this.#unreadable(path, error);
    }
  }

  readBytes(path: string, bytesMax: number = TEXT_BYTES_MAX): Uint8Array | undefined {
    const found = this.#file(path);
    if (found === undefined) return undefined;
    try {
      if (found.stats.size > bytesMax)
        this.#warn(path, `is ${found.stats.size} bytes long: only the first ${bytesMax} are read`);
      return this.#readFirst(found.path, bytesMax);
    } catch (error) {
      return this.#unreadable(path, error);
    }
  }

  list(path: string): readonly string[] {
    const directory = this.#resolve(path);
    if (!("path" in directory)) {
      this.#warnMissing(path, directory.missing);
      return [];
    }
    const absolute = this.#root + directory.path;
    try {
      if (lstatSync(absolute, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
      let names = readdirSync(absolute === "" ? "/" : absolute);
      if (names.length > LIST_NAMES_MAX) {
        this.#warn(path, `holds ${names.length} names: only the first ${LIST_NAMES_MAX} are looked at`);
        names = names.slice(0, LIST_NAMES_MAX);
      }
      return names.sort(naturalOrder);
    } catch (error) {
      this.#unreadable(path, error);
      return [];
    }
  }

  exists(path: string): boolean {
    const resolved = this.#resolve(path);
    return "path" in resolved;
  }

  realPath(path: string): string | undefined {
    const resolved = this.#resolve(path);
    if (!("path" in resolved)) {
      this.#warnMissing(path, resolved.missing);
      return undefined;
    }
    return resolved.path.slice(1);
  }

  /** A regular file, links followed. */
  #file(path: string): { readonly path: string; readonly stats: Stats } | undefined {
    const cut = path.lastIndexOf("/");
    const directory = this.#resolve(cut < 0 ? "" : path.slice(0, cut));
    if (!("path" in directory)) {
      this.#warnMissing(path, directory.missing);
      return undefined;
    }
    let inside = `${directory.path}/${path.slice(cut + 1)}`;
    let stats = this.#lstat(inside);
    if (stats?.isSymbolicLink() === true) {
      const resolved = this.#resolve(path);
      if (!("path" in resolved)) {
        this.#warnMissing(path, resolved.missing);
        return undefined;
      }
      inside = resolved.path;
      stats = this.#lstat(inside);
    }
    if (stats === undefined || !stats.isFile()) return undefined;
    return { path: inside, stats };
  }

  /** Follows the links of a path, caching each directory on the way. */
  #resolve(path: string, followed = 0): Resolved {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const resolved = this.#resolveAnew(path, followed);
    this.#directories.set(path, resolved);
    return resolved;
  }

  #resolveAnew(path: string, followed: number): Resolved {
    if (followed > LINKS_FOLLOWED_MAX) return { missing: "loop" };
    const cut = path.lastIndexOf("/");
    const parent = this.#resolve(cut < 0 ? "" : path.slice(0, cut), followed);
    if (!("path" in parent)) return parent;
    const name = path.slice(cut + 1);
    if (name === "" || name === ".") return parent;
    if (name === "..")
      return parent.path === ""
        ? { missing: "outside" }
        : { path: parent.path.slice(0, parent.path.lastIndexOf("/")) };
    const inside = `${parent.path}/${name}`;
    const stats = this.#lstat(inside);
    if (stats === undefined) return { missing: "absent" };
    if (!stats.isSymbolicLink()) return { path: inside };
    let link: string;
    try {
      link = readlinkSync(this.#root + inside);
    } catch {
      return { missing: "absent" };
    }
    const next = link.startsWith("/") ? link.replace(/^\/+/, "") : joinInside(parent.path.slice(1), link);
    if (next === undefined) return { missing: "outside" };
    if (this.#following.has(inside)) return { missing: "loop" };
    this.#following.add(inside);
    try {
      return this.#resolve(next, followed + 1);
    } finally {
      this.#following.delete(inside);
    }
  }

  readonly #following = new Set<string>();

  #lstat(inside: string): Stats | undefined {
    try {
      return lstatSync(this.#root + inside, { throwIfNoEntry: false });
    } catch {
      return undefined;
    }
  }

  #readFirst(inside: string, bytesMax: number): Uint8Array {
    const descriptor = openSync(this.#root + inside, "r");
    try {
      const parts: Uint8Array[] = [];
      let total = 0;
      while (total < bytesMax) {
        const part = new Uint8Array(Math.min(65_536, bytesMax - total));
        const count = readSync(descriptor, part);
        if (count === 0) break;
        parts.push(part.subarray(0, count));
        total += count;
      }
      return Buffer.concat(parts);
    } finally {
      closeSync(descriptor);
    }
  }

  #unreadable(path: string, error: unknown): undefined {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!NO_VALUE.has(code)) this.#warn(path, `cannot be read (${code || String(error)})`);
    return undefined;
  }

  #warnMissing(path: string, missing: "absent" | "outside" | "loop"): void {
    if (missing === "outside") this.#warn(path, "is a link that leads outside of the capture: not followed");
    if (missing === "loop") this.#warn(path, "is a link that leads back to itself: not followed");
  }

  #warn(path: string, message: string): void {
    if (this.#warned.has(path)) return;
    this.#warned.add(path);
    this.warnings.push({ path, message });
  }
}

/** `base` followed by the relative `link`, `..` applied by name where that is safe; undefined when it leads above the root. */
function joinInside(base: string, link: string): string | undefined {
  const parts = base === "" ? [] : base.split("/");
  for (const part of link.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (parts.length === 0) return undefined;
      parts.pop();
    } else parts.push(part);
  }
  return parts.join("/");
}
