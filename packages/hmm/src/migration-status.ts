// Numbers that a migration's columns hold.

/** Take pages from the host's memory, and make fresh ones where nothing is populated. */
export const SELECT_SYSTEM = 1;
/** Take pages from the owner's private memories. */
export const SELECT_PRIVATE = 2;
/** Take pages from the owner's coherent memories. */
export const SELECT_COHERENT = 4;
/** Take pages from other devices' memories, where both drivers agree to a direct copy. */
export const SELECT_PEERS = 8;

// Status of a page in a migration.
/** It moves. */
export const MIGRATES = 0x01;
/** It may be written where it is going. */
export const IS_WRITABLE = 0x02;
/** The first of 512 that are one 2 MiB page. */
export const IS_HUGE = 0x04;
/** Its bytes are at the destination. */
export const IS_COPIED = 0x08;
export const HAS_MOVED = 0x10;
/** There was nothing (or zeros): the destination is a page of zeros. */
export const IS_FRESH = 0x20;
/** The core has the source page locked and all its entries say `MOVING`. */
export const IS_SEIZED = 0x40;
/** The first of 512 that were one 2 MiB page until the set up split it, because its destination cannot hold it whole. */
export const WAS_HUGE = 0x80;
