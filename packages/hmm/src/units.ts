/** A page's number in a space: its address divided by 4096; below `PAGE_LIMIT`. */
export type PageIndex = number;
/** How many 4 KiB pages. */
export type PageCount = number;
/**
 * A page of memory, machine-wide, as the kernel's page frame numbers are: host memory counts from 0, device memory
 * from `FIRST_DEVICE_FRAME`; `NO_FRAME` is none.
 */
export type FrameNumber = number;
/** Bytes. */
export type ByteCount = number;
/** Nanoseconds of the host's clock. */
export type Nanoseconds = number;
/** A byte's address in a space. Bigint at the edge only; page numbers inside. */
export type Address = bigint;

/** Bytes of a page. */
export const PAGE_BYTES = 4096;
/** Pages of a 2 MiB huge page, and of a chunk of a page table. */
export const HUGE_PAGES = 512;
/** Map order of a 2 MiB huge page: 2^9 pages. */
export const HUGE_ORDER = 9;
/** Map order of a 1 GiB huge page: 2^18 pages. */
export const GIANT_ORDER = 18;
/** Page numbers of a space are below this: 48 bits of address. */
export const PAGE_LIMIT: PageCount = 2 ** 36;

/** The host frame that holds zeros, for reading only; huge zero pages use it too. */
export const ZERO_FRAME: FrameNumber = 0;
/** The first number of device memory. */
export const FIRST_DEVICE_FRAME: FrameNumber = 0x8000_0000;
/** No frame. */
export const NO_FRAME: FrameNumber = 0xffff_ffff;

/** Whether a frame is device memory. */
export function isDeviceFrame(frame: FrameNumber): boolean {
  return frame >= FIRST_DEVICE_FRAME;
}

/** Whether a range of pages is one: whole numbers, at least one page, all below `PAGE_LIMIT`. */
export function isRange(first: PageIndex, count: PageCount): boolean {
  return (
    Number.isSafeInteger(first) &&
    Number.isSafeInteger(count) &&
    first >= 0 &&
    count > 0 &&
    first + count <= PAGE_LIMIT
  );
}
