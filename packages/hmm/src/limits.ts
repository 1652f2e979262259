import type { Nanoseconds, PageCount } from "./units.ts";

// Every bound of the core, by name. None of them is configurable: a number that someone depends on is here.

/** How long `Mirror.populate` tries without getting anywhere before it answers EBUSY, by the host's clock. */
export const RETRY_TIME_LIMIT: Nanoseconds = 1_000_000_000;
/** How many times in a row `Mirror.populate` tries without getting anywhere before it answers EBUSY. */
export const RETRY_LIMIT = 1000;
/** How many times `Mirror.populate` tries for each page of its range, progress or not (memory smaller than the range). */
export const RETRY_LIMIT_PER_PAGE = 16;
/** How many faults in a row one page may need before the range fault answers EBUSY. */
export const FAULTS_PER_PAGE_LIMIT = 16;
/** Pages of one range fault or migration at most: what a driver's scratch arrays hold. */
export const BATCH_PAGES_MAX: PageCount = 1 << 18;
/** Memories (the host's, swap and devices') that one core can tell apart. */
export const PLACES_MAX = 250;
/** Pages of all device memories together (8 TiB). */
export const DEVICE_PAGES_MAX: PageCount = 2 ** 31;
/** Device memory is numbered in windows of this many frames. */
export const DEVICE_WINDOW_PAGES: PageCount = 1 << 13;
/** The last overrides that are kept. */
export const OVERRIDES_KEPT = 1024;
/** The last ranges of lost pages that are kept (each page says itself that it is lost, for as long as it is mapped). */
export const LOSSES_KEPT = 4096;
/** The last failures of drivers (callbacks that threw or answered nonsense) that are kept. */
export const DRIVER_FAULTS_KEPT = 256;
/** Empty chunks of page tables that are kept for reuse. */
export const SPARE_CHUNKS = 64;
/** Spaces that are open at the same time. */
export const SPACES_MAX: number = 1 << 24;
/** Pins of one page. */
export const PINS_MAX = 0xffff;
/** Devices that can hold a read-only duplicate of one page. */
export const DUPLICATES_PER_PAGE = 16;
