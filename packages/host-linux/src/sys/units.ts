/** An address of this process: below 2^47, so that a number holds it exactly. */
export type Address = number;

/** A count of bytes. */
export type ByteCount = number;

/** Bytes of a page: what this room is built for, and checked when it loads. */
export const PAGE_BYTES = 4096;

/** Bytes of a transparent huge page. */
export const HUGE_BYTES: number = 2 << 20;
