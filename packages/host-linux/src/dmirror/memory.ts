import type { PageCount, PageIndex } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import {
  __NR_madvise,
  __NR_mmap,
  __NR_mprotect,
  __NR_mremap,
  __NR_munmap,
  __NR_pread64,
  __NR_pwrite64,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from "../sys/abi.generated.ts";
import { errnoName, errnoText } from "../sys/errno.ts";
import { type Address, type ByteCount, HUGE_BYTES, PAGE_BYTES } from "../sys/units.ts";
import type { SystemCalls } from "./calls.ts";
import type { Room } from "./room.ts";

const PROTECTIONS: Readonly<Record<"none" | "r" | "rw", number>> = {
  none: PROT_NONE,
  r: PROT_READ,
  rw: PROT_READ | PROT_WRITE,
};
const ADVICE: Readonly<
  Record<"dontneed" | "free" | "hugepage" | "nohugepage" | "pageout" | "collapse", number>
> = {
  dontneed: MADV_DONTNEED,
  free: MADV_FREE,
  hugepage: MADV_HUGEPAGE,
  nohugepage: MADV_NOHUGEPAGE,
  pageout: MADV_PAGEOUT,
  collapse: MADV_COLLAPSE,
};

/** Where ranges are put: far from what the C library and the runtime map, so that a hole stays a hole. */
const PLACES: Address = 0x1000_0000_0000;

/** What is mapped. */
export interface PlainMapping {
  readonly pages: PageCount;
  readonly protection: keyof typeof PROTECTIONS;
  readonly shared: boolean;
  /** A descriptor of a file or device, or memory of the kernel's own choice. */
  readonly of: number | "anonymous" | "hugetlb";
  /** Advised to use huge pages. */
  readonly huge: boolean;
  /** The first page, over whatever is there; null: a place of its own. */
  readonly at: PageIndex | null;
}

/** Passes what a call answered, or throws with the kernel's name of what went wrong. */
export function answered(result: number, call: string): number {
  if (result >= 0) return result;
  const name = errnoText(result);
  throw new HmsError(name, errnoName(result), `${call} failed with ${name}`);
}

/**
 * Memory that the kernel alone manages, of this process or a forked one: its own system calls, and accesses as system
 * calls make them: the kernel copies from or to the page, which is a real fault, but ends in EFAULT and not in a
 * signal.
 */
export class PlainMemory {
  readonly #calls: SystemCalls;
  readonly #room: Room;
  /** The next free place. */
  #next: Address;

  constructor(calls: SystemCalls, room: Room, next: Address = PLACES) {
    this.#calls = calls;
    this.#room = room;
    this.#next = next;
  }

  /** The same ranges in a child that was forked just now. */
  inherited(calls: SystemCalls): PlainMemory {
    return new PlainMemory(calls, this.#room, this.#next);
  }

  /** A place of its own, at this offset from a multiple of 2 MiB, with a gap on either side so that nothing merges. */
  #place(bytes: ByteCount, phase: ByteCount): Address {
    const start = this.#next + HUGE_BYTES + phase;
    this.#next = Math.ceil((start + bytes) / HUGE_BYTES) * HUGE_BYTES;
    return start;
  }

  /** mmap(2): answers the first page. */
  map({ pages, protection, shared, of, huge, at }: PlainMapping): PageIndex {
    const wanted = pages * PAGE_BYTES;
    const bytes = of === "hugetlb" ? Math.ceil(wanted / HUGE_BYTES) * HUGE_BYTES : wanted;
    const flags =
      (shared ? MAP_SHARED : MAP_PRIVATE) |
      (typeof of === "number" ? 0 : MAP_ANONYMOUS) |
      (of === "hugetlb" ? MAP_HUGETLB : 0) |
      (at === null ? MAP_FIXED_NOREPLACE : MAP_FIXED);
    const place = at === null ? this.#place(bytes, 0) : at * PAGE_BYTES;
    const fd = typeof of === "number" ? of : -1;
    const address = answered(
      this.#calls.call(__NR_mmap, place, bytes, PROTECTIONS[protection], flags, fd, 0),
      "mmap",
    );
    if (huge) answered(this.#calls.call(__NR_madvise, address, bytes, MADV_HUGEPAGE), "madvise");
    return address / PAGE_BYTES;
  }

  unmap(first: PageIndex, count: PageCount): void {
    answered(this.#calls.call(__NR_munmap, first * PAGE_BYTES, count * PAGE_BYTES), "munmap");
  }

  protect(first: PageIndex, count: PageCount, protection: keyof typeof PROTECTIONS): void {
    const bits = PROTECTIONS[protection];
    answered(this.#calls.call(__NR_mprotect, first * PAGE_BYTES, count * PAGE_BYTES, bits), "mprotect");
  }

  advise(first: PageIndex, count: PageCount, advice: keyof typeof ADVICE): void {
    const bytes = count * PAGE_BYTES;
    answered(this.#calls.call(__NR_madvise, first * PAGE_BYTES, bytes, ADVICE[advice]), "madvise");
  }

  /** mremap(2) to a place of its own: answers the first page there. */
  move(first: PageIndex, count: PageCount, keepOld: boolean): PageIndex {
    const bytes = count * PAGE_BYTES;
    const from = first * PAGE_BYTES;
    const to = this.#place(bytes, from % HUGE_BYTES);
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keepOld ? MREMAP_DONTUNMAP : 0);
    return answered(this.#calls.call(__NR_mremap, from, bytes, bytes, flags, to), "mremap") / PAGE_BYTES;
  }

  /** Reads bytes from the start of a page on. */
  load(first: PageIndex, into: Uint8Array): void {
    const got = this.#calls.call(__NR_pwrite64, this.#room.fd, first * PAGE_BYTES, into.length, 0);
    whole(got, into.length, "CPU read");
    into.set(this.#room.bytes(into.length));
    this.#room.clear(into.length);
  }

  /** Writes bytes from the start of a page on. */
  store(first: PageIndex, from: Uint8Array): void {
    this.#room.bytes(from.length).set(from);
    const put = this.#calls.call(__NR_pread64, this.#room.fd, first * PAGE_BYTES, from.length, 0);
    this.#room.clear(from.length);
    whole(put, from.length, "CPU write");
  }

  /** Reads one word of each page. */
  touch(first: PageIndex, count: PageCount): void {
    for (let page = first; page < first + count; page++) {
      answered(this.#calls.call(__NR_pwrite64, this.#room.fd, page * PAGE_BYTES, 4, 0), "CPU read");
    }
  }

  /** Gives back all places. */
  end(): void {
    if (this.#next > PLACES) this.#calls.call(__NR_munmap, PLACES, this.#next - PLACES);
    this.#next = PLACES;
  }
}

/** A copy that ended early met a page that it could not access. */
function whole(result: number, bytes: ByteCount, call: string): void {
  if (answered(result, call) === bytes) return;
  throw new HmsError("EFAULT", "EFAULT", `${call} failed with EFAULT after ${result} bytes`);
}
