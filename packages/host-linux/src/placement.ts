import { performance } from "node:perf_hooks";
import type { Nanoseconds } from "@hms/hmm";
import {
  CpuOf,
  currentCpu,
  getAffinity,
  setAffinity,
  setPriority,
  threadAddress,
  Whereabouts,
} from "./sys/cpu.ts";
import type { Address } from "./sys/units.ts";
import type { Waiter } from "./sys/wait.ts";

/** How long it asks for the next fault before it sleeps: as long as waking an idle processor of a virtual machine takes. */
const SPIN_NS: Nanoseconds = 50_000;
/** After so many times in vain it does not ask any more… */
const SPINS_IN_VAIN = 4;
/** …until so many faults come, each within twice the time of the one before. */
const FAULTS_TO_SPIN = 8;
/** The most urgent nice value; without the right to it the thread stays as urgent as the others. */
const URGENT = -20;

/** How the kernel thread is placed. */
export interface PlacementOptions {
  /** Processors that it may run on; default: any, as the scheduler sees fit. */
  readonly cpus?: readonly number[];
  /** Whether it may ask for the next fault for a moment before it sleeps; default true. */
  readonly spin?: boolean;
}

/**
 * Where the kernel thread runs, and how it waits. Three things were measured. On the processor of the thread that
 * faults, an answer costs least: nothing has to be woken elsewhere; then it sleeps at once. On another processor that
 * would have to be woken, it costs several times as much; there it asks for the next fault for as long as a wake-up
 * takes, while faults come in quick succession. Nobody is kept anywhere: a thread that is pinned, even for a moment,
 * may start processes and threads that stay pinned. Only itself it moves out of the way, before work that nobody waits
 * for (`makeWay`): meanwhile it starts nothing.
 *
 * Threads make themselves known by `register`; for others it does not ask.
 */
export class Placement {
  readonly #spin: boolean;
  readonly #threads = new Map<number, CpuOf>();
  readonly #own: CpuOf;
  #lastThread = -1;
  readonly #whereabouts = new Whereabouts();
  /** It has not made way for the last thread yet. */
  #inTheWay = false;
  #last: CpuOf | null = null;
  #lastAt = 0;
  #quick = 0;
  #vain = 0;

  constructor(options: PlacementOptions = {}) {
    this.#spin = options.spin ?? true;
    this.#own = new CpuOf(threadAddress());
    setPriority(URGENT);
    if (options.cpus !== undefined) setAffinity(options.cpus);
  }

  /** A thread of the process, by its number and `threadAddress()`; it calls `forget` before it ends. */
  register(thread: number, address: Address): void {
    this.#threads.set(thread, new CpuOf(address));
    this.#lastThread = -1;
  }

  forget(thread: number): void {
    this.#threads.delete(thread);
    this.#lastThread = -1;
    this.#last = null;
  }

  /** A fault of a thread was read; `now` is the clock of `performance.now()`, in nanoseconds. */
  faulted(thread: number, now: Nanoseconds): void {
    if (thread !== this.#lastThread) {
      this.#lastThread = thread;
      this.#last = this.#threads.get(thread) ?? null;
    }
    this.#inTheWay = true;
    this.#quick = now - this.#lastAt < 2 * SPIN_NS ? this.#quick + 1 : 0;
    this.#lastAt = now;
    if (this.#quick === FAULTS_TO_SPIN) this.#vain = 0;
  }

  /** Faults come in quick succession, of a thread on the same processor: the next one will need no wake-up elsewhere. */
  get besideToucher(): boolean {
    const last = this.#last;
    return this.#quick >= FAULTS_TO_SPIN && last !== null && last.cpu >= 0 && last.cpu === this.#own.cpu;
  }

  /**
   * Before work that nobody waits for: goes to another processor if the thread whose fault was answered last waits for
   * this one. The scheduler of a virtual machine leaves it there, since it takes processors that sleep for busy.
   */
  makeWay(): void {
    if (!this.#inTheWay) return;
    this.#inTheWay = false;
    const here = currentCpu();
    if (this.#lastThread < 0 || this.#whereabouts.cpuOf(this.#lastThread) !== here) return;
    const allowed = getAffinity() ?? [];
    if (allowed.length < 2) return;
    setAffinity(allowed.filter((cpu) => cpu !== here));
    setAffinity(allowed);
  }

  /** The thread ends: gives back what it has open. */
  close(): void {
    this.#whereabouts[Symbol.dispose]();
  }

  /** Whether it pays to ask for more before sleeping. */
  get worthSpinning(): boolean {
    const last = this.#last;
    return this.#spin && this.#vain < SPINS_IN_VAIN && last !== null && last.cpu !== this.#own.cpu;
  }

  /** Asks for more for a moment, if that is worth it. How many descriptors are ready. */
  spin(waiter: Waiter): number {
    if (!this.worthSpinning) return 0;
    const end = performance.now() + SPIN_NS / 1e6;
    do {
      const ready = waiter.spin(4);
      if (ready > 0) {
        this.#vain = 0;
        return ready;
      }
    } while (performance.now() < end);
    this.#vain++;
    return 0;
  }
}
