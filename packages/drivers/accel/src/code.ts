import {
  errnoName as coreErrnoName,
  EAGAIN,
  EBUSY,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  ENOENT,
  ENOMEM,
  EOVERFLOW,
  EPERM,
  type Errno,
} from "@hms/hmm";
import type { ErrnoName } from "@hms/topology";

// Numbers Linux gives to the errors that the core has no use for.
export const ENXIO: Errno = 6;
export const ENOSYS: Errno = 38;
export const ETIMEDOUT: Errno = 110;
export const ECANCELED: Errno = 125;

const NAMES: ReadonlyMap<Errno, ErrnoName> = new Map<Errno, ErrnoName>([
  [ENXIO, "ENXIO"],
  [ENOSYS, "ENOSYS"],
  [ETIMEDOUT, "ETIMEDOUT"],
  [ECANCELED, "ECANCELED"],
]);

/** The kernel's name of a completion code; null for 0. */
export function codeName(code: Errno): ErrnoName | null {
  return NAMES.get(code) ?? coreErrnoName(code);
}

/** Why a request ended as it did: beside the errno, for those who want to know which of several reasons it was. */
export const WHY = {
  /** It is done. */
  done: 0,
  /** The submission made no sense: EINVAL, EOVERFLOW, EFAULT, EPERM; the detail says what was wrong. */
  badRequest: 1,
  /** The device has no such kernel: ENOENT. */
  noKernel: 2,
  /** The kernel threw or trapped: EIO; it returned a promise or a generator: EINVAL; the detail is its message. */
  kernelFailed: 3,
  /** It touched memory that it could not have: EFAULT. */
  memoryFault: 4,
  /** It was cancelled before it began, or while it ran: ECANCELED. */
  canceled: 5,
  /** Its queue was stopped (put): ECANCELED. */
  stopped: 6,
  /** Its queue was reset or closed: EIO if it was running, ECANCELED if it had not begun. */
  reset: 7,
  /** The device's thread ended while it ran: EIO. */
  deviceDied: 8,
  /** The queue is dead: ENXIO. */
  dead: 9,
} as const;
export type Why = (typeof WHY)[keyof typeof WHY];

/** Errors by which a submission is refused. */
export { EAGAIN, EBUSY, EFAULT, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, EOVERFLOW, EPERM };
