import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Failure } from "./command.ts";

/**
 * Writes a file as a whole or not at all: beside its place first, then moved there. What is no regular file (a
 * pipe, /dev/null) is written to directly.
 *
 * Throws Failure.
 */
export function writeWhole(path: string, content: string | Uint8Array): void {
  try {
    const place = targetOf(path);
    if (place.direct) {
      writeFileSync(path, content);
      return;
    }
    const beside = join(
      dirname(place.path),
      `.${basename(place.path)}.${randomBytes(6).toString("hex")}.tmp`,
    );
    try {
      const descriptor = openSync(
        beside,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
        place.mode,
      );
      try {
        writeFileSync(descriptor, content);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(beside, place.path);
    } catch (error) {
      rmSync(beside, { force: true });
      throw error;
    }
  } catch (error) {
    throw failed(path, error);
  }
}

/**
 * Whether a file could be written there: asked before what takes long, whose result would else be lost.
 *
 * Throws Failure.
 */
export function expectWritable(path: string): void {
  try {
    const place = targetOf(path);
    if (place.direct) accessSync(place.path, constants.W_OK);
    else expectFolder(dirname(place.path));
  } catch (error) {
    throw failed(path, error);
  }
}

function expectFolder(folder: string): void {
  if (!statSync(folder).isDirectory()) throw Object.assign(new Error("is no directory"), { code: "ENOTDIR" });
  accessSync(folder, constants.W_OK | constants.X_OK);
}

interface Place {
  readonly path: string;
  readonly direct: boolean;
  readonly mode: number;
}

/** Where the content goes: the file that a link leads to keeps its link, and a file that is there its permissions. */
function targetOf(path: string): Place {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return { path, direct: false, mode: 0o666 };
  if (stats.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
  return { path: realpathSync(path), direct: !stats.isFile(), mode: stats.mode & 0o777 };
}

function failed(path: string, error: unknown): Failure {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const why: Readonly<Record<string, string>> = {
    ENOENT: existsSync(dirname(path))
      ? `no file can be made in ${dirname(path)} (ENOENT); give another place`
      : `there is no folder ${dirname(path)}; make it first`,
    ENOTDIR: `${dirname(path)} is no folder; give another place`,
    EISDIR: "it is a folder; give the name of a file",
    EACCES: "permission denied (EACCES); give a place that may be written to",
    EPERM: "permission denied (EPERM); give a place that may be written to",
    EROFS: "it lies on a file system that is read-only (EROFS); give another place",
    ENOSPC: "no space is left (ENOSPC); make room or give another place",
  };
  return new Failure(`Write ${path}: ${why[code] ?? `it failed with ${code}`}.`);
}
