import * as abi from "./abi.generated.ts";
import { orThrow } from "./errno.ts";
import * as libc from "./libc.ts";
import { Scratch } from "./scratch.ts";

const { epollEvent } = abi;

/** Descriptors that one Waiter waits for, at most. */
export const WAITER_FDS_MAX = 64;

/** A bell between threads: rung by any, heard by who polls its descriptor. Ringing twice is ringing once. */
export class EventFd implements Disposable {
  readonly #own: boolean;
  readonly #scratch = new Scratch();
  #fd: number;

  private constructor(fd: number, own: boolean) {
    this.#fd = fd;
    this.#own = own;
    this.#scratch.put(0, 1);
  }

  /** Its descriptor; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Makes one. Throws `NO_DESCRIPTOR`. */
  static create(): EventFd {
    const fd = libc.eventfd(0, abi.EFD_CLOEXEC | abi.EFD_NONBLOCK);
    const what = "Making an eventfd failed";
    const remedy = "close descriptors, or raise the limit (ulimit -n)";
    return new EventFd(orThrow(fd === -1 ? libc.failed() : fd, "NO_DESCRIPTOR", what, remedy), true);
  }

  /** The same bell in another thread: closing it leaves the descriptor open. */
  static of(fd: number): EventFd {
    return new EventFd(fd, false);
  }

  /** Rings: 0 or a negative errno. */
  signal(): number {
    if (libc.write(this.#fd, this.#scratch.address, 8) === 8) return 0;
    const errno = libc.failed();
    return errno === -abi.EAGAIN ? 0 : errno; // so often rung that it cannot count on: it rings
  }

  /** Makes it silent: how often it was rung since, 0 when it was not, or a negative errno. */
  drain(): number {
    if (libc.read(this.#fd, this.#scratch.address + 8, 8) === 8) return this.#scratch.get(8);
    const errno = libc.failed();
    return errno === -abi.EAGAIN ? 0 : errno;
  }

  close(): void {
    if (this.#fd < 0) return;
    if (this.#own) libc.close(this.#fd);
    this.#fd = -1;
    this.#scratch[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Waits until one of a fixed set of descriptors can be read, without allocating. They must stay open for as long. */
export class Waiter implements Disposable {
  readonly #scratch = new Scratch();
  readonly #epoll: number;
  readonly #count: number;
  readonly #ready: Uint8Array;
  #open = true;

  /** Throws `NO_DESCRIPTOR`, RangeError. */
  constructor(fds: readonly number[]) {
    if (fds.length > WAITER_FDS_MAX) {
      throw new RangeError(`A Waiter takes up to ${WAITER_FDS_MAX} descriptors, not ${fds.length}.`);
    }
    const remedy = "close descriptors, or raise the limit (ulimit -n)";
    const made = libc.epollCreate(abi.EPOLL_CLOEXEC);
    this.#epoll = orThrow(
      made === -1 ? libc.failed() : made,
      "NO_DESCRIPTOR",
      "Making an epoll failed",
      remedy,
    );
    this.#count = fds.length;
    this.#ready = new Uint8Array(fds.length);
    for (const [i, fd] of fds.entries()) this.#add(i, fd);
  }

  #add(i: number, fd: number): void {
    this.#scratch.words[epollEvent.events >>> 2] = abi.EPOLLIN;
    this.#scratch.words[epollEvent.data >>> 2] = i;
    if (libc.epollCtl(this.#epoll, abi.EPOLL_CTL_ADD, fd, this.#scratch.address) === 0) return;
    const errno = libc.failed();
    this.close();
    orThrow(errno, "NO_DESCRIPTOR", `Waiting for descriptor ${fd} failed`, "give one that is open");
  }

  /**
   * Sleeps until a descriptor is ready or `timeoutMs` is over (rounded up to whole ones; negative: for ever). Answers
   * how many are ready, 0 after the time or a signal, or a negative errno.
   */
  wait(timeoutMs: number): number {
    const { address, words } = this.#scratch;
    // A few: the library's fill costs more.
    for (let i = 0; i < this.#count; i++) this.#ready[i] = 0;
    const found = libc.epollWait(this.#epoll, address, Math.max(1, this.#count), Math.ceil(timeoutMs));
    if (found < 0) {
      const errno = libc.failed();
      return errno === -abi.EINTR ? 0 : errno;
    }
    for (let k = 0; k < found; k++) {
      const at = k * epollEvent.bytes;
      this.#ready[words[(at + epollEvent.data) >>> 2] as number] = words[
        (at + epollEvent.events) >>> 2
      ] as number;
    }
    return found;
  }

  /** As `wait`, but never sleeps: asks again and again, `times` times at most. */
  spin(times: number): number {
    let ready = 0;
    for (let i = 0; ready === 0 && i < times; i++) ready = this.wait(0);
    return ready;
  }

  /** `EPOLL*` bits of the descriptor at this place in the list, as the last wait left them. */
  ready(i: number): number {
    return this.#ready[i] ?? 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc.close(this.#epoll);
    this.#scratch[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
