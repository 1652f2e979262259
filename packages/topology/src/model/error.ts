/** Names of the kernel's errors that failures are reported with, where one fits. */
export type ErrnoName =
  | "EACCES"
  | "EAGAIN"
  | "EBUSY"
  | "ECANCELED"
  | "EEXIST"
  | "EFAULT"
  | "EINVAL"
  | "EIO"
  | "ENODEV"
  | "ENOENT"
  | "ENOMEM"
  | "ENOSPC"
  | "ENOSYS"
  | "ENOTDIR"
  | "EOPNOTSUPP"
  | "EOVERFLOW"
  | "EPERM"
  | "EPROTONOSUPPORT"
  | "ESRCH"
  | "ETIMEDOUT"
  | "EFBIG"
  | "ENXIO"
  | "ERANGE";

const BRAND = Symbol.for("hms.error");

/**
 * An operating error: something in the input or the machine, not in the program. Programs match on `code`
 * (stable), people read `message`: one sentence with what was wrong, the required and the actual value, and what to do.
 *
 * @example
 * ```ts
 * import { discover, HmsError } from "@hms/topology";
 * try {
 *   await discover("/no/such/capture");
 * } catch (error) {
 *   if (HmsError.is(error)) console.log(error.code, error.errno); // INPUT_NOT_FOUND ENOENT
 * }
 * ```
 */
export class HmsError extends Error {
  /** Stable, upper case: `INPUT_NOT_FOUND`. */
  readonly code: string;
  /** The kernel's name of the failure, or null when none fits. */
  readonly errno: ErrnoName | null;

  constructor(code: string, errno: ErrnoName | null, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HmsError";
    this.code = code;
    this.errno = errno;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Whether a value is an HmsError, also one from another copy of this library. */
  static is(value: unknown): value is HmsError {
    return typeof value === "object" && value !== null && BRAND in value;
  }
}
