import * as abi from "./abi.generated.ts";
import { orThrow } from "./errno.ts";
import * as libc from "./libc.ts";
import { Scratch } from "./scratch.ts";

const { pollfd } = abi;

/** Descriptors that one Waiter waits for, at most. */
export const WAITER_FDS_MAX = 64;

const WAITER_TIMEOUT = 1024;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

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

/** Waits until one of a fixed set of descriptors can be read, without allocating. */
export class Waiter implements Disposable {
  readonly #scratch = new Scratch();
  readonly #count: number;
  #open = true;

  constructor(fds: readonly number[]) {
    if (fds.length > WAITER_FDS_MAX) {
      throw new RangeError(`A Waiter takes up to ${WAITER_FDS_MAX} descriptors, not ${fds.length}.`);
    }
    this.#count = fds.length;
    for (const [i, fd] of fds.entries()) {
      this.#scratch.signed[(i * pollfd.bytes + pollfd.fd) >>> 2] = fd;
      this.#scratch.octets[i * pollfd.bytes + pollfd.events] = abi.POLLIN;
    }
  }

  /**
   * Sleeps until a descriptor is ready or `timeoutMs` is over (fractions count; negative: for ever). Answers how many
   * are ready, 0 after the time or a signal, or a negative errno.
   */
  wait(timeoutMs: number): number {
    let timeout = 0;
    if (timeoutMs >= 0) {
      const ns = timeoutMs * NS_PER_MS;
      const seconds = Math.floor(ns / NS_PER_S);
      this.#scratch.put(WAITER_TIMEOUT, seconds);
      this.#scratch.put(WAITER_TIMEOUT + 8, Math.floor(ns - seconds * NS_PER_S));
      timeout = this.#scratch.address + WAITER_TIMEOUT;
    }
    const ready = libc.ppoll(this.#scratch.address, this.#count, timeout, 0);
    if (ready >= 0) return ready;
    const errno = libc.failed();
    if (errno !== -abi.EINTR) return errno;
    for (let i = 0; i < this.#count; i++) this.#clear(i);
    return 0;
  }

  /** As `wait`, but never sleeps: asks again and again, `times` times at most. */
  spin(times: number): number {
    let ready = 0;
    for (let i = 0; ready === 0 && i < times; i++) ready = this.wait(0);
    return ready;
  }

  /** `POLL*` bits of the descriptor at this place in the list, as the last wait left them. */
  ready(i: number): number {
    const at = i * pollfd.bytes + pollfd.revents;
    return (this.#scratch.octets[at] as number) | ((this.#scratch.octets[at + 1] as number) << 8);
  }

  #clear(i: number): void {
    this.#scratch.octets.fill(0, i * pollfd.bytes + pollfd.revents, i * pollfd.bytes + pollfd.revents + 2);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#scratch[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
