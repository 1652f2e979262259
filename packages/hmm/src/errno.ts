import type { ErrnoName } from "@hms/topology";

/**
 * The outcome of an operation that a kernel would answer with an errno: 0, or the number Linux gives the error.
 * Numbers, because outcomes like EBUSY are everyday answers on hot paths. Mistakes (a closed space, a page number
 * that is no integer) are HmsErrors instead.
 */
export type Errno = number;

export const OK: Errno = 0;
export const EPERM: Errno = 1;
export const ENOENT: Errno = 2;
export const ESRCH: Errno = 3;
export const EIO: Errno = 5;
export const EAGAIN: Errno = 11;
export const ENOMEM: Errno = 12;
export const EFAULT: Errno = 14;
export const EBUSY: Errno = 16;
export const EEXIST: Errno = 17;
export const ENODEV: Errno = 19;
export const EINVAL: Errno = 22;
export const ENOSPC: Errno = 28;
export const EOVERFLOW: Errno = 75;
export const EOPNOTSUPP: Errno = 95;

const NAMES: ReadonlyMap<Errno, ErrnoName> = new Map<Errno, ErrnoName>([
  [EPERM, "EPERM"],
  [ENOENT, "ENOENT"],
  [ESRCH, "ESRCH"],
  [EIO, "EIO"],
  [EAGAIN, "EAGAIN"],
  [ENOMEM, "ENOMEM"],
  [EFAULT, "EFAULT"],
  [EBUSY, "EBUSY"],
  [EEXIST, "EEXIST"],
  [ENODEV, "ENODEV"],
  [EINVAL, "EINVAL"],
  [ENOSPC, "ENOSPC"],
  [EOVERFLOW, "EOVERFLOW"],
  [EOPNOTSUPP, "EOPNOTSUPP"],
]);

/** The kernel's name of an errno number: `EBUSY` for 16; null for 0 and numbers that hms does not use. */
export function errnoName(errno: Errno): ErrnoName | null {
  return NAMES.get(errno) ?? null;
}

/** The number of an errno name: 16 for `EBUSY`; EIO for names that have no number here. */
export function errnoOf(name: ErrnoName | null): Errno {
  for (const [errno, known] of NAMES) if (known === name) return errno;
  return EIO;
}
