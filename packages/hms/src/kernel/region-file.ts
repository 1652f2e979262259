import {
  closeSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import { HmsError } from "@hms/topology";
import { badFile, expectFileOffset } from "../bad-file.ts";

/** How much of a file a region shows, and the file itself if it was made for the region. */
export interface RegionFile {
  readonly bytes: number;
  /** Takes the file away again: the region cannot be made. Nothing, when it was there before. */
  readonly undo: () => void;
}

/**
 * How much of a file there is. One that is to be written grows to the size that is asked for, and is made if it is not
 * there. Throws BAD_FILE_OFFSET, NOT_A_FILE, EMPTY_FILE (EINVAL), BAD_FILE (ENOENT, EFBIG, …): then no file was made.
 */
export function regionFile(
  path: string,
  offset: number,
  asked: number | undefined,
  writable: boolean,
): RegionFile {
  expectFileOffset(path, offset);
  try {
    const there = statSync(path, { throwIfNoEntry: asked === undefined || !writable });
    // Opening a pipe would wait for whoever is at its other end.
    if (there !== undefined && !there.isFile()) throw notAFile(path);
    if (asked !== undefined && writable) return grown(path, offset + asked, asked);
    const bytes = asked ?? (there?.size ?? 0) - offset;
    if (bytes > 0) return { bytes, undo: () => undefined };
    throw new HmsError(
      "EMPTY_FILE",
      "EINVAL",
      `Making a region of ${path} failed: the file has ${there?.size ?? 0} bytes, none from offset ${offset} on. Say how long the region is to be.`,
    );
  } catch (error) {
    throw HmsError.is(error) ? error : badFile(path, error);
  }
}

/** A file of at least so many bytes. */
function grown(path: string, size: number, bytes: number): RegionFile {
  const [fd, made] = opened(path);
  const now = fstatSync(fd);
  const undo = (): void => {
    if (made) removeIfSame(path, now);
  };
  try {
    if (now.size < size) ftruncateSync(fd, size);
    return { bytes, undo };
  } catch (error) {
    undo();
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** The descriptor, and whether the file was made. */
function opened(path: string): [fd: number, made: boolean] {
  try {
    return [openSync(path, "ax"), true];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return [openSync(path, "a"), false];
  }
}

/** Only what was made: somebody may have put another file in its place. */
function removeIfSame(path: string, { dev, ino }: Stats): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there?.ino === ino && there.dev === dev) unlinkSync(path);
}

function notAFile(path: string): HmsError {
  return new HmsError(
    "NOT_A_FILE",
    "EINVAL",
    `Making a region of ${path} failed: it is no regular file; give the path of one.`,
  );
}
