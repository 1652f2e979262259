import { CpuOf, getAffinity, setAffinity, setPriority } from "./sys/cpu.ts";
import type { Address } from "./sys/units.ts";
import type { Waiter } from "./sys/wait.ts";

/** Faults of one processor in a row before the kernel thread moves there. */
const FAULTS_TO_MOVE = 3;
/** Turns without work before the kernel thread may run anywhere again. */
const IDLE_TURNS_TO_LEAVE = 2;
/** The most urgent nice value; without the right to it the thread stays as urgent as the others. */
const URGENT = -20;

/** How the kernel thread is placed. */
export interface PlacementOptions {
  /** `follow` (default): on the processor of the thread that faults. `free`: wherever the scheduler puts it. A list: there. */
  readonly mode?: "follow" | "free" | readonly number[];
  /** How often it asks for more work before it sleeps; default 0. Only worth it where a processor is to spare. */
  readonly spins?: number;
}

/**
 * Where the kernel thread runs. Waking a thread on another, idle processor costs several times what answering a fault
 * does; on the processor of the thread that waits, nothing has to be woken elsewhere. So it follows the thread that
 * faults, and is more urgent than it if it may be. Threads make themselves known by `register`; others are not
 * followed.
 */
export class Placement {
  readonly #mode: "follow" | "free" | readonly number[];
  readonly #spins: number;
  readonly #threads = new Map<number, CpuOf>();
  readonly #allowed: readonly number[];
  #lastThread = -1;
  #last: CpuOf | null = null;
  #here = -1;
  #candidate = -1;
  #seen = 0;
  #idle = 0;

  constructor(options: PlacementOptions = {}) {
    this.#mode = options.mode ?? "follow";
    this.#spins = options.spins ?? 0;
    this.#allowed = getAffinity() ?? [];
    setPriority(URGENT);
    if (typeof this.#mode !== "string") setAffinity(this.#mode);
  }

  /** A thread of the process, by its number and `threadAddress()`; it must live as long as this, or `forget` itself. */
  register(thread: number, address: Address): void {
    this.#threads.set(thread, new CpuOf(address));
  }

  forget(thread: number): void {
    this.#threads.delete(thread);
    this.#lastThread = -1;
    this.#last = null;
  }

  /** A thread faulted. */
  faulted(thread: number): void {
    this.#idle = 0;
    if (this.#mode !== "follow") return;
    if (thread !== this.#lastThread) {
      this.#lastThread = thread;
      this.#last = this.#threads.get(thread) ?? null;
    }
    const cpu = this.#last === null ? -1 : this.#last.cpu;
    if (cpu < 0 || cpu === this.#here) {
      this.#seen = 0;
      return;
    }
    if (cpu !== this.#candidate) {
      this.#candidate = cpu;
      this.#seen = 0;
    }
    if (++this.#seen < FAULTS_TO_MOVE) return;
    this.#seen = 0;
    if (setAffinity([cpu]) >= 0) this.#here = cpu;
  }

  /** Nothing was there to do for a while. */
  idle(): void {
    if (this.#here < 0 || ++this.#idle < IDLE_TURNS_TO_LEAVE) return;
    this.#idle = 0;
    this.#here = -1;
    if (this.#allowed.length > 0) setAffinity(this.#allowed);
  }

  /** Whether there is more to do, after asking again and again. */
  spin(waiter: Waiter): boolean {
    return this.#spins > 0 && waiter.spin(this.#spins) > 0;
  }
}
