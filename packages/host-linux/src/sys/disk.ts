import { randomUUID } from "node:crypto";
import { fstatSync } from "node:fs";
import { join } from "node:path";
import { HmsError } from "@hms/topology";
import * as abi from "./abi.generated.ts";
import { orThrow } from "./errno.ts";
import * as libc from "./libc.ts";
import { Scratch } from "./scratch.ts";
import type { Address, ByteCount } from "./units.ts";

/** Bytes of one system call at most: the kernel itself stops a page short of 2 GiB. */
export const TRANSFER_MAX: ByteCount = 1 << 30;

/** Signals that one transfer survives. */
export const INTERRUPTS_MAX = 1000;

/** Where backing files are made by default: on disk by convention, where the folder for short-lived files may be RAM. */
export const SWAP_DIRECTORY = "/var/tmp";

const SEEK_END = 2;
const SEEK_DATA = 3;

/** `SYNC_FILE_RANGE_WAIT_BEFORE`, `_WRITE` and `_WAIT_AFTER`. */
const FLUSH_AND_WAIT = 1 | 2 | 4;

/** `F_OFD_SETLK`, `F_WRLCK` and the fields of `struct flock`, the same on all machines with addresses of 64 bits. */
const OFD_SETLK = 37;
const LOCK_FOR_WRITING = 1;
const FLOCK = { start: 8, length: 16, process: 24 } as const;

/** What both kinds of files do. Offsets and addresses need no alignment. */
class OpenFile implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Its descriptor; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Reads to an address: the bytes read, fewer than asked for only at the end of the file, or a negative errno. */
  pread(to: Address, bytes: ByteCount, offset: ByteCount): number {
    let done = 0;
    for (let interrupts = 0; done < bytes; ) {
      const part = Math.min(bytes - done, TRANSFER_MAX);
      const got = libc.pread(this.#fd, to + done, part, offset + done);
      if (got === 0) break;
      if (got > 0) {
        done += got;
        continue;
      }
      const errno = libc.failed();
      if (errno !== -abi.EINTR || ++interrupts > INTERRUPTS_MAX) return errno;
    }
    return done;
  }

  /**
   * Writes from an address: `bytes`, or a negative errno (ENOSPC, EDQUOT, EFBIG, EIO, EFAULT). After an error some of
   * the bytes may have been written.
   */
  pwrite(from: Address, bytes: ByteCount, offset: ByteCount): number {
    let done = 0;
    for (let interrupts = 0; done < bytes; ) {
      const part = Math.min(bytes - done, TRANSFER_MAX);
      const put = libc.pwrite(this.#fd, from + done, part, offset + done);
      if (put > 0) {
        done += put;
        continue;
      }
      if (put === 0) return -abi.EIO; // a file that takes nothing and gives no reason
      const errno = libc.failed();
      if (errno !== -abi.EINTR || ++interrupts > INTERRUPTS_MAX) return errno;
    }
    return done;
  }

  /** Length in bytes, as it is now; a negative errno for what has none. */
  get size(): number {
    const end = libc.lseek(this.#fd, 0, SEEK_END);
    return end === -1 ? libc.failed() : end;
  }

  /** Cuts off or extends with zeros: 0 or a negative errno. */
  ftruncate(bytes: ByteCount): number {
    return libc.ftruncate(this.#fd, bytes) === 0 ? 0 : libc.failed();
  }

  /** Gives the blocks of a range back to the file system; it reads as zeros: 0 or a negative errno (EOPNOTSUPP). */
  punchHole(offset: ByteCount, bytes: ByteCount): number {
    const mode = abi.FALLOC_FL_PUNCH_HOLE | abi.FALLOC_FL_KEEP_SIZE;
    return libc.fallocate(this.#fd, mode, offset, bytes) === 0 ? 0 : libc.failed();
  }

  /**
   * Keeps others from locking a range, in this process or another, until the file is closed: 0, or a negative errno
   * (EAGAIN: someone else has locked a part of it; EINVAL, EOPNOTSUPP, ENOLCK where the file system has no locks).
   */
  lock(offset: ByteCount, bytes: ByteCount): number {
    using scratch = new Scratch();
    scratch.words[0] = LOCK_FOR_WRITING;
    scratch.put(FLOCK.start, offset);
    scratch.put(FLOCK.length, bytes);
    scratch.put(FLOCK.process, 0);
    return libc.fcntl(this.#fd, OFD_SETLK, scratch.address) === 0 ? 0 : libc.failed();
  }

  /** Whether a range has bytes on disk or in the page cache; false: it is a hole, which reads as zeros. */
  hasData(offset: ByteCount, bytes: ByteCount): boolean {
    const next = libc.lseek(this.#fd, offset, SEEK_DATA);
    return next === -1 ? libc.failed() !== -abi.ENXIO : next < offset + bytes;
  }

  /** Says how a range will be used (`POSIX_FADV_*`): 0 or a negative errno. */
  fadvise(offset: ByteCount, bytes: ByteCount, advice: number): number {
    return 0 - libc.fadvise(this.#fd, offset, bytes, advice);
  }

  /**
   * Waits until what was written of a range is on its way to the disk and has come there, but not what the file system
   * knows of the file; `fsync` after it is short. 0 or a negative errno (EIO; ESPIPE, EINVAL where there is no such call).
   */
  flush(offset: ByteCount, bytes: ByteCount): number {
    return libc.syncFileRange(this.#fd, offset, bytes, FLUSH_AND_WAIT) === 0 ? 0 : libc.failed();
  }

  /** Waits until all that was written is on the disk: 0 or a negative errno (EIO: bytes were lost). */
  fsync(): number {
    return libc.fsync(this.fd) === 0 ? 0 : libc.failed();
  }

  close(): void {
    if (this.#fd < 0) return;
    libc.close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A file without a name, gone with the process however it ends: where pages are while they are not in memory. */
export class SwapFile extends OpenFile {
  readonly directory: string;

  /** Makes one in a directory. Throws `NO_BACKING_FILE`. */
  constructor(directory: string = SWAP_DIRECTORY) {
    const fd = openNameless(directory);
    const what = `Making a backing file in ${directory} failed`;
    super(orThrow(fd, "NO_BACKING_FILE", what, "name a directory on a disk that can be written to"));
    this.directory = directory;
  }
}

function openNameless(directory: string): number {
  const flags = abi.O_RDWR | abi.O_CLOEXEC;
  const fd = libc.open(directory, flags | abi.__O_TMPFILE | abi.O_DIRECTORY, 0o600);
  if (fd >= 0) return fd;
  const errno = libc.failed();
  // File systems without nameless files say so in one of these two ways.
  if (errno !== -abi.EOPNOTSUPP && errno !== -abi.EISDIR) return errno;
  return openUnlinked(directory);
}

/** Where the file system has no nameless files: made with a name, which is taken away at once. */
export function openUnlinked(directory: string): number {
  const path = join(directory, `.hms-${randomUUID()}`);
  const flags = abi.O_RDWR | abi.O_CLOEXEC | abi.O_CREAT | abi.O_EXCL;
  const fd = libc.open(path, flags, 0o600);
  if (fd < 0) return libc.failed();
  if (libc.unlink(path) === 0) return fd;
  const errno = libc.failed();
  libc.close(fd);
  return errno;
}

/** A file of the user's. */
export class DataFile extends OpenFile {
  readonly path: string;
  readonly writable: boolean;

  private constructor(fd: number, path: string, writable: boolean) {
    super(fd);
    this.path = path;
    this.writable = writable;
  }

  /** Opens a file that is there. Throws `FILE_NOT_OPENED` (ENOENT, EACCES, …). */
  static open(path: string, options: { readonly writable?: boolean } = {}): DataFile {
    const writable = options.writable === true;
    const fd = libc.open(path, (writable ? abi.O_RDWR : abi.O_RDONLY) | abi.O_CLOEXEC, 0);
    const how = writable ? "reading and writing" : "reading";
    const what = `Opening ${path} for ${how} failed`;
    const opened = orThrow(
      fd === -1 ? libc.failed() : fd,
      "FILE_NOT_OPENED",
      what,
      "check its path and rights",
    );
    return new DataFile(opened, path, writable);
  }

  /** Opens a regular file, which has pages: no folder, device or pipe. Throws `NOT_A_FILE` (EINVAL) too. */
  static openRegular(path: string, options: { readonly writable?: boolean } = {}): DataFile {
    const file = DataFile.open(path, options);
    if (fstatSync(file.fd).isFile()) return file;
    file.close();
    throw new HmsError(
      "NOT_A_FILE",
      "EINVAL",
      `Opening ${path} failed: it is no regular file; give the path of one.`,
    );
  }
}
