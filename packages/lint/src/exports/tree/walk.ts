import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** More files than any kernel has: what is larger is not walked to its end. */
export const FILES_MAX = 1_000_000;
/** Files larger than this are generated tables; they are left out, with a warning. */
export const FILE_BYTES_MAX: number = 64 << 20;

export interface Listed {
  readonly path: string;
  readonly size: number;
  /** Changes when the file does: inode and time for a folder, the blob's id for git. */
  readonly stamp: string;
}

export interface Listing {
  readonly files: readonly Listed[];
  readonly warnings: readonly string[];
}

/** All files below a folder, in the order of their paths. Links are not followed: they lead to what is there already, or out. */
export function walk(root: string, wanted: (path: string) => boolean): Listing {
  const files: Listed[] = [];
  const warnings: string[] = [];
  let links = 0;
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: Dirent[];
    try {
      entries = readdirSync(join(root, folder), { withFileTypes: true });
    } catch (error) {
      warnings.push(`${folder === "" ? "." : folder}: cannot be listed (${codeOf(error)}); left out`);
      continue;
    }
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (entry.name !== ".git" && wanted(`${path}/`)) folders.push(path);
      } else if (entry.isSymbolicLink()) links++;
      else if (entry.isFile() && wanted(path)) {
        const stats = lstatSync(join(root, path), { throwIfNoEntry: false });
        if (stats === undefined) continue;
        if (stats.size > FILE_BYTES_MAX) {
          warnings.push(`${path}: ${stats.size} bytes are more than ${FILE_BYTES_MAX}; left out`);
          continue;
        }
        files.push({ path, size: stats.size, stamp: `${stats.ino}-${stats.mtimeMs}` });
        if (files.length >= FILES_MAX) {
          warnings.push(`more than ${FILES_MAX} files; the rest is left out`);
          folders.length = 0;
          break;
        }
      }
    }
  }
  if (links > 0) warnings.push(`${links} links are not followed`);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files, warnings };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
