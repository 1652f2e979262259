// Which pages of a process there are: by PAGEMAP_SCAN, or where the kernel has none (before 6.7) entry by entry.
import * as abi from "../sys/abi.generated.ts";
import { orThrow } from "../sys/errno.ts";
import { close, failed, open, pread } from "../sys/libc.ts";
import { PageScan } from "../sys/pagemap.ts";
import { Scratch } from "../sys/scratch.ts";
import { type Address, type ByteCount, HUGE_BYTES, PAGE_BYTES } from "../sys/units.ts";

const QUERY = {
  required: abi.PAGE_IS_PRESENT | abi.PAGE_IS_PFNZERO,
  inverted: abi.PAGE_IS_PFNZERO,
  returned: abi.PAGE_IS_PRESENT | abi.PAGE_IS_HUGE,
} as const;

/** Bytes of an entry of a page map, and entries that are read at once. */
const ENTRY_BYTES = 8;
const ENTRIES = 8192;
/** In the upper half of an entry, shifted by one so that it is no negative number: the page is present; no other process maps it. */
const PRESENT = 1 << 30;
const EXCLUSIVE = 1 << 23;
/** Whoever asks for an entry asks for those after it soon. */
const LOOK_AHEAD: ByteCount = 1024 * PAGE_BYTES;

/**
 * Goes through the pages of a range that are in memory and no page of zeros. After `next()` answered 1, `address` and
 * `bytes` are those of a page, or of a huge page where one is mapped as a whole.
 */
export class PresentPages implements Disposable {
  address: Address = 0;
  bytes: ByteCount = PAGE_BYTES;
  readonly #path: string;
  #scan: PageScan | null;
  #entries: Entries | null = null;
  /** Where to look next, and where to stop. */
  #at: Address = 0;
  #end: Address = 0;
  /** What the last look found, and how far that was gone through. */
  #found = 0;
  #region = 0;
  #regionAt: Address = 0;

  /** Throws `NO_PAGEMAP` (EACCES, ENOENT), `OUT_OF_MEMORY`. */
  constructor(pid: number | "self") {
    this.#path = `/proc/${pid}/pagemap`;
    this.#scan = new PageScan(undefined, this.#path);
  }

  /** Turns to a range of whole pages. */
  look(start: Address, end: Address): void {
    this.#at = start;
    this.#end = end;
    this.#found = 0;
    this.#region = 0;
    this.#regionAt = 0;
  }

  /** Goes to the next page: 1; 0 at the end; or a negative errno. */
  next(): number {
    for (;;) {
      const scan = this.#scan;
      if (scan === null) return this.#nextEntry();
      if (this.#region < this.#found) {
        const end = scan.end(this.#region);
        if (this.#regionAt === 0) this.#regionAt = scan.start(this.#region);
        if (this.#regionAt < end) {
          const huge = (scan.categories(this.#region) & abi.PAGE_IS_HUGE) !== 0;
          this.address = this.#regionAt;
          this.bytes = huge
            ? Math.min(HUGE_BYTES - (this.address % HUGE_BYTES), end - this.address)
            : PAGE_BYTES;
          this.#regionAt += this.bytes;
          return 1;
        }
        this.#region++;
        this.#regionAt = 0;
        continue;
      }
      if (this.#at >= this.#end) return 0;
      const found = scan.scan(this.#at, this.#end - this.#at, QUERY);
      if (found < 0) {
        // A kernel that does not know the call, or knows it otherwise.
        if (found !== -abi.ENOTTY && found !== -abi.EINVAL) return found;
        this.#withoutScan();
        continue;
      }
      if (scan.walkEnd <= this.#at) return -abi.EAGAIN; // no headway: not to be asked for ever
      this.#at = scan.walkEnd;
      this.#found = found;
      this.#region = 0;
      this.#regionAt = 0;
    }
  }

  /** Whether other processes map a page too, as far as the kernel tells: not where it cannot be read. */
  shared(address: Address): boolean {
    this.#entries ??= new Entries(this.#path);
    const high = this.#entries.high(address, address + LOOK_AHEAD);
    return high >= 0 && (high & EXCLUSIVE) === 0;
  }

  #withoutScan(): void {
    this.#scan?.close();
    this.#scan = null;
    this.#entries ??= new Entries(this.#path);
  }

  #nextEntry(): number {
    const entries = this.#entries as Entries;
    while (this.#at < this.#end) {
      const address = this.#at;
      const high = entries.high(address, this.#end);
      if (high < 0) return high;
      this.#at += PAGE_BYTES;
      if ((high & PRESENT) === 0) continue;
      this.address = address;
      this.bytes = PAGE_BYTES;
      return 1;
    }
    return 0;
  }

  [Symbol.dispose](): void {
    this.#scan?.close();
    this.#entries?.[Symbol.dispose]();
  }
}

/** The entries of a page map, read in pieces. */
class Entries implements Disposable {
  readonly #scratch = new Scratch(ENTRIES * ENTRY_BYTES);
  readonly #fd: number;
  #first: Address = 0;
  #end: Address = 0;

  constructor(path: string) {
    const fd = open(path, abi.O_RDONLY | abi.O_CLOEXEC, 0);
    const result = fd === -1 ? failed() : fd;
    this.#fd = orThrow(
      result,
      "NO_PAGEMAP",
      `Opening ${path} failed`,
      "mount /proc, and name a process of yours",
    );
  }

  /** The upper half of a page's entry, shifted right by one, or a negative errno. */
  high(address: Address, end: Address): number {
    if (address < this.#first || address >= this.#end) {
      const pages = Math.min(ENTRIES, (end - address) / PAGE_BYTES);
      const offset = (address / PAGE_BYTES) * ENTRY_BYTES;
      const got = pread(this.#fd, this.#scratch.address, pages * ENTRY_BYTES, offset);
      if (got < 0) return failed();
      if (got < ENTRY_BYTES) return -abi.ESRCH; // an ended process has no entries
      this.#first = address;
      this.#end = address + Math.floor(got / ENTRY_BYTES) * PAGE_BYTES;
    }
    const word = ((address - this.#first) / PAGE_BYTES) * 2 + 1;
    return (this.#scratch.words[word] as number) >>> 1;
  }

  [Symbol.dispose](): void {
    close(this.#fd);
    this.#scratch[Symbol.dispose]();
  }
}
