// An entry of a page table is a frame number (32 bits) and these flags (16 bits).

/** The bits of an entry's flags that say what kind of entry it is. */
export const KIND = 0x000f;

/** Nothing. */
export const EMPTY = 0;
/** A page of the host's memory, which the CPU can reach. */
export const HOST = 1;
/** Swapped out; the frame is the host's swap slot. */
export const SWAP = 2;
/** A page of private device memory: the CPU cannot reach it. */
export const PRIVATE = 3;
/** A page of coherent device memory, which the CPU can reach. */
export const COHERENT = 4;
/** On its way: a migration has it; the frame is where it comes from. */
export const MOVING = 5;
/** A page of the host's memory that one device has for itself. */
export const EXCLUSIVE = 6;
/** Lost with the device that held it; the frame is the place of that memory. */
export const LOST = 7;

/** May be written (by the CPU where it can reach it, else by the device). */
export const WRITE = 0x0010;
/** Was written through this entry. */
export const DIRTY = 0x0020;
/** Was used through this entry since it was last looked at. */
export const YOUNG = 0x0040;
/** The page of zeros, small or huge. */
export const ZERO = 0x0080;
/** Anonymous memory: not a page of a file or of shared memory. */
export const ANON = 0x0100;
/** One or more devices hold a read-only duplicate. */
export const DUPLICATED = 0x0200;
/** A page of a DAX file: it is the storage itself. */
export const DAX = 0x0400;
/** The region allows no access at all: a CPU cannot use the entry although the page is there. */
export const NO_ACCESS = 0x0800;

/** Whether the CPU reaches the page without a fault, for reading. */
export function isPresent(flags: number): boolean {
  const kind = flags & KIND;
  return (kind === HOST || kind === COHERENT) && (flags & NO_ACCESS) === 0;
}
