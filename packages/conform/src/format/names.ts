import type { ErrnoName } from "@hms/topology";

// A record, so that the compiler complains here when a name is added to ErrnoName and this list is forgotten.
const ERRNOS: Readonly<Record<ErrnoName, true>> = {
  EACCES: true,
  EAGAIN: true,
  EBUSY: true,
  ECANCELED: true,
  EEXIST: true,
  EFAULT: true,
  EINVAL: true,
  EIO: true,
  ENODEV: true,
  ENOENT: true,
  ENOMEM: true,
  ENOSPC: true,
  ENOSYS: true,
  ENOTDIR: true,
  EOPNOTSUPP: true,
  EOVERFLOW: true,
  EPERM: true,
  EPROTONOSUPPORT: true,
  ESRCH: true,
  ETIMEDOUT: true,
  EFBIG: true,
  ENXIO: true,
  ERANGE: true,
};

/** Every errno name that a case may expect. */
export const ERRNO_NAMES: readonly string[] = Object.keys(ERRNOS);

/** What a CPU access may end with instead of a value. */
export const CPU_SIGNALS: readonly string[] = ["SIGSEGV", "SIGBUS"];
