import * as abi from "./abi.generated.ts";
import { orThrow } from "./errno.ts";
import { close, failed, ioctl, open } from "./libc.ts";
import { Scratch } from "./scratch.ts";
import { type Address, type ByteCount, PAGE_BYTES } from "./units.ts";

const { pmScanArg, pageRegion } = abi;

/** Ranges that one scan answers at most, unless a PageScan is made for more. */
export const SCAN_REGIONS = 1024;

/** Which pages a scan answers, by `PAGE_IS_*`. */
export interface ScanQuery {
  /** Pages of which all of these hold. */
  readonly required: number;
  /** Of `required` and `anyOf`, those that are to be absent instead. */
  readonly inverted?: number;
  /** Pages of which one of these holds at least; 0: any page. */
  readonly anyOf?: number;
  /** What is told of each range: pages that differ in it are in different ranges. */
  readonly returned: number;
  /** Write-protects what is found, in the same step: for registrations with UFFD_FEATURE_WP_ASYNC. */
  readonly protect?: boolean;
}

/** Looks into the page table of a process, by PAGEMAP_SCAN (Linux 6.7): results stay until the next scan. */
export class PageScan implements Disposable {
  readonly regionsMax: number;
  #fd: number;
  readonly #scratch: Scratch;
  readonly #results: Scratch;
  #walkEnd: Address = 0;

  /**
   * Throws `NO_PAGEMAP`, `OUT_OF_MEMORY`.
   *
   * @param path the page map of another process, `/proc/PID/pagemap`
   */
  constructor(regionsMax: number = SCAN_REGIONS, path = "/proc/self/pagemap") {
    this.regionsMax = regionsMax;
    const fd = open(path, abi.O_RDONLY | abi.O_CLOEXEC, 0);
    const what = `Opening ${path} failed`;
    this.#fd = orThrow(
      fd === -1 ? failed() : fd,
      "NO_PAGEMAP",
      what,
      "mount /proc, and raise ulimit -n if need be",
    );
    this.#scratch = new Scratch();
    this.#results = new Scratch(regionsMax * pageRegion.bytes);
  }

  /**
   * Scans a range: how many ranges were found, or a negative errno (ENOTTY: a kernel before 6.7; EPERM: to be protected
   * and not registered so). It stops early, at `walkEnd`, when there is no room for more.
   */
  scan(address: Address, bytes: ByteCount, query: ScanQuery): number {
    const scratch = this.#scratch;
    const protect = query.protect === true ? abi.PM_SCAN_WP_MATCHING | abi.PM_SCAN_CHECK_WPASYNC : 0;
    scratch.put(pmScanArg.size, pmScanArg.bytes);
    scratch.put(pmScanArg.flags, protect);
    scratch.put(pmScanArg.start, address);
    scratch.put(pmScanArg.end, address + bytes);
    scratch.put(pmScanArg.walk_end, 0);
    scratch.put(pmScanArg.vec, this.#results.address);
    scratch.put(pmScanArg.vec_len, this.regionsMax);
    scratch.put(pmScanArg.max_pages, 0);
    scratch.put(pmScanArg.category_inverted, query.inverted ?? 0);
    scratch.put(pmScanArg.category_mask, query.required);
    scratch.put(pmScanArg.category_anyof_mask, query.anyOf ?? 0);
    scratch.put(pmScanArg.return_mask, query.returned);
    const found = ioctl(this.#fd, abi.PAGEMAP_SCAN, scratch.address);
    if (found < 0) return failed();
    // The kernel gathers 512 ranges at a time, and of a walk that then comes to its end it may leave the place where it
    // last began anew: what it found after that would be found twice.
    this.#walkEnd =
      found < this.regionsMax
        ? address + bytes
        : Math.max(scratch.get(pmScanArg.walk_end), this.end(found - 1));
    return found;
  }

  /** The byte after the last that the last scan looked at. */
  get walkEnd(): Address {
    return this.#walkEnd;
  }

  /** First byte of a range found. */
  start(i: number): Address {
    return this.#results.get(i * pageRegion.bytes + pageRegion.start);
  }

  /** The byte after the last of a range found. */
  end(i: number): Address {
    return this.#results.get(i * pageRegion.bytes + pageRegion.end);
  }

  /** What holds of a range found, of what was to be returned. */
  categories(i: number): number {
    return this.#results.get(i * pageRegion.bytes + pageRegion.categories);
  }

  /** How many pages of a range a query finds, or a negative errno. */
  count(address: Address, bytes: ByteCount, query: ScanQuery): number {
    const end = address + bytes;
    let pages = 0;
    for (let at = address; at < end; ) {
      const found = this.scan(at, end - at, query);
      if (found < 0) return found;
      for (let i = 0; i < found; i++) pages += (this.end(i) - this.start(i)) / PAGE_BYTES;
      if (this.walkEnd <= at) return -abi.EAGAIN; // no headway: not to be asked for ever
      at = this.walkEnd;
    }
    return pages;
  }

  close(): void {
    if (this.#fd < 0) return;
    close(this.#fd);
    this.#fd = -1;
    this.#scratch[Symbol.dispose]();
    this.#results[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const RESIDENT: ScanQuery = { required: abi.PAGE_IS_PRESENT, returned: abi.PAGE_IS_PRESENT };
const ZEROS: ScanQuery = { required: abi.PAGE_IS_PFNZERO, returned: abi.PAGE_IS_PFNZERO };
const WRITTEN: ScanQuery = {
  required: abi.PAGE_IS_PRESENT | abi.PAGE_IS_WRITTEN,
  returned: abi.PAGE_IS_WRITTEN,
};
const HUGE: ScanQuery = { required: abi.PAGE_IS_HUGE, returned: abi.PAGE_IS_HUGE };
const WRITTEN_AND_PROTECT: ScanQuery = { ...WRITTEN, protect: true };
/** Write-protected and not there: the mark that shared memory keeps of a protected page when it is unmapped. */
const MARKERS: ScanQuery = {
  required: abi.PAGE_IS_SWAPPED | abi.PAGE_IS_WRITTEN,
  inverted: abi.PAGE_IS_WRITTEN,
  returned: abi.PAGE_IS_SWAPPED,
};

/** Pages with anything: in memory, swapped out by the kernel, or on their way elsewhere within memory. */
const OCCUPIED: ScanQuery = {
  required: 0,
  anyOf: abi.PAGE_IS_PRESENT | abi.PAGE_IS_SWAPPED,
  returned: abi.PAGE_IS_PRESENT,
};

let shared: PageScan | null = null;

function scanner(): PageScan {
  shared ??= new PageScan();
  return shared;
}

/** Opens what the functions below need, so that none of them fails where nothing may. Throws as `PageScan` does. */
export function openPagemap(): void {
  scanner();
}

/** Closes what this thread's scans by the functions below keep open; they open it again. */
export function closePagemap(): void {
  shared?.close();
  shared = null;
}

/** Pages of a range that are in memory and mapped here, or a negative errno. */
export function residentPages(address: Address, bytes: ByteCount): number {
  return scanner().count(address, bytes, RESIDENT);
}

/** Pages of a range that are the page of zeros, small or huge, or a negative errno. */
export function zeroPagesIn(address: Address, bytes: ByteCount): number {
  return scanner().count(address, bytes, ZEROS);
}

/** Pages of a range that are mapped as parts of huge pages, or a negative errno. */
export function hugePagesIn(address: Address, bytes: ByteCount): number {
  return scanner().count(address, bytes, HUGE);
}

/** How many pages from an address on have something, wherever the kernel keeps it, or a negative errno. */
export function occupiedFrom(address: Address, bytes: ByteCount): number {
  let end = address;
  const ranges = eachIn(address, bytes, OCCUPIED, (first, size) => {
    if (first === end) end += size;
  });
  return ranges < 0 ? ranges : (end - address) / PAGE_BYTES;
}

/** How many pages from an address on have nothing, or a negative errno. */
export function emptyFrom(address: Address, bytes: ByteCount): number {
  const found = scanner().scan(address, bytes, OCCUPIED);
  if (found < 0) return found;
  return ((found === 0 ? address + bytes : scanner().start(0)) - address) / PAGE_BYTES;
}

/** What is told of a range of pages. */
export type EachRange = (address: Address, bytes: ByteCount) => void;

/** Tells each range of pages that are in memory and mapped here: how many ranges, or a negative errno. */
export function mappedIn(address: Address, bytes: ByteCount, each: EachRange): number {
  return eachIn(address, bytes, RESIDENT, each);
}

/**
 * Tells each range of pages of shared memory that were unmapped while write-protected: how many ranges, or a negative
 * errno.
 */
export function markersIn(address: Address, bytes: ByteCount, each: EachRange): number {
  return eachIn(address, bytes, MARKERS, each);
}

/**
 * Tells each range of pages that are there and not write-protected: how many ranges, or a negative errno. `protect`:
 * they are write-protected in the same step, so that the next call tells what was written since.
 */
export function writtenIn(address: Address, bytes: ByteCount, each: EachRange, protect = false): number {
  return eachIn(address, bytes, protect ? WRITTEN_AND_PROTECT : WRITTEN, each);
}

function eachIn(address: Address, bytes: ByteCount, query: ScanQuery, each: EachRange): number {
  const scan = scanner();
  const end = address + bytes;
  let ranges = 0;
  for (let at = address; at < end; at = scan.walkEnd) {
    const found = scan.scan(at, end - at, query);
    if (found < 0) return found;
    for (let i = 0; i < found; i++) each(scan.start(i), scan.end(i) - scan.start(i));
    ranges += found;
    if (scan.walkEnd <= at) return -abi.EAGAIN;
  }
  return ranges;
}
