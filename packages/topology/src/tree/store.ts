/** What lies at a path, a link itself not followed. `other`: a pipe, socket or device file. */
export type EntryKind = "file" | "directory" | "link" | "other";

/**
 * Files as they lie somewhere (on disk, in an archive): what LinkedTree makes a FileTree of. Paths are relative
 * to the root and free of links; "" is the root. Failures are errors with a `code` such as EACCES, as those of node:fs.
 */
export interface FileStore {
  /** Names in a directory and what each is; undefined when the path is absent or no directory. */
  entries(path: string): ReadonlyMap<string, EntryKind> | undefined;
  /** Text of a link. */
  linkText(path: string): string;
  /** Bytes of a file from its start, at most bytesMax. The view is valid until the next call. */
  read(path: string, bytesMax: number): Uint8Array;
  /** For stores in which looking at one entry costs less than listing its directory. */
  readonly single?: {
    /** What lies at a path, a link itself not followed. */
    kindOf(path: string): EntryKind | undefined;
    /** As `read`, without knowing what is there: `absent`, or `look` when it may be no file. */
    tryRead(path: string, bytesMax: number): Uint8Array | "absent" | "look";
  };
}

/** An error as node:fs throws it, for stores that are not on disk. */
export function errnoError(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
