import type { Address, Errno, PageCount } from "@hms/hmm";

/** The nine commands of the kernel's HMM test driver, by name; their numbers are their places here. */
export const COMMANDS = [
  "read",
  "write",
  "migrate-to-device",
  "migrate-to-system",
  "snapshot",
  "exclusive",
  "check-exclusive",
  "release",
  "fail-next-allocation",
] as const;
export type CommandName = (typeof COMMANDS)[number];

/** What a command takes: the driver's struct. */
export interface CommandRequest {
  readonly command: CommandName;
  /** Byte address; a multiple of 4096, else EINVAL. Not looked at by `release` and `fail-next-allocation`. */
  readonly address?: Address;
  /** Pages, at least 1, else EINVAL. */
  readonly pages?: PageCount;
  /**
   * The program's buffer: `read`, `migrate-to-device` and `exclusive` fill it with 4096 bytes a page; `write` takes
   * them from it; `snapshot` writes one code a page. Unchanged when the command fails. EFAULT when it is too small.
   */
  readonly buffer?: Uint8Array;
}

/** What a command answers. */
export interface CommandResult {
  /** 0, or the number of the error. */
  readonly errno: Errno;
  /** cpages: 0 on an error. */
  readonly pages: PageCount;
  /** Rounds of miss and fault: 0 on an error. */
  readonly faults: number;
}

/** What a snapshot says about a page. */
export const SNAPSHOT_CODE = {
  none: 0x00,
  read: 0x01,
  write: 0x02,
  pmd: 0x04,
  pud: 0x08,
  zero: 0x10,
  devicePrivateLocal: 0x20,
  devicePrivateRemote: 0x30,
  deviceCoherentLocal: 0x40,
  deviceCoherentRemote: 0x50,
  error: 0xff,
} as const;
