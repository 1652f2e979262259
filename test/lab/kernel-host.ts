import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { type ErrnoName, HmsError } from "@hms/topology";
import koffi from "koffi";
import type {
  CaseDevice,
  CaseFile,
  CaseHost,
  CaseMachine,
  CaseProcess,
  CommandResult,
  MapRequest,
  PageSpan,
} from "../../packages/conform/src/host.ts";

// The kernel's own HMM test device (/dev/hmm_dmirrorN) as a host of conformance cases: what it answers is right.
// Runs as root in a guest whose kernel has test_hmm loaded. Memory handed to the kernel is mapped here, by address.

const PAGE = 4096;
const libc = koffi.load("libc.so.6");
const mmap = libc.func(
  "int64_t mmap(uint64_t addr, size_t length, int prot, int flags, int fd, int64_t offset)",
);
const munmap = libc.func("int munmap(uint64_t addr, size_t length)");
const mprotect = libc.func("int mprotect(uint64_t addr, size_t length, int prot)");
const mremap = libc.func(
  "int64_t mremap(uint64_t old, size_t oldSize, size_t newSize, int flags, uint64_t addr)",
);
const madvise = libc.func("int madvise(uint64_t addr, size_t length, int advice)");
const ioctl = libc.func("int ioctl(int fd, uint64_t request, uint64_t argument)");
const pread = libc.func("int64_t pread(int fd, uint64_t addr, size_t length, int64_t offset)");
const pwrite = libc.func("int64_t pwrite(int fd, uint64_t addr, size_t length, int64_t offset)");
const memfdCreate = libc.func("int memfd_create(const char *name, unsigned int flags)");
const ftruncate = libc.func("int ftruncate(int fd, int64_t length)");
const openAt = libc.func("int open(const char *path, int flags, int mode)");

const PROT = { none: 0, r: 1, rw: 3 } as const;
const MAP = {
  shared: 1,
  private: 2,
  fixed: 0x10,
  anonymous: 0x20,
  hugetlb: 0x40000,
  noreplace: 0x100000,
} as const;
const MREMAP = { mayMove: 1, fixed: 2, dontUnmap: 4 } as const;
const ADVICE = { dontneed: 4, free: 8, hugepage: 14, nohugepage: 15, pageout: 21, collapse: 25 } as const;
const O_TMPFILE_RDWR = 0o20200000 | 2;
const HUGE = 2 << 20;
/** Where regions of cases are put: far from what the C library and the engine map, so that a hole stays a hole. */
const WINDOW = 0x1000_0000_0000;

const COMMANDS = {
  read: 0,
  write: 1,
  "migrate-to-device": 2,
  "migrate-to-system": 3,
  snapshot: 4,
  exclusive: 5,
  "check-exclusive": 6,
  release: 7,
} as const;

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

function errnoName(): ErrnoName {
  return (ERRNO_NAMES.get(koffi.errno()) ?? `errno ${koffi.errno()}`) as ErrnoName;
}

function checked(result: number | bigint, call: string): number {
  if (result === -1 || result === -1n) {
    const name = errnoName();
    throw new HmsError(name, name, `${call} failed with ${name}`);
  }
  return Number(result);
}

function iowr(type: number, number: number, size: number, direction = 3): bigint {
  return (BigInt(direction) << 30n) | (BigInt(size) << 16n) | (BigInt(type) << 8n) | BigInt(number);
}

/** Memory of our own whose address the kernel gets: mapped, never moved, given back at the end of the process. */
class Arena {
  readonly address: number;
  readonly bytes: number;
  readonly #fd: number;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#fd = checked(memfdCreate("arena", 0), "memfd_create");
    checked(ftruncate(this.#fd, bytes), "ftruncate");
    this.address = checked(mmap(0n, bytes, 3, MAP.shared, this.#fd, 0), "mmap of an arena");
  }

  store(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; )
      done += writeSync(this.#fd, from, done, from.length - done, offset + done);
  }

  load(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; )
      done += readSync(this.#fd, into, done, into.length - done, offset + done);
  }

  close(): void {
    closeSync(this.#fd);
    munmap(this.address, this.bytes);
  }
}

/** A file without a name on the guest's temporary file system. */
class KernelFile implements CaseFile {
  readonly fd: number;

  constructor(content: Uint8Array) {
    this.fd = checked(openAt("/tmp", O_TMPFILE_RDWR, 0o600), "open of a temporary file");
    for (let done = 0; done < content.length; )
      done += writeSync(this.fd, content, done, content.length - done, done);
  }

  read(firstPage: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.fd, into, done, into.length - done, firstPage * PAGE + done);
      if (count === 0) break;
      done += count;
    }
  }
}

class KernelDevice implements CaseDevice {
  readonly fd: number;
  readonly #call = new Arena(PAGE);

  constructor(number: number) {
    this.fd = openSync(`/dev/hmm_dmirror${number}`, "r+");
  }

  run(
    command: keyof typeof COMMANDS | "fail-next-allocation",
    span: PageSpan | null,
    buffer: Uint8Array,
  ): CommandResult {
    if (command === "fail-next-allocation")
      throw new Error("this kernel's test device cannot be told to fail an allocation");
    const arena = buffer.length === 0 ? null : new Arena(buffer.length);
    try {
      arena?.store(0, buffer);
      // The kernel looks at the range before the command, also of one that has no use for it.
      const address = BigInt(span?.page ?? WINDOW / PAGE) * BigInt(PAGE);
      const words = new BigUint64Array([
        address,
        BigInt(arena?.address ?? 0),
        BigInt(span?.pages ?? 1),
        0n,
        0n,
      ]);
      this.#call.store(0, new Uint8Array(words.buffer));
      const result = ioctl(this.fd, iowr(0x48, COMMANDS[command], 40), this.#call.address);
      const error = result === -1 ? errnoName() : null;
      this.#call.load(0, new Uint8Array(words.buffer));
      arena?.load(0, buffer);
      return { error, pages: Number(words[3]), faults: Number(words[4]) };
    } finally {
      arena?.close();
    }
  }

  close(): void {
    this.#call.close();
    closeSync(this.fd);
  }
}

class KernelProcess implements CaseProcess {
  readonly #copies = new Arena(PAGE);
  readonly #scratch = checked(memfdCreate("scratch", 0), "memfd_create");
  /** The next free place of the window. */
  #next = WINDOW;
  #gup: number | null = null;
  readonly #files: KernelFile[] = [];

  openDevice(kind: "private" | "coherent", index: number): CaseDevice {
    return new KernelDevice(kind === "private" ? index : index + 2);
  }

  createFile(kind: "file" | "dax", content: Uint8Array): CaseFile {
    if (kind === "dax") throw new Error("the guest has no DAX file system mounted for cases");
    const file = new KernelFile(content);
    this.#files.push(file);
    return file;
  }

  /** A place of its own, at this offset from a multiple of 2 MiB, with a gap on either side so that nothing merges. */
  #place(bytes: number, phase: number): number {
    const start = this.#next + HUGE + phase;
    this.#next = Math.ceil((start + bytes) / HUGE) * HUGE;
    return start;
  }

  map(request: MapRequest): number {
    const bytes = request.pages * PAGE;
    const { backing } = request;
    const length = backing.kind === "hugetlb" ? Math.ceil(bytes / HUGE) * HUGE : bytes;
    const fd =
      backing.kind === "file"
        ? (backing.file as KernelFile).fd
        : backing.kind === "device"
          ? (backing.device as KernelDevice).fd
          : -1;
    const flags =
      (request.share === "shared" ? MAP.shared : MAP.private) |
      (fd === -1 ? MAP.anonymous : 0) |
      (backing.kind === "hugetlb" ? MAP.hugetlb : 0);
    let address: number;
    if (request.at !== null) {
      address = checked(
        mmap(request.at * PAGE, length, PROT[request.protection], flags | MAP.fixed, fd, 0),
        "mmap",
      );
    } else {
      const start = this.#place(length, 0);
      address = checked(mmap(start, length, PROT[request.protection], flags | MAP.noreplace, fd, 0), "mmap");
    }
    if (request.huge) checked(madvise(address, length, ADVICE.hugepage), "madvise");
    return address / PAGE;
  }

  unmap(span: PageSpan): void {
    checked(munmap(span.page * PAGE, span.pages * PAGE), "munmap");
  }

  protect(span: PageSpan, protection: keyof typeof PROT): void {
    checked(mprotect(span.page * PAGE, span.pages * PAGE, PROT[protection]), "mprotect");
  }

  remap(span: PageSpan, keepOld: boolean): number {
    const bytes = span.pages * PAGE;
    const start = this.#place(bytes, (span.page * PAGE) % HUGE);
    const flags = MREMAP.mayMove | MREMAP.fixed | (keepOld ? MREMAP.dontUnmap : 0);
    const address = checked(mremap(span.page * PAGE, bytes, bytes, flags, start), "mremap");
    return address / PAGE;
  }

  advise(span: PageSpan, advice: keyof typeof ADVICE): void {
    checked(madvise(span.page * PAGE, span.pages * PAGE, ADVICE[advice]), "madvise");
  }

  // A CPU access is made by the kernel's copy to and from user memory: a real fault, but an error and not a signal.
  load(page: number, into: Uint8Array): void {
    this.#whole(pwrite(this.#scratch, page * PAGE, into.length, 0), into.length, "CPU read");
    for (let done = 0; done < into.length; )
      done += readSync(this.#scratch, into, done, into.length - done, done);
  }

  store(page: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; )
      done += writeSync(this.#scratch, from, done, from.length - done, done);
    this.#whole(pread(this.#scratch, page * PAGE, from.length, 0), from.length, "CPU write");
  }

  /** A copy that ended early met a page that it could not access. */
  #whole(result: number | bigint, bytes: number, call: string): void {
    const count = checked(result, call);
    if (count !== bytes)
      throw new HmsError("EFAULT", "EFAULT", `${call} failed with EFAULT after ${count} bytes`);
  }

  touch(span: PageSpan): void {
    for (let i = 0; i < span.pages; i++)
      checked(pwrite(this.#scratch, (span.page + i) * PAGE, 4, 0), "CPU read");
  }

  pin(span: PageSpan, kind: "short" | "long", write: boolean): void {
    this.#gup ??= openSync("/sys/kernel/debug/gup_test", "r+");
    const view = new DataView(new ArrayBuffer(80));
    if (kind === "long") {
      view.setBigUint64(0, BigInt(span.page * PAGE), true);
      view.setBigUint64(8, BigInt(span.pages * PAGE), true);
      view.setUint32(16, write ? 1 : 0, true);
      this.#copies.store(0, new Uint8Array(view.buffer));
      // The kernel's device holds one long pin at a time; another one is taken and given back at once.
      if (ioctl(this.#gup, iowr(0x67, 7, 24, 1), this.#copies.address) === 0) return;
      this.#pinBriefly(span, write, 3);
      return;
    }
    this.#pinBriefly(span, write, 4);
  }

  /** `call` 3 pins for long, 4 takes a plain reference. */
  #pinBriefly(span: PageSpan, write: boolean, call: 3 | 4): void {
    const view = new DataView(new ArrayBuffer(80));
    view.setBigUint64(16, BigInt(span.page * PAGE), true);
    view.setBigUint64(24, BigInt(span.pages * PAGE), true);
    view.setUint32(32, span.pages, true);
    view.setUint32(36, write ? 1 : 0, true);
    this.#copies.store(0, new Uint8Array(view.buffer));
    checked(ioctl(this.#gup ?? -1, iowr(0x67, call, 80), this.#copies.address), "pin");
  }

  fork(): CaseProcess {
    throw new Error("a Node process cannot fork");
  }

  end(): void {
    if (this.#gup !== null) {
      ioctl(this.#gup, iowr(0x67, 8, 0, 0), 0n);
      closeSync(this.#gup);
      this.#gup = null;
    }
    munmap(WINDOW, this.#next - WINDOW);
    this.#next = WINDOW;
    for (const file of this.#files.splice(0)) closeSync(file.fd);
  }

  close(): void {
    this.end();
    this.#copies.close();
    closeSync(this.#scratch);
  }
}

class KernelMachine implements CaseMachine {
  readonly process: KernelProcess = new KernelProcess();
  close(): void {
    this.process.close();
  }
}

/** The kernel this runs on, if it has its HMM test device; what it lacks is missing among the capabilities. */
export function kernelHost(): CaseHost {
  const devices = readdirSync("/dev").filter((name) => /^hmm_dmirror\d$/.test(name));
  const capabilities = new Set(["private", "file", "shared", "exclusive", "remap", "mixedmap"]);
  if (devices.length > 2) capabilities.add("coherent");
  if (existsSync("/sys/kernel/debug/gup_test")) capabilities.add("pin");
  if (existsSync("/sys/kernel/mm/transparent_hugepage/enabled")) capabilities.add("thp");
  const huge = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
  if (existsSync(huge) && Number(readFileSync(huge, "utf8")) > 0) capabilities.add("hugetlb");
  return {
    name: "kernel",
    capabilities,
    devices: { private: Math.min(2, devices.length), coherent: Math.max(0, devices.length - 2) },
    start: () => new KernelMachine(),
  };
}
