// The C library, by its own names: what the rest of sys/ is made of, and the only file that knows koffi. Addresses and
// sizes are numbers (below 2^47). A function answers as C does; `failed()` turns its -1 into a negative errno.
import { HmsError } from "@hms/topology";
import koffi from "koffi";
import type { Address, ByteCount } from "./units.ts";

/** Who asks for the library by this name finds glibc; elsewhere what the program itself is linked with is taken. */
const LIBRARY = "libc.so.6";

function load(): ReturnType<typeof koffi.load> {
  if (process.platform !== "linux") {
    const text = `The linux host needs Linux and this is ${process.platform}; use the simulated host (--host model).`;
    throw new HmsError("ABI_MISMATCH", "ENOSYS", text);
  }
  try {
    return koffi.load(LIBRARY);
  } catch {
    return koffi.load(null);
  }
}

const library = load();

/** The errno of the last call of this thread, negative: to be asked right after a call that returned -1. */
export const failed = (): number => -koffi.errno();

export const syscall: (number: number, a: number, b: number, c: number) => number = library.func(
  "int64_t syscall(int64_t, uint64_t, uint64_t, uint64_t)",
);
/** A system call with all of its six arguments. */
export const syscall6: (
  number: number,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
) => number = library.func("int64_t syscall(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)");
export const ioctl: (fd: number, request: number, argument: Address) => number = library.func(
  "int ioctl(int, uint64_t, uint64_t)",
);
export const open: (path: string, flags: number, mode: number) => number = library.func(
  "int open(const char*, int, int)",
);
export const close: (fd: number) => number = library.func("int close(int)");
export const unlink: (path: string) => number = library.func("int unlink(const char*)");
export const read: (fd: number, to: Address, bytes: ByteCount) => number = library.func(
  "int64_t read(int, uint64_t, uint64_t)",
);
export const write: (fd: number, from: Address, bytes: ByteCount) => number = library.func(
  "int64_t write(int, uint64_t, uint64_t)",
);
export const writeText: (fd: number, text: string, bytes: ByteCount) => number = library.func(
  "int64_t write(int, const char*, uint64_t)",
);
export const pread: (fd: number, to: Address, bytes: ByteCount, offset: ByteCount) => number = library.func(
  "int64_t pread64(int, uint64_t, uint64_t, int64_t)",
);
export const pwrite: (fd: number, from: Address, bytes: ByteCount, offset: ByteCount) => number =
  library.func("int64_t pwrite64(int, uint64_t, uint64_t, int64_t)");
export const lseek: (fd: number, offset: ByteCount, from: number) => number = library.func(
  "int64_t lseek64(int, int64_t, int)",
);
export const ftruncate: (fd: number, bytes: ByteCount) => number = library.func(
  "int ftruncate64(int, int64_t)",
);
export const fallocate: (fd: number, mode: number, offset: ByteCount, bytes: ByteCount) => number =
  library.func("int fallocate64(int, int, int64_t, int64_t)");
export const fsync: (fd: number) => number = library.func("int fsync(int)");
export const fcntl: (fd: number, command: number, argument: Address) => number = library.func(
  "int fcntl(int, int, uint64_t)",
);
export const syncFileRange: (fd: number, offset: ByteCount, bytes: ByteCount, flags: number) => number =
  library.func("int sync_file_range(int, int64_t, int64_t, uint)");
/** Returns the error itself (positive) and leaves errno alone, as POSIX has it. */
export const fadvise: (fd: number, offset: ByteCount, bytes: ByteCount, advice: number) => number =
  library.func("int posix_fadvise64(int, int64_t, int64_t, int)");
export const poll: (fds: Address, count: number, timeoutMs: number) => number = library.func(
  "int poll(uint64_t, uint64_t, int)",
);
export const epollCreate: (flags: number) => number = library.func("int epoll_create1(int)");
export const epollCtl: (epoll: number, operation: number, fd: number, event: Address) => number =
  library.func("int epoll_ctl(int, int, int, uint64_t)");
export const epollWait: (epoll: number, events: Address, most: number, timeoutMs: number) => number =
  library.func("int epoll_wait(int, uint64_t, int, int)");
export const getsockopt: (
  fd: number,
  level: number,
  name: number,
  value: Address,
  length: Address,
) => number = library.func("int getsockopt(int, int, int, uint64_t, uint64_t)");
export const prctl: (option: number, a: number, b: number, c: number, text: string) => number = library.func(
  "int prctl(int, uint64_t, uint64_t, uint64_t, const char*)",
);

export const mmap: (
  at: Address,
  bytes: ByteCount,
  protection: number,
  flags: number,
  fd: number,
  offset: ByteCount,
) => number = library.func("int64_t mmap64(uint64_t, uint64_t, int, int, int, int64_t)");
export const munmap: (address: Address, bytes: ByteCount) => number = library.func(
  "int munmap(uint64_t, uint64_t)",
);
export const mprotect: (address: Address, bytes: ByteCount, protection: number) => number = library.func(
  "int mprotect(uint64_t, uint64_t, int)",
);
export const mremap: (
  address: Address,
  bytes: ByteCount,
  newBytes: ByteCount,
  flags: number,
  to: Address,
) => number = library.func("int64_t mremap(uint64_t, uint64_t, uint64_t, int, uint64_t)");
export const madvise: (address: Address, bytes: ByteCount, advice: number) => number = library.func(
  "int madvise(uint64_t, uint64_t, int)",
);
export const memfdCreate: (name: string, flags: number) => number = library.func(
  "int memfd_create(const char*, uint)",
);
/** Copies where the ranges may overlap. Answers the destination. */
export const memmove: (to: Address, from: Address, bytes: ByteCount) => number = library.func(
  "uint64_t memmove(uint64_t, uint64_t, uint64_t)",
);

export const eventfd: (value: number, flags: number) => number = library.func("int eventfd(uint, int)");
export const schedYield: () => number = library.func("int sched_yield()");
export const schedSetaffinity: (thread: number, bytes: ByteCount, mask: Address) => number = library.func(
  "int sched_setaffinity(int, uint64_t, uint64_t)",
);
export const schedGetaffinity: (thread: number, bytes: ByteCount, mask: Address) => number = library.func(
  "int sched_getaffinity(int, uint64_t, uint64_t)",
);
export const schedGetcpu: () => number = library.func("int sched_getcpu()");
export const setpriority: (which: number, who: number, nice: number) => number = library.func(
  "int setpriority(int, int, int)",
);
/** The lists end with null. Answers only when it failed. */
export const execve: (
  path: string,
  args: readonly (string | null)[],
  env: readonly (string | null)[],
) => number = library.func("int execve(const char*, const char**, const char**)");
/** Answers the handler before, or -1. */
export const signal: (number: number, handler: Address) => number = library.func(
  "int64_t signal(int, uint64_t)",
);
export const pthreadSelf: () => Address = library.func("uint64_t pthread_self()");
/** Ends the whole process at once, from any of its threads: nothing is flushed, no handler runs. */
export const exitNow = library.func("void _exit(int)") as unknown as (code: number) => never;

const dlsym = optional<(handle: number, name: string) => Address>("uint64_t dlsym(uint64_t, const char*)");

/** Null: a C library whose timers are in another library (glibc before 2.34). */
export const timerCreate: ((clock: number, event: Address, timer: Address) => number) | null = optional(
  "int timer_create(int, uint64_t, uint64_t)",
);
export const timerSettime: ((timer: bigint, flags: number, value: Address, old: Address) => number) | null =
  optional("int timer_settime(uint64_t, int, uint64_t, uint64_t)");
export const timerDelete: ((timer: bigint) => number) | null = optional("int timer_delete(uint64_t)");

/** The address of a symbol of the C library, or null when it has none of that name. */
export function symbolAddress(name: string): Address | null {
  return dlsym?.(0, name) || null;
}

function optional<T>(definition: string): T | null {
  try {
    return library.func(definition) as T;
  } catch {
    return null;
  }
}

const code = koffi.proto("int64_t machine_code(uint64_t)");

/** Calls machine code: memory of ours that may be executed, and follows the C calling convention. */
export function callCode(at: Address, argument: number): number {
  return Number(koffi.call(BigInt(at), code, argument));
}

/**
 * A buffer over memory that is there already. It keeps nothing alive: whoever unmaps the memory detaches the buffer
 * first (`detach`). It cannot be transferred: nobody could detach what it became.
 */
export function bufferAt(address: Address, bytes: ByteCount): ArrayBuffer {
  return Object.defineProperties(koffi.view(address, bytes), STAYS);
}

/** The ways of a buffer to give its memory to another (structuredClone refuses by itself). */
const STAYS: PropertyDescriptorMap = Object.fromEntries(
  Object.getOwnPropertyNames(ArrayBuffer.prototype)
    .filter((name) => name.startsWith("transfer"))
    .map((name) => [name, { value: refuseTransfer }]),
);

function refuseTransfer(): never {
  throw new HmsError(
    "NOT_TRANSFERABLE",
    "EINVAL",
    "Transferring a buffer failed: its memory belongs to hms, and is gone when hms takes it back. Copy it (slice), or use it where it is.",
  );
}

/** Takes a buffer's memory away from it: what views it finds no bytes any more. The memory stays as it is. */
export function detach(buffer: ArrayBuffer): void {
  if (!buffer.detached) ArrayBuffer.prototype.transfer.call(buffer, 0);
}

/** Address of a buffer's first byte. The buffer must live as long as the address is used. */
export function addressOf(buffer: ArrayBufferLike): Address {
  return Number(koffi.address(buffer));
}

/** `_SC_PAGESIZE` of glibc and musl. */
const SC_PAGESIZE = 30;
const sysconf: (name: number) => number = library.func("int64_t sysconf(int)");

/** Bytes of a page of the kernel that runs. */
export function pageBytes(): ByteCount {
  return sysconf(SC_PAGESIZE);
}
