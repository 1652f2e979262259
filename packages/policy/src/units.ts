/** A page's number in a space: its address divided by 4096. */
export type PageIndex = number;
/** How many 4 KiB pages. */
export type PageCount = number;
/** Bytes of memory. */
export type ByteCount = number;

/** Bytes of a page. */
export const PAGE_BYTES = 4096;
/** Page numbers of a space are below this: 48 bits of address. */
export const PAGE_LIMIT: PageCount = 2 ** 36;
