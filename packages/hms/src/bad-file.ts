import { type ErrnoName, HmsError } from "@hms/topology";

const PAGE = 4096;

/** What the system says of files that cannot become regions, in words. */
const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "something in its path is no folder",
  EACCES: "this process may not open it",
  EPERM: "this process may not change it",
  EFBIG: "it would become larger than its file system, or a limit of the process (ulimit -f), allows",
  ENOSPC: "its disk is full",
  EROFS: "its file system can only be read",
};

/** Of those, the names that errors have. */
const NAMED: readonly ErrnoName[] = ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EFBIG", "ENOSPC", "EINVAL"];

/** BAD_FILE for what the system answered. */
export function badFile(path: string, error: unknown): HmsError {
  const { code = "EIO" } = error as NodeJS.ErrnoException;
  const errno = NAMED.find((name) => name === code) ?? "EIO";
  const why = WHY[code];
  return new HmsError(
    "BAD_FILE",
    errno,
    `Making a region of ${path} failed: ${why === undefined ? code : `${why} (${code})`}.`,
    { cause: error },
  );
}

/** Throws BAD_FILE_OFFSET (EINVAL): pages of a file begin at multiples of a page. */
export function expectFileOffset(path: string, offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset % PAGE === 0) return;
  throw new HmsError(
    "BAD_FILE_OFFSET",
    "EINVAL",
    `Making a region of ${path} failed: its offset must be a multiple of ${PAGE} bytes from 0 on, not ${offset}.`,
  );
}
