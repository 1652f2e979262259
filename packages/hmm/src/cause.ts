/**
 * Why a page was moved to where it is, as `explain` says it. Numbers, because one is kept for each page; their names
 * are in `CAUSE_NAMES`.
 */
export type Cause = number;

export const CAUSE = {
  /** Never moved. */
  none: 0,
  /** A CPU touched it. */
  cpuFault: 1,
  /** A device touched it. */
  deviceFault: 2,
  /** A policy for the range was recorded that wants it there. */
  bind: 3,
  /** Someone asked for this move. */
  migrate: 4,
  /** Its memory was needed for something else. */
  eviction: 5,
  /** The host or a driver placed it elsewhere than was asked. */
  override: 6,
  /** A device gave its memory back. */
  release: 7,
  /** The host reclaimed its memory: swapped out, or written back. */
  reclaim: 8,
  /** A pin needs it in the host's memory. */
  pin: 9,
  /** A device asked for exclusive access. */
  exclusive: 10,
  /** It was written while shared, and copied. */
  copyOnWrite: 11,
  /** The device that held it disappeared. */
  lost: 12,
  /** The host joined 4 KiB pages to a huge page. */
  collapse: 13,
  /** It was moved ahead of its use. */
  prefetch: 14,
  /** Touches in order would come to it next. */
  ahead: 15,
} as const;

export const CAUSE_NAMES: readonly string[] = [
  "none",
  "cpu-fault",
  "device-fault",
  "bind",
  "migrate",
  "eviction",
  "override",
  "release",
  "reclaim",
  "pin",
  "exclusive",
  "copy-on-write",
  "lost",
  "collapse",
  "prefetch",
  "ahead",
];

/** Why a page that a migration wanted stayed where it was. Kept a byte a page; names in `LOSS_NAMES`. */
export type LossReason = number;

export const LOSS = {
  /** It moved. */
  none: 0,
  /** Not selected: it is in a memory that the migration does not take from. */
  notSelected: 1,
  /** Not there: nothing mapped, and nothing to make afresh. */
  absent: 2,
  /** Swapped out. */
  swapped: 3,
  /** Locked by another migration or an exclusive holder. */
  locked: 4,
  /** Pinned. */
  pinned: 5,
  /** A page of a file. */
  file: 6,
  /** Part of a huge page that could not be split. */
  compound: 7,
  /** Its driver holds it. */
  held: 8,
  /** The driver left the destination empty. */
  driverLeft: 9,
  /** Someone else filled or changed the page meanwhile. */
  raced: 10,
  /** The space may hold no more pages. */
  limit: 11,
  /** Unmapped meanwhile. */
  unmapped: 12,
  /** A driver refused. */
  refused: 13,
  /** No memory left on the other side. */
  noMemory: 14,
  /** Lost with its device. */
  lost: 15,
  /** The drivers do not agree on a direct copy. */
  noPeer: 16,
  /** A mirror refused a non-blocking invalidation. */
  busyMirror: 17,
  /** The migration was given up as a whole. */
  aborted: 18,
  /** Its region is of a kind that does not migrate: hugetlb, DAX, inserted pages, device registers. */
  immovable: 19,
  /** It is there already. */
  already: 20,
} as const;

export const LOSS_NAMES: readonly string[] = [
  "none",
  "not selected",
  "absent",
  "swapped out",
  "locked",
  "pinned",
  "file page",
  "part of a huge page",
  "held by its driver",
  "left by the driver",
  "raced",
  "limit of the space",
  "unmapped meanwhile",
  "refused",
  "no memory",
  "lost",
  "no peer access",
  "mirror busy",
  "given up",
  "not of a kind that migrates",
  "there already",
];
