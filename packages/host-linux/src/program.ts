import type { PageCount, PageIndex } from "@hms/hmm";
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_NONE,
} from "./sys/abi.generated.ts";
import * as libc from "./sys/libc.ts";
import { closeFd, madvise, memfdCreate, mmap, mremap, munmap } from "./sys/memory.ts";
import { type Address, HUGE_BYTES, PAGE_BYTES } from "./sys/units.ts";

// What a program does with its own memory, by the system's own calls: the kernel thread hears of it from the kernel.
// To be called in the program's threads only. All answer 0 (or what they say) or a negative errno.

const NOBODYS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

/** munmap(2). */
export function programUnmap(first: PageIndex, count: PageCount): number {
  return munmap(first * PAGE_BYTES, count * PAGE_BYTES);
}

/** madvise(2) with MADV_DONTNEED. */
export function programDiscard(first: PageIndex, count: PageCount): number {
  return madvise(first * PAGE_BYTES, count * PAGE_BYTES, MADV_DONTNEED);
}

/** Keeps a hole a hole: nobody can touch it, and nothing else is mapped there. Undone by `programUnmap`. */
export function programFence(first: PageIndex, count: PageCount): number {
  const at = mmap(first * PAGE_BYTES, count * PAGE_BYTES, PROT_NONE, NOBODYS | MAP_FIXED_NOREPLACE, -1, 0);
  return Math.min(0, at);
}

/** mremap(2) to another place, as far from a multiple of 2 MiB as before: answers the new first page. */
export function programMove(first: PageIndex, count: PageCount): number {
  const bytes = count * PAGE_BYTES;
  const phase = (first * PAGE_BYTES) % HUGE_BYTES;
  const room = mmap(0, bytes + 2 * HUGE_BYTES, PROT_NONE, NOBODYS, -1, 0);
  if (room < 0) return room;
  const to = Math.ceil(room / HUGE_BYTES) * HUGE_BYTES + phase;
  const moved = mremap(first * PAGE_BYTES, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to);
  if (to > room) munmap(room, to - room);
  munmap(to + bytes, room + bytes + 2 * HUGE_BYTES - to - bytes);
  if (moved >= 0) return moved / PAGE_BYTES;
  munmap(to, bytes);
  return moved;
}

/**
 * Reaches memory through system calls, which answer EFAULT where a touch would end the program, and fault like one
 * where it would not. (Without the right to handle the kernel's own faults they answer EFAULT more often.)
 */
export class CarefulAccess implements Disposable {
  readonly #fd: number;
  #open = true;

  /** Throws `NO_DESCRIPTOR`, `OUT_OF_MEMORY`. */
  constructor() {
    this.#fd = memfdCreate("hms careful access", PAGE_BYTES);
  }

  /** Copies up to a page from one address to another: 0, or a negative errno of whichever cannot be reached. */
  copy(to: Address, from: Address, bytes: number): number {
    if (libc.pwrite(this.#fd, from, bytes, 0) < 0) return libc.failed();
    return libc.pread(this.#fd, to, bytes, 0) < 0 ? libc.failed() : 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeFd(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
