import {
  MADV_DONTFORK,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_POPULATE_WRITE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_CLOEXEC,
  PR_SET_VMA,
  PR_SET_VMA_ANON_NAME,
  PROT_READ,
  PROT_WRITE,
} from "./abi.generated.ts";
import { orThrow } from "./errno.ts";
import * as libc from "./libc.ts";
import { type Address, type ByteCount, HUGE_BYTES, PAGE_BYTES } from "./units.ts";

export { addressOf, bufferAt, detach, memmove } from "./libc.ts";

/** Longest name that the kernel takes for a mapping, in bytes. */
export const MAPPING_NAME_MAX = 79;
/** The longest name of a memfd. Bytes. */
const MEMFD_NAME_MAX = 249;

/** How a mapping is made. */
export interface MappingOptions {
  /** Alignment of the address, a power of two: 4096 by default, 2 MiB with `huge`. */
  readonly align?: ByteCount;
  /** Shown in `/proc/self/maps` as `[anon:NAME]` (kernels with CONFIG_ANON_VMA_NAME; elsewhere nothing is shown). */
  readonly name?: string;
  /** true: transparent huge pages where they fit; false: none; undefined: what the system does by default. */
  readonly huge?: boolean;
  /** All pages are made at once. */
  readonly populate?: boolean;
  /** Does not count against the commit limit: for ranges far larger than what will ever be resident. */
  readonly noReserve?: boolean;
  /** The address to map at, over whatever is there; a multiple of 4096. Default: the kernel chooses. */
  readonly at?: Address;
}

/** How a mapping of a file is made. */
export interface SharedOptions extends MappingOptions {
  /** Where in the file, in bytes. */
  readonly offset?: ByteCount;
  /** false: read-only. */
  readonly writable?: boolean;
  /** true: MAP_PRIVATE, what is written stays here. */
  readonly copyOnWrite?: boolean;
}

/** A range of this process's memory, unmapped by `close()`. It is not inherited by a forked process. */
export class Mapping implements Disposable {
  readonly address: Address;
  readonly bytes: ByteCount;
  #view: Uint8Array<ArrayBuffer> | null = null;
  #open = true;

  private constructor(address: Address, bytes: ByteCount) {
    this.address = address;
    this.bytes = bytes;
  }

  /** Anonymous private memory, readable and writable. Throws `OUT_OF_MEMORY`. */
  static reserve(bytes: ByteCount, options: MappingOptions = {}): Mapping {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | (options.noReserve === true ? MAP_NORESERVE : 0);
    return Mapping.#make(bytes, flags, PROT_READ | PROT_WRITE, -1, 0, options);
  }

  /** A file's or memfd's bytes. Throws `OUT_OF_MEMORY`. */
  static shared(fd: number, bytes: ByteCount, options: SharedOptions = {}): Mapping {
    const flags =
      (options.copyOnWrite === true ? MAP_PRIVATE : MAP_SHARED) |
      (options.noReserve === true ? MAP_NORESERVE : 0);
    const protection = options.writable === false ? PROT_READ : PROT_READ | PROT_WRITE;
    return Mapping.#make(bytes, flags, protection, fd, options.offset ?? 0, options);
  }

  static #make(
    wanted: ByteCount,
    flags: number,
    protection: number,
    fd: number,
    offset: ByteCount,
    options: MappingOptions,
  ): Mapping {
    const bytes = Math.ceil(wanted / PAGE_BYTES) * PAGE_BYTES;
    const align = options.align ?? (options.huge === true ? HUGE_BYTES : PAGE_BYTES);
    const what = `Mapping ${bytes} bytes${options.name === undefined ? "" : ` for ${options.name}`} failed`;
    const remedy = "ask for less, or raise the limits (ulimit -v, vm.max_map_count, vm.overcommit_memory)";
    const at =
      options.at === undefined
        ? mapAligned(bytes, align, protection, flags, fd, offset)
        : mmap(options.at, bytes, protection, flags | MAP_FIXED, fd, offset);
    const mapping = new Mapping(orThrow(at, "OUT_OF_MEMORY", what, remedy), bytes);
    libc.madvise(mapping.address, bytes, MADV_DONTFORK);
    if (options.huge !== undefined) {
      libc.madvise(mapping.address, bytes, options.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    }
    if (options.name !== undefined) nameMapping(mapping.address, bytes, options.name);
    if (options.populate === true) {
      const populated = madvise(mapping.address, bytes, MADV_POPULATE_WRITE);
      if (populated < 0) mapping.close();
      orThrow(populated, "OUT_OF_MEMORY", `Making all ${bytes} bytes of a mapping failed`, "ask for less");
    }
    return mapping;
  }

  /** All of its bytes; the same array each time. Not to be called after `close()`. */
  view(): Uint8Array<ArrayBuffer> {
    if (!this.#open) throw new RangeError("A closed mapping has no bytes to view.");
    this.#view ??= new Uint8Array(libc.bufferAt(this.address, this.bytes));
    return this.#view;
  }

  /** Whether it is still mapped. */
  get open(): boolean {
    return this.#open;
  }

  /** Detaches its view (what others made of `bufferAt` is theirs) and unmaps it. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#view !== null) libc.detach(this.#view.buffer);
    this.#view = null;
    libc.munmap(this.address, this.bytes);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Maps with a margin and gives back what is before and after the aligned part. */
function mapAligned(
  bytes: ByteCount,
  align: ByteCount,
  protection: number,
  flags: number,
  fd: number,
  offset: ByteCount,
): number {
  if (align <= PAGE_BYTES) return mmap(0, bytes, protection, flags, fd, offset);
  const margin = mmap(0, bytes + align, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (margin < 0) return margin;
  const address = Math.ceil(margin / align) * align;
  const before = address - margin;
  if (before > 0) libc.munmap(margin, before);
  if (align > before) libc.munmap(address + bytes, align - before);
  const at = mmap(address, bytes, protection, flags | MAP_FIXED, fd, offset);
  if (at < 0) libc.munmap(address, bytes);
  return at;
}

/** Names anonymous memory in `/proc/self/maps`; without CONFIG_ANON_VMA_NAME nothing happens. */
export function nameMapping(address: Address, bytes: ByteCount, name: string): void {
  const plain = name.replace(/[^\x20-\x7e]|[[\]\\$`]/g, "_").slice(0, MAPPING_NAME_MAX);
  libc.prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, bytes, plain);
}

/** As mmap(2): the address, or a negative errno. */
export function mmap(
  at: Address,
  bytes: ByteCount,
  protection: number,
  flags: number,
  fd: number,
  offset: ByteCount,
): number {
  const address = libc.mmap(at, bytes, protection, flags, fd, offset);
  return address === -1 ? libc.failed() : address;
}

/** 0 or a negative errno. Buffers over the range are to be detached first. */
export function munmap(address: Address, bytes: ByteCount): number {
  return libc.munmap(address, bytes) === 0 ? 0 : libc.failed();
}

/** 0 or a negative errno. */
export function mprotect(address: Address, bytes: ByteCount, protection: number): number {
  return libc.mprotect(address, bytes, protection) === 0 ? 0 : libc.failed();
}

/** The new address, or a negative errno. `to` counts with MREMAP_FIXED only. */
export function mremap(
  address: Address,
  bytes: ByteCount,
  newBytes: ByteCount,
  flags: number,
  to: Address = 0,
): number {
  const moved = libc.mremap(address, bytes, newBytes, flags, to);
  return moved === -1 ? libc.failed() : moved;
}

/** 0 or a negative errno. */
export function madvise(address: Address, bytes: ByteCount, advice: number): number {
  return libc.madvise(address, bytes, advice) === 0 ? 0 : libc.failed();
}

/** As fallocate(2) with `FALLOC_FL_*`: 0 or a negative errno. */
export function fallocate(fd: number, mode: number, offset: ByteCount, bytes: ByteCount): number {
  return libc.fallocate(fd, mode, offset, bytes) === 0 ? 0 : libc.failed();
}

/** A descriptor of memory of `bytes` bytes that can be mapped more than once; to be closed with `closeFd`. */
export function memfdCreate(name: string, bytes: ByteCount): number {
  const { read } = new TextEncoder().encodeInto(name, new Uint8Array(MEMFD_NAME_MAX));
  const made = libc.memfdCreate(name.slice(0, read), MFD_CLOEXEC);
  const remedy = "close descriptors, or raise the limit (ulimit -n)";
  const fd = orThrow(
    made === -1 ? libc.failed() : made,
    "NO_DESCRIPTOR",
    `Making the memfd ${name} failed`,
    remedy,
  );
  if (libc.ftruncate(fd, bytes) === 0) return fd;
  const errno = libc.failed();
  libc.close(fd);
  return orThrow(errno, "OUT_OF_MEMORY", `Sizing the memfd ${name} to ${bytes} bytes failed`, "ask for less");
}

/** Closes a descriptor: 0 or a negative errno. */
export function closeFd(fd: number): number {
  return libc.close(fd) === 0 ? 0 : libc.failed();
}
