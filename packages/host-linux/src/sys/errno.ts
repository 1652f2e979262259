import { type ErrnoName, HmsError } from "@hms/topology";
import * as abi from "./abi.generated.ts";

const NAMES: ReadonlyMap<number, ErrnoName> = new Map<number, ErrnoName>([
  [abi.EPERM, "EPERM"],
  [abi.ENOENT, "ENOENT"],
  [abi.ESRCH, "ESRCH"],
  [abi.EIO, "EIO"],
  [abi.ENXIO, "ENXIO"],
  [abi.EAGAIN, "EAGAIN"],
  [abi.ENOMEM, "ENOMEM"],
  [abi.EACCES, "EACCES"],
  [abi.EFAULT, "EFAULT"],
  [abi.EBUSY, "EBUSY"],
  [abi.EEXIST, "EEXIST"],
  [abi.ENODEV, "ENODEV"],
  [abi.ENOTDIR, "ENOTDIR"],
  [abi.EINVAL, "EINVAL"],
  [abi.EFBIG, "EFBIG"],
  [abi.ENOSPC, "ENOSPC"],
  [abi.ERANGE, "ERANGE"],
  [abi.ENOSYS, "ENOSYS"],
  [abi.EOPNOTSUPP, "EOPNOTSUPP"],
  [abi.EOVERFLOW, "EOVERFLOW"],
  [abi.ETIMEDOUT, "ETIMEDOUT"],
]);

/** Names that an HmsError has no word for, but a sentence has. */
const MORE: ReadonlyMap<number, string> = new Map([
  [abi.EINTR, "EINTR"],
  [abi.ENOEXEC, "ENOEXEC"],
  [abi.EBADF, "EBADF"],
  [abi.EISDIR, "EISDIR"],
  [abi.ENFILE, "ENFILE"],
  [abi.EMFILE, "EMFILE"],
  [abi.ENOTTY, "ENOTTY"],
  [abi.EROFS, "EROFS"],
  [abi.EDQUOT, "EDQUOT"],
  [abi.EHWPOISON, "EHWPOISON"],
]);

/** What to do where the process, or the machine, has no descriptor left. */
const MORE_DESCRIPTORS = "close descriptors, or raise the limit (ulimit -n)";

/** The kernel's name of an errno of either sign, or null when an HmsError has no such name. */
export function errnoName(errno: number): ErrnoName | null {
  return NAMES.get(Math.abs(errno)) ?? null;
}

/** How a sentence calls an errno of either sign: its name, or its number. */
export function errnoText(errno: number): string {
  const positive = Math.abs(errno);
  return NAMES.get(positive) ?? MORE.get(positive) ?? `errno ${positive}`;
}

/**
 * Passes what a call returned, or throws what failed and what to do, when it is a negative errno. Whatever was to be
 * opened: where no descriptor is left it is NO_DESCRIPTOR.
 */
export function orThrow(result: number, code: string, what: string, remedy: string): number {
  if (result >= 0) return result;
  const noneLeft = result === -abi.EMFILE || result === -abi.ENFILE;
  const [name, advice] = noneLeft ? ["NO_DESCRIPTOR", MORE_DESCRIPTORS] : [code, remedy];
  throw new HmsError(name, errnoName(result), `${what}: ${errnoText(result)}; ${advice}.`);
}
