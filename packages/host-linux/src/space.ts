import {
  ANON,
  type Around,
  CAN_READ,
  CAN_WRITE,
  CAUSE,
  DIRTY,
  EFAULT,
  type Errno,
  errnoName,
  type FrameNumber,
  HOST,
  HUGE_PAGES,
  isPresent,
  isRange,
  KIND,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  type SpaceOptions,
  WRITE,
  ZERO,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { CachedFile, expectOffset } from "./cached-file.ts";
import { FileSource } from "./file-source.ts";
import type { LinuxHost } from "./host.ts";
import { MAPPED } from "./pages.ts";
import { LinuxRegion, type RegionBacking } from "./region.ts";
import {
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_ZEROPAGE_MODE_DONTWAKE,
} from "./sys/abi.generated.ts";
import { orThrow } from "./sys/errno.ts";
import { Mapping, mprotect, munmap } from "./sys/memory.ts";
import { zeroPagesIn } from "./sys/pagemap.ts";

export type LinuxSpaceOptions = SpaceOptions;

/** What `LinuxSpace.map` makes. */
export interface MapOptions {
  /** Rounded up to whole pages. */
  readonly bytes: number;
  /** `private` (default), `shared` (a memfd), `file` (a file's pages, written back), or a private copy of a file. */
  readonly kind?: RegionBacking;
  readonly file?: { readonly path: string; readonly writable: boolean; readonly offset?: number };
  /** Whether 2 MiB pages are wanted as such. */
  readonly huge?: boolean | null;
  /** Shown in `/proc/self/maps` and in records. */
  readonly name?: string;
  /** `CAN_READ | CAN_WRITE` by default. */
  readonly access?: number;
  /** Private regions: the page to map at, over whatever of this space is there; default: the kernel chooses. */
  readonly at?: PageIndex;
}

const BITS = HUGE_PAGES / 8;
let regions = 0;

/** One space of the host: what the core knows of it, and the addresses where it is. */
export class LinuxSpace {
  readonly host: LinuxHost;
  readonly space: Space;
  readonly regions: Map<number, LinuxRegion> = new Map();
  /** Where the kernel's page of zeros is mapped, by chunk of 512 pages. */
  readonly #zeros = new Map<PageIndex, Uint8Array>();

  /** The files behind private regions, by region. */
  readonly #sources = new Map<number, FileSource>();

  /** `LinuxHost.createSpace` makes them. */
  constructor(host: LinuxHost, space: Space, _options: LinuxSpaceOptions) {
    this.host = host;
    this.space = space;
  }

  /** Makes a region at an address of the kernel's choice, a multiple of 2 MiB. Throws EINVAL, ENOMEM, TOO_MANY_REGIONS, and what opening the file answers. */
  map(options: MapOptions): LinuxRegion {
    const pages = Math.ceil(options.bytes / PAGE_BYTES);
    if (!Number.isSafeInteger(options.bytes) || pages < 1 || !isRange(0, pages)) {
      throw new HmsError(
        "BAD_REGION_SIZE",
        "EINVAL",
        `Making a region failed: its size must be 1 byte to ${2 ** 48} bytes, not ${options.bytes}.`,
      );
    }
    const backing = options.kind ?? "private";
    const id = ++regions;
    const name = options.name ?? `region ${id}`;
    this.host.countMappings(mappingsOf(backing));
    try {
      const region =
        backing === "private"
          ? this.#mapPrivate(id, name, pages, options)
          : this.#mapCached(id, name, pages, backing, options);
      this.regions.set(id, region);
      return region;
    } catch (error) {
      this.host.countMappings(-mappingsOf(backing));
      throw error;
    }
  }

  #mapPrivate(id: number, name: string, pages: PageCount, options: MapOptions): LinuxRegion {
    // What was made is taken back when something after it cannot be.
    using made = new DisposableStack();
    expectOffset(options.file?.offset ?? 0);
    const source = options.file === undefined ? null : made.use(new FileSource(options.file.path));
    if (options.at !== undefined) this.unmap(options.at, pages);
    const reserved = Mapping.reserve(pages * PAGE_BYTES, {
      ...(options.at === undefined ? {} : { at: options.at * PAGE_BYTES }),
      align: HUGE_PAGES * PAGE_BYTES,
      name: `hms ${name}`,
      // Else the kernel makes a table for small pages at the first touch, into which no huge page can move.
      huge: options.huge ?? true,
      noReserve: true,
    });
    const mapping = made.use(reserved);
    const first = mapping.address / PAGE_BYTES;
    const modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
    expectRegistered(this.host.program.register(mapping.address, pages * PAGE_BYTES, modes));
    // Else taking the addresses away would be notified to us, and wait for us.
    made.defer(() => this.host.program.unregister(mapping.address, mapping.bytes));
    const access = options.access ?? CAN_READ | CAN_WRITE;
    if (access !== (CAN_READ | CAN_WRITE))
      mprotect(mapping.address, pages * PAGE_BYTES, protectionOf(access));
    const offset = Math.floor((options.file?.offset ?? 0) / PAGE_BYTES);
    const errno = this.space.map(first, pages, {
      // Nothing yet means zeros to the core in anonymous memory only.
      kind: source === null ? "anonymous" : "file",
      access,
      huge: options.huge ?? null,
      backing: source,
      offset,
    });
    if (errno !== OK) throw failed("Making a region", errno);
    made.move();
    if (source !== null) this.#sources.set(id, source);
    const region = new LinuxRegion(this.host, this.space, {
      id,
      name,
      backing: "private",
      first,
      pages,
      file: null,
    });
    this.host.owners.add(first, pages, region);
    return region;
  }

  #mapCached(
    id: number,
    name: string,
    pages: PageCount,
    backing: RegionBacking,
    options: MapOptions,
  ): LinuxRegion {
    using made = new DisposableStack();
    const file = made.adopt(new CachedFile(this.host, name, pages, options.file ?? null), (it) => it.close());
    const bytes = pages * PAGE_BYTES;
    const mapping = made.use(Mapping.shared(file.fd, bytes, { align: HUGE_PAGES * PAGE_BYTES }));
    const first = mapping.address / PAGE_BYTES;
    const modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP;
    expectRegistered(this.host.cached.register(mapping.address, bytes, modes));
    const writable = options.file?.writable ?? true;
    const access = options.access ?? (writable ? CAN_READ | CAN_WRITE : CAN_READ);
    if (access !== (CAN_READ | CAN_WRITE))
      mprotect(mapping.address, pages * PAGE_BYTES, protectionOf(access));
    const errno = this.space.map(first, pages, {
      kind: "file",
      access,
      shared: true,
      quiet: true,
      huge: null,
      backing: file,
      offset: 0,
    });
    if (errno !== OK) throw failed("Making a region", errno);
    made.move();
    const region = new LinuxRegion(this.host, this.space, { id, name, backing, first, pages, file });
    file.showAt(this.space, first);
    this.host.owners.add(first, pages, region);
    return region;
  }

  /** Takes a range of addresses away: pages, regions and addresses. Throws EINVAL, EAGAIN. */
  unmap(first: PageIndex, count: PageCount): void {
    this.#check("Unmapping", first, count);
    this.#unmapped(first, count);
    for (const { first: from, end, owner } of this.host.owners.within(first, first + count)) {
      if (!(owner instanceof LinuxRegion) || owner.space !== this.space) continue;
      const a = Math.max(first, from);
      const b = Math.min(first + count, end);
      owner.uffd.unregister(a * PAGE_BYTES, (b - a) * PAGE_BYTES);
      munmap(a * PAGE_BYTES, (b - a) * PAGE_BYTES);
    }
    this.forget(first, count);
  }

  /** The core's side of `unmap`: the kernel drops what is mapped. */
  #unmapped(first: PageIndex, count: PageCount): void {
    this.host.kernelDrops = true;
    const errno = this.space.unmap(first, count);
    this.host.kernelDrops = false;
    if (errno !== OK) throw failed("Unmapping", errno);
  }

  /** The program itself unmapped a range: nothing is there any more. */
  onUnmap(first: PageIndex, count: PageCount): void {
    this.#unmapped(first, count);
    this.forget(first, count);
  }

  /** Nobody answers for the range any more. */
  forget(first: PageIndex, count: PageCount): void {
    this.#forgetZeros(first, first + count);
    this.host.placer?.unmapped(this.space, first, count);
    const gone = this.host.owners.within(first, first + count);
    this.host.owners.remove(first, count);
    for (const { owner } of gone) {
      // A part of it may be left, there or wherever the program moved it.
      if (!(owner instanceof LinuxRegion) || this.host.owners.has(owner)) continue;
      if (this.regions.delete(owner.id)) this.host.countMappings(-mappingsOf(owner.backing));
      owner.file?.close();
      this.#sources.get(owner.id)?.[Symbol.dispose]();
      this.#sources.delete(owner.id);
    }
  }

  /** The program itself gave up what is in a range (MADV_DONTNEED): the kernel drops it. */
  onRemove(first: PageIndex, count: PageCount): void {
    this.host.kernelDrops = true;
    this.space.discard(first, count);
    this.host.kernelDrops = false;
    this.#forgetZeros(first, first + count);
  }

  /** Drops the pages of a range; what is read there next are zeros, or the file's bytes. Throws EINVAL, EAGAIN. */
  discard(first: PageIndex, count: PageCount): void {
    this.#check("Discarding", first, count);
    const errno = this.space.discard(first, count);
    if (errno !== OK) throw failed("Discarding", errno);
    this.dropZeros(first, first + count);
  }

  /** Changes the protection. Throws EINVAL; ENOMEM: there is a hole. */
  protect(first: PageIndex, count: PageCount, access: number): void {
    this.#check("Changing the protection", first, count);
    // Less is allowed at once, more only when the core's entries are ready for it.
    const errno = this.space.protect(first, count, access);
    if (errno !== OK) throw failed("Changing the protection", errno);
    mprotect(first * PAGE_BYTES, count * PAGE_BYTES, protectionOf(access));
  }

  /** The program moved a range of addresses (mremap). */
  onRemap(first: PageIndex, to: PageIndex, count: PageCount): void {
    const owner = this.host.owners.at(first);
    const errno = this.space.remap(first, count, to, false);
    if (errno !== OK || owner === null) return;
    this.host.owners.remove(first, count);
    this.host.owners.add(to, count, owner);
    this.host.placer?.remapped(this.space, first, to, count);
  }

  /**
   * Moves the pages of a range to a new region and answers it; `keepOld`: the old range stays, empty. Nothing is copied.
   * Throws EFAULT when the range is not in one private region.
   */
  remap(first: PageIndex, count: PageCount, keepOld: boolean): LinuxRegion {
    this.#check("Moving a range", first, count);
    const owner = this.host.owners.at(first);
    const from = this.space.regions.at(first);
    if (
      !(owner instanceof LinuxRegion) ||
      from === null ||
      from.end < first + count ||
      owner.backing !== "private"
    )
      throw failed("Moving a range", EFAULT);
    const region = this.map({
      bytes: count * PAGE_BYTES,
      name: owner.name,
      huge: from.huge,
      access: from.access,
    });
    const source = this.#sources.get(owner.id);
    if (source !== undefined) this.#sources.set(region.id, source.share());
    this.space.unmap(region.first, count);
    this.dropZeros(first, first + count, true);
    const errno = this.space.remap(first, count, region.first, keepOld);
    if (errno !== OK) throw failed("Moving a range", errno);
    this.host.placer?.remapped(this.space, first, region.first, count);
    if (!keepOld) this.unmap(first, count);
    return region;
  }

  /** Ends the space: every region with its addresses. Throws EAGAIN while someone is at work in it. */
  close(): void {
    // Parts may have moved since they were mapped.
    for (const { first, end, owner } of this.host.owners.within(0, Number.MAX_SAFE_INTEGER)) {
      if (owner instanceof LinuxRegion && owner.space === this.space) this.unmap(first, end - first);
    }
    const errno = this.space.close();
    if (errno !== OK) throw failed("Closing a space", errno);
    this.host.dropSpace(this);
  }

  #check(action: string, first: PageIndex, count: PageCount): void {
    this.space.expectOpen(action);
    if (isRange(first, count)) return;
    throw new HmsError(
      "BAD_RANGE",
      "EINVAL",
      `${action} failed: ${count} pages from page ${first} on are no range.`,
    );
  }

  // The kernel's page of zeros, where the program only read so far.

  /** Maps it wherever the window's entries say so and nothing is mapped. */
  mapZeros(window: Around): Errno {
    for (let page = window.first; page < window.first + window.count; ) {
      let count = 0;
      while (page + count < window.first + window.count && this.#wantsZero(page + count)) count++;
      if (count > 0) this.#mapZeroRun(page, count);
      page += Math.max(1, count);
    }
    return OK;
  }

  #wantsZero(page: PageIndex): boolean {
    const flags = this.space.table.flagsAt(page);
    return isPresent(flags) && (flags & ZERO) !== 0 && !this.#isZero(page);
  }

  /**
   * The page of zeros cannot be mapped write-protected in one step. So afterwards it is looked at whether someone wrote
   * in between: then the kernel has given him a page of his own, which becomes the core's too.
   */
  #mapZeroRun(first: PageIndex, count: PageCount): void {
    const { host } = this;
    const address = first * PAGE_BYTES;
    host.program.zeropage(address, count * PAGE_BYTES, UFFDIO_ZEROPAGE_MODE_DONTWAKE);
    host.pages.protectRun(first, count, true);
    const still = zeroPagesIn(address, count * PAGE_BYTES);
    for (let k = 0; k < count; k++) this.#setZero(first + k, true);
    if (still === count) return;
    for (let k = 0; k < count; k++) {
      if (zeroPagesIn(address + k * PAGE_BYTES, PAGE_BYTES) === 1) continue;
      this.#written(first + k);
    }
  }

  #written(page: PageIndex): void {
    const frame = this.host.allocate(this.space, false);
    this.#setZero(page, false);
    this.space.invalidate(page, page + 1, "clear");
    this.host.pages.set(frame, MAPPED, page);
    this.host.pages.protect(page, frame, false);
    this.space.exchange(page, HOST | ANON | WRITE | DIRTY, frame, CAUSE.cpuFault, 0);
    this.space.invalidated(page, page + 1);
  }

  /** A page of zeros is about to be written: the kernel makes a page of it where it is, which is the frame's. */
  adoptZero(page: PageIndex, frame: FrameNumber): void {
    if (!this.#isZero(page)) return;
    this.#setZero(page, false);
    this.host.pages.protectRun(page, 1, false);
    this.host.pages.set(frame, MAPPED, page);
  }

  /** Takes the page of zeros away where the core's entries do not say so any more (or anyway). */
  dropZeros(first: PageIndex, end: PageIndex, anyway = false): void {
    if (this.#zeros.size === 0) return;
    for (const chunk of [...this.#zeros.keys()]) {
      if (chunk >= end || chunk + HUGE_PAGES <= first) continue;
      for (let page = Math.max(first, chunk); page < Math.min(end, chunk + HUGE_PAGES); page++) {
        if (!this.#isZero(page) || (!anyway && this.#mayStay(page))) continue;
        this.#setZero(page, false);
        this.host.pages.clear(page, 1);
      }
    }
  }

  #mayStay(page: PageIndex): boolean {
    const flags = this.space.table.flagsAt(page);
    return isPresent(flags) && (flags & ZERO) !== 0 && (flags & KIND) === HOST;
  }

  #forgetZeros(first: PageIndex, end: PageIndex): void {
    for (const chunk of [...this.#zeros.keys()]) {
      if (chunk >= end || chunk + HUGE_PAGES <= first) continue;
      for (let page = Math.max(first, chunk); page < Math.min(end, chunk + HUGE_PAGES); page++)
        this.#setZero(page, false);
    }
  }

  #isZero(page: PageIndex): boolean {
    if (this.#zeros.size === 0) return false;
    const index = page % HUGE_PAGES;
    return (((this.#zeros.get(page - index)?.[index >> 3] ?? 0) >> (index & 7)) & 1) !== 0;
  }

  #setZero(page: PageIndex, on: boolean): void {
    const index = page % HUGE_PAGES;
    const chunk = page - index;
    let bits = this.#zeros.get(chunk);
    if (bits === undefined) {
      if (!on) return;
      bits = new Uint8Array(BITS);
      this.#zeros.set(chunk, bits);
    }
    const bit = 1 << (index & 7);
    bits[index >> 3] = on ? (bits[index >> 3] ?? 0) | bit : (bits[index >> 3] ?? 0) & ~bit;
    if (!on && bits.every((byte) => byte === 0)) this.#zeros.delete(chunk);
  }
}

/** The program's mapping, and for a memfd the kernel thread's own. */
function mappingsOf(backing: RegionBacking): number {
  return backing === "private" ? 1 : 2;
}

function protectionOf(access: number): number {
  if ((access & CAN_READ) === 0) return PROT_NONE;
  return (access & CAN_WRITE) === 0 ? PROT_READ : PROT_READ | PROT_WRITE;
}

function failed(action: string, errno: Errno): HmsError {
  const name = errnoName(errno) ?? "EIO";
  const why: Partial<Record<string, string>> = {
    EINVAL: "the range is none",
    EAGAIN: "someone is at work in the space; try again",
    EFAULT: "the range is not inside one region",
    ENOMEM: "there is a hole in the range",
    EEXIST: "something is mapped there",
  };
  return new HmsError("REGION_FAILED", name, `${action} failed: ${why[name] ?? name}.`);
}

/** What the kernel cannot register it would serve by itself, past us. */
function expectRegistered(result: number): void {
  orThrow(
    result,
    "OUT_OF_MEMORY",
    "Registering the addresses of a region failed",
    "free memory or regions, or raise vm.max_map_count",
  );
}
