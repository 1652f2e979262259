import { HmsError } from "@hms/topology";
import * as abi from "./abi.generated.ts";
import { checkAbi } from "./abi.ts";
import { errnoName, errnoText, orThrow } from "./errno.ts";
import { close, failed, fcntl, ioctl, open, read, syscall } from "./libc.ts";
import { Scratch } from "./scratch.ts";
import type { Address, ByteCount } from "./units.ts";

const { uffdioApi, uffdioRange, uffdioRegister, uffdioCopy, uffdioZeropage, uffdioMove } = abi;
const { uffdioWriteprotect, uffdioContinue, uffdioPoison, uffdMsg } = abi;

/** Messages that one `read()` takes at most. */
export const MESSAGES_MAX = 64;

/** Where in the scratch memory the messages are; the arguments of ioctls are at its beginning. */
const MESSAGES = 512;
const DEVICE = "/dev/userfaultfd";

/** How a userfaultfd is opened. */
export interface UserfaultfdOptions {
  /** `UFFD_FEATURE_*` that must be there. */
  readonly features: number;
  /** Asks for no more than faults from user mode, also where all would be allowed. */
  readonly userModeOnly?: boolean;
}

/** The descriptor, and whether it serves faults from user mode only. Or the errno of the system call. */
export interface Opened {
  readonly fd: number;
  readonly userModeOnly: boolean;
  /** The errno (negative) that the system call for all faults gave; 0 when it did not fail. */
  readonly refused: number;
}

/**
 * Opens without a handshake. The system call comes first: it is what root, CAP_SYS_PTRACE and
 * vm.unprivileged_userfaultfd allow; the device node needs only the right to open it, and is seldom there. What both
 * refuse is still had for faults from user mode. `fd` is a negative errno when nothing was to be had.
 */
export function openUserfaultfd(userModeOnly: boolean): Opened {
  const flags = abi.O_CLOEXEC | abi.O_NONBLOCK;
  let refused = 0;
  if (!userModeOnly) {
    const fd = syscall(abi.__NR_userfaultfd, flags, 0, 0);
    if (fd >= 0) return { fd, userModeOnly: false, refused: 0 };
    refused = failed();
    const device = open(DEVICE, abi.O_RDWR | abi.O_CLOEXEC, 0);
    if (device >= 0) {
      const made = ioctl(device, abi.USERFAULTFD_IOC_NEW, flags);
      close(device);
      if (made >= 0) return { fd: made, userModeOnly: false, refused };
    }
  }
  const fd = syscall(abi.__NR_userfaultfd, flags | abi.UFFD_USER_MODE_ONLY, 0, 0);
  return { fd: fd >= 0 ? fd : failed(), userModeOnly: true, refused };
}

/**
 * A userfaultfd: the faults of registered ranges come as messages, and are answered by the calls that fill, move,
 * protect or poison pages. One thread reads and answers; no call throws or allocates but `open`.
 *
 * Calls that work through a range answer the bytes done when there are any, also when an error ended them early: the
 * next call from there on says which. Otherwise they answer a negative errno.
 */
export class Userfaultfd implements Disposable {
  /** The `UFFD_FEATURE_*` that were asked for. */
  readonly features: number;
  /** The `UFFD_FEATURE_*` that this kernel has. */
  readonly available: number;
  /** System calls on registered memory that is not present fail with EFAULT instead of waiting. */
  readonly userModeOnly: boolean;
  readonly #scratch: Scratch;
  #fd: number;

  private constructor(opened: Opened, features: number, available: number, scratch: Scratch) {
    this.#fd = opened.fd;
    this.userModeOnly = opened.userModeOnly;
    this.features = features;
    this.available = available;
    this.#scratch = scratch;
  }

  /** Its descriptor; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Opens one, for faults of system calls too where that is allowed. Throws `NO_USERFAULTFD` when there is none to be
   * had (`requireCapabilities` says more), `NO_USERFAULTFD_FEATURE` when a feature is not there.
   */
  static open(options: UserfaultfdOptions): Userfaultfd {
    checkAbi();
    const opened = openUserfaultfd(options.userModeOnly === true);
    orThrow(opened.fd, "NO_USERFAULTFD", "Opening a userfaultfd failed", "see what hms needs of the kernel");
    const scratch = new Scratch();
    scratch.put(uffdioApi.api, abi.UFFD_API);
    scratch.put(uffdioApi.features, options.features);
    if (ioctl(opened.fd, abi.UFFDIO_API, scratch.address) === 0) {
      return new Userfaultfd(opened, options.features, scratch.get(uffdioApi.features), scratch);
    }
    const errno = failed();
    scratch[Symbol.dispose]();
    close(opened.fd);
    throw refusedFeatures(errno, options.features);
  }

  /**
   * Registers a range with `UFFDIO_REGISTER_MODE_*`: answers which ioctls the range takes, as bits by `_UFFDIO_*`, or a
   * negative errno: EINVAL (not aligned, nothing mapped, memory that cannot be registered so), EBUSY (registered with
   * another userfaultfd), EPERM.
   */
  register(address: Address, bytes: ByteCount, modes: number): number {
    const scratch = this.#scratch;
    scratch.put(uffdioRegister.start, address);
    scratch.put(uffdioRegister.len, bytes);
    scratch.put(uffdioRegister.mode, modes);
    scratch.put(uffdioRegister.ioctls, 0);
    if (ioctl(this.#fd, abi.UFFDIO_REGISTER, scratch.address) !== 0) return failed();
    return scratch.get(uffdioRegister.ioctls);
  }

  /** Ends the registration of a range and wakes who waits there: 0 or a negative errno. */
  unregister(address: Address, bytes: ByteCount): number {
    return this.#range(abi.UFFDIO_UNREGISTER, address, bytes);
  }

  /** Wakes who waits in a range: 0 or a negative errno. */
  wake(address: Address, bytes: ByteCount): number {
    return this.#range(abi.UFFDIO_WAKE, address, bytes);
  }

  #range(request: number, address: Address, bytes: ByteCount): number {
    const scratch = this.#scratch;
    scratch.put(uffdioRange.start, address);
    scratch.put(uffdioRange.len, bytes);
    return ioctl(this.#fd, request, scratch.address) === 0 ? 0 : failed();
  }

  /** Fills missing pages with a copy of `src`. Modes `UFFDIO_COPY_MODE_*`. EEXIST where a page is already. */
  copy(dst: Address, src: Address, bytes: ByteCount, mode: number): number {
    const scratch = this.#scratch;
    scratch.put(uffdioCopy.dst, dst);
    scratch.put(uffdioCopy.src, src);
    scratch.put(uffdioCopy.len, bytes);
    scratch.put(uffdioCopy.mode, mode);
    scratch.put(uffdioCopy.copy, 0);
    if (ioctl(this.#fd, abi.UFFDIO_COPY, scratch.address) === 0) return bytes;
    return this.#progress(uffdioCopy.copy);
  }

  /** Fills missing pages with zeros. Mode `UFFDIO_ZEROPAGE_MODE_DONTWAKE`. */
  zeropage(dst: Address, bytes: ByteCount, mode: number): number {
    const scratch = this.#scratch;
    scratch.put(uffdioZeropage.start, dst);
    scratch.put(uffdioZeropage.len, bytes);
    scratch.put(uffdioZeropage.mode, mode);
    scratch.put(uffdioZeropage.zeropage, 0);
    if (ioctl(this.#fd, abi.UFFDIO_ZEROPAGE, scratch.address) === 0) return bytes;
    return this.#progress(uffdioZeropage.zeropage);
  }

  /**
   * Moves pages from `src` to missing places at `dst`, without a copy. Modes `UFFDIO_MOVE_MODE_*`. EBUSY for a page
   * that is shared or pinned, ENOENT for a hole in `src` (without ALLOW_SRC_HOLES), EEXIST for a page at `dst`.
   */
  move(dst: Address, src: Address, bytes: ByteCount, mode: number): number {
    const scratch = this.#scratch;
    scratch.put(uffdioMove.dst, dst);
    scratch.put(uffdioMove.src, src);
    scratch.put(uffdioMove.len, bytes);
    scratch.put(uffdioMove.mode, mode);
    scratch.put(uffdioMove.move, 0);
    if (ioctl(this.#fd, abi.UFFDIO_MOVE, scratch.address) === 0) return bytes;
    return this.#progress(uffdioMove.move);
  }

  /** Protects a range against writes, or ends that. Modes `UFFDIO_WRITEPROTECT_MODE_*`: 0 or a negative errno. */
  writeProtect(address: Address, bytes: ByteCount, mode: number): number {
    const scratch = this.#scratch;
    scratch.put(uffdioWriteprotect.start, address);
    scratch.put(uffdioWriteprotect.len, bytes);
    scratch.put(uffdioWriteprotect.mode, mode);
    return ioctl(this.#fd, abi.UFFDIO_WRITEPROTECT, scratch.address) === 0 ? 0 : failed();
  }

  /** Maps pages that the file of shared memory has already. Modes `UFFDIO_CONTINUE_MODE_*`. EFAULT: it has none. */
  continueAt(address: Address, bytes: ByteCount, mode: number): number {
    const scratch = this.#scratch;
    scratch.put(uffdioContinue.start, address);
    scratch.put(uffdioContinue.len, bytes);
    scratch.put(uffdioContinue.mode, mode);
    scratch.put(uffdioContinue.mapped, 0);
    if (ioctl(this.#fd, abi.UFFDIO_CONTINUE, scratch.address) === 0) return bytes;
    return this.#progress(uffdioContinue.mapped);
  }

  /** Makes missing pages such that a touch is a SIGBUS, a system call's an EHWPOISON or EFAULT. */
  poison(address: Address, bytes: ByteCount, mode: number): number {
    const scratch = this.#scratch;
    scratch.put(uffdioPoison.start, address);
    scratch.put(uffdioPoison.len, bytes);
    scratch.put(uffdioPoison.mode, mode);
    scratch.put(uffdioPoison.updated, 0);
    if (ioctl(this.#fd, abi.UFFDIO_POISON, scratch.address) === 0) return bytes;
    return this.#progress(uffdioPoison.updated);
  }

  #progress(field: ByteCount): number {
    const errno = failed();
    const done = this.#scratch.getSigned(field);
    return done > 0 ? done : errno;
  }

  /**
   * Whether `read` waits for a message; at first it does not. While it does, nobody can poll the descriptor. 0 or a
   * negative errno.
   */
  setBlocking(on: boolean): number {
    return fcntl(this.#fd, abi.F_SETFL, on ? 0 : abi.O_NONBLOCK) === 0 ? 0 : failed();
  }

  /** Takes up to MESSAGES_MAX messages: how many, 0 when there are none, or a negative errno. See `setBlocking`. */
  read(): number {
    const got = read(this.#fd, this.#scratch.address + MESSAGES, MESSAGES_MAX * uffdMsg.bytes);
    if (got >= 0) return got / uffdMsg.bytes;
    const errno = failed();
    return errno === -abi.EAGAIN || errno === -abi.EINTR ? 0 : errno;
  }

  /** `UFFD_EVENT_*` of a message of the last `read()`. */
  event(i: number): number {
    return this.#scratch.octets[MESSAGES + i * uffdMsg.bytes + uffdMsg.event] as number;
  }

  /** Of a page fault: `UFFD_PAGEFAULT_FLAG_*`. */
  flags(i: number): number {
    return this.#scratch.words[(MESSAGES + i * uffdMsg.bytes + uffdMsg.flags) >>> 2] as number;
  }

  /** Of a page fault: where, to the byte with UFFD_FEATURE_EXACT_ADDRESS, else its page. */
  address(i: number): Address {
    return this.#scratch.get(MESSAGES + i * uffdMsg.bytes + uffdMsg.address);
  }

  /** Of a page fault, with UFFD_FEATURE_THREAD_ID: the thread. */
  thread(i: number): number {
    return this.#scratch.words[(MESSAGES + i * uffdMsg.bytes + uffdMsg.thread) >>> 2] as number;
  }

  /** Of a fork: the descriptor for the child, ours to close. */
  forkFd(i: number): number {
    return this.#scratch.words[(MESSAGES + i * uffdMsg.bytes + uffdMsg.forkFd) >>> 2] as number;
  }

  /** Of a remove or unmap: the first byte. */
  start(i: number): Address {
    return this.#scratch.get(MESSAGES + i * uffdMsg.bytes + uffdMsg.start);
  }

  /** Of a remove or unmap: the byte after the last. */
  end(i: number): Address {
    return this.#scratch.get(MESSAGES + i * uffdMsg.bytes + uffdMsg.end);
  }

  /** Of a remap: where the range was. */
  from(i: number): Address {
    return this.#scratch.get(MESSAGES + i * uffdMsg.bytes + uffdMsg.from);
  }

  /** Of a remap: where the range is now. */
  to(i: number): Address {
    return this.#scratch.get(MESSAGES + i * uffdMsg.bytes + uffdMsg.to);
  }

  /** Of a remap: the bytes of the range that were moved. */
  length(i: number): ByteCount {
    return this.#scratch.get(MESSAGES + i * uffdMsg.bytes + uffdMsg.len);
  }

  /** Closes: all registrations end, and who waits faults again, with nobody to answer but the kernel. */
  close(): void {
    if (this.#fd < 0) return;
    close(this.#fd);
    this.#fd = -1;
    this.#scratch[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The `UFFD_FEATURE_*` that the kernel has, or a negative errno. */
export function availableFeatures(): number {
  const { fd } = openUserfaultfd(false);
  if (fd < 0) return fd;
  using scratch = new Scratch();
  scratch.put(uffdioApi.api, abi.UFFD_API);
  const features =
    ioctl(fd, abi.UFFDIO_API, scratch.address) === 0 ? scratch.get(uffdioApi.features) : failed();
  close(fd);
  return features;
}

/** The names of `UFFD_FEATURE_*` bits, in the order of the bits. */
export function featureNames(features: number): string[] {
  const prefix = "UFFD_FEATURE_";
  return Object.entries(abi)
    .filter(([name, bit]) => name.startsWith(prefix) && (features & (bit as number)) !== 0)
    .sort(([, a], [, b]) => (a as number) - (b as number))
    .map(([name]) => name.slice(prefix.length));
}

function refusedFeatures(errno: number, wanted: number): HmsError {
  const available = availableFeatures();
  const missing = available < 0 ? wanted : wanted & ~available;
  if (missing !== 0) {
    const names = featureNames(missing).join(", ");
    const text = `This kernel's userfaultfd has no ${names}; boot Linux 6.8 or later.`;
    return new HmsError("NO_USERFAULTFD_FEATURE", "EOPNOTSUPP", text);
  }
  const text = `The userfaultfd did not take the features ${featureNames(wanted).join(", ")}: ${errnoText(errno)}; EVENT_FORK needs CAP_SYS_PTRACE.`;
  return new HmsError("NO_USERFAULTFD_FEATURE", errnoName(errno), text);
}
