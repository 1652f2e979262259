import { CLOCK_MONOTONIC, itimerspec, SIGEV_THREAD, sigevent } from "./abi.generated.ts";
import { symbolAddress, timerCreate, timerDelete, timerSettime } from "./libc.ts";
import { Scratch } from "./scratch.ts";
import type { Address } from "./units.ts";

/** Where in the scratch memory what is; structs of the C library are at least as long as the kernel's. */
const EVENT = 0;
const TIMER = 256;
const TIME = 512;

/**
 * Writes to an address after a while, once, from a thread that the C library starts for it. So it comes where no
 * JavaScript can run any more: while the threads of a process are being ended.
 */
export class Alarm implements Disposable {
  readonly #scratch: Scratch;
  /** Wider than a number of JavaScript can be. */
  readonly #timer: bigint;

  private constructor(scratch: Scratch, timer: bigint) {
    this.#scratch = scratch;
    this.#timer = timer;
  }

  /**
   * `target`: the address of a semaphore, which is posted; 32 bytes, zeros at first, that stay mapped for as long as the
   * process lives: what was due may come late. Null where it cannot be had.
   */
  static create(target: Address): Alarm | null {
    const post = symbolAddress("sem_post");
    if (timerCreate === null || timerSettime === null || timerDelete === null || post === null) return null;
    const scratch = new Scratch();
    scratch.put(EVENT + sigevent.value, target);
    scratch.words[(EVENT + sigevent.notify) >>> 2] = SIGEV_THREAD;
    scratch.put(EVENT + sigevent.function, post);
    scratch.put(EVENT + sigevent.attributes, 0);
    if (timerCreate(CLOCK_MONOTONIC, scratch.address + EVENT, scratch.address + TIMER) !== 0) {
      scratch[Symbol.dispose]();
      return null;
    }
    const [low = 0, high = 0] = scratch.words.subarray(TIMER >>> 2, (TIMER >>> 2) + 2);
    return new Alarm(scratch, (BigInt(high) << 32n) | BigInt(low));
  }

  /** Writes so many milliseconds from now on, and not when it was to before; 0: not at all. */
  set(ms: number): void {
    const seconds = Math.floor(ms / 1000);
    const nanoseconds = (ms % 1000) * 1e6;
    const scratch = this.#scratch;
    scratch.put(TIME + itimerspec.intervalSeconds, 0);
    scratch.put(TIME + itimerspec.intervalNanoseconds, 0);
    scratch.put(TIME + itimerspec.seconds, seconds);
    scratch.put(TIME + itimerspec.nanoseconds, nanoseconds);
    timerSettime?.(this.#timer, 0, scratch.address + TIME, 0);
  }

  close(): void {
    timerDelete?.(this.#timer);
    this.#scratch[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
