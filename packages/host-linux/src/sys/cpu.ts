import { closeSync, openSync, readSync } from "node:fs";
import { __NR_gettid, PRIO_PROCESS } from "./abi.generated.ts";
import * as libc from "./libc.ts";
import { Scratch } from "./scratch.ts";
import type { Address } from "./units.ts";

/** Where the kernel notes a thread's CPU, relative to its `threadAddress()`; null without rseq (glibc before 2.35). */
const NOTE: number | null = rseqOffset();
const CPU_ID = 4;

/** CPUs that an affinity can name: 0 to CPUS_MAX - 1. */
export const CPUS_MAX = 8192;
const MASK_BYTES = CPUS_MAX / 8;
/** Field `processor` of /proc/…/stat, counted from the name. */
const PROCESSOR = 37;
const STAT_BYTES = 1024;

function rseqOffset(): number | null {
  const size = libc.symbolAddress("__rseq_size");
  const offset = libc.symbolAddress("__rseq_offset");
  if (size === null || offset === null) return null;
  if (new Uint32Array(libc.bufferAt(size, 4))[0] === 0) return null;
  return Number(new BigInt64Array(libc.bufferAt(offset, 8))[0]);
}

/** The calling thread, for `CpuOf` in another thread of this process. */
export function threadAddress(): Address {
  return libc.pthreadSelf();
}

/**
 * Which CPU a thread of this process runs on, or ran last, by reading a word of its memory: no call. The thread must
 * live longer than its CpuOf: its memory goes with it.
 */
export class CpuOf {
  readonly #note: Int32Array<ArrayBuffer> | null;

  constructor(thread: Address) {
    this.#note = NOTE === null ? null : new Int32Array(libc.bufferAt(thread + NOTE + CPU_ID, 4));
  }

  /** The CPU's number; negative when it is not known. */
  get cpu(): number {
    return this.#note === null ? -1 : (this.#note[0] as number);
  }
}

/**
 * Which CPU a thread of this process runs on, or waits for: `CpuOf` does not know of one that is about to run elsewhere
 * than it did. It is a file of the kernel's, which costs some microseconds; the one asked for last stays open.
 */
export class Whereabouts implements Disposable {
  readonly #stat = Buffer.alloc(STAT_BYTES);
  #thread = 0;
  #fd = -1;

  /** The CPU of a thread, by the kernel's number; −1: there is no such thread. */
  cpuOf(thread: number): number {
    try {
      if (thread !== this.#thread) this.#open(thread);
      return processorIn(this.#stat, readSync(this.#fd, this.#stat, 0, STAT_BYTES, 0));
    } catch {
      this[Symbol.dispose]();
      return -1;
    }
  }

  #open(thread: number): void {
    this[Symbol.dispose]();
    this.#fd = openSync(`/proc/self/task/${thread}/stat`, "r");
    this.#thread = thread;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#thread = 0;
  }
}

/** Field `processor` of a thread's line. Its name, in parentheses, may have anything in it. */
function processorIn(stat: Buffer, bytes: number): number {
  let at = stat.lastIndexOf(")", bytes);
  for (let field = 0; field < PROCESSOR && at >= 0; field++) at = stat.indexOf(" ", at + 1);
  return at < 0 ? -1 : Number.parseInt(stat.toString("latin1", at, bytes), 10);
}

/** The CPU that the calling thread runs on now. */
export function currentCpu(): number {
  return libc.schedGetcpu();
}

/** The kernel's number of the calling thread, as in the messages of a userfaultfd. */
export function gettid(): number {
  return libc.syscall(__NR_gettid, 0, 0, 0);
}

/**
 * Lets a thread (0: the calling one, else by the kernel's number) run on these CPUs only: 0 or a negative errno (EINVAL:
 * none of them is allowed; ESRCH: there is no such thread).
 */
export function setAffinity(cpus: readonly number[], thread = 0): number {
  using scratch = new Scratch();
  for (const cpu of cpus) {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= CPUS_MAX) {
      throw new RangeError(`A CPU's number is 0 to ${CPUS_MAX - 1}, not ${cpu}.`);
    }
    scratch.octets[cpu >>> 3] = (scratch.octets[cpu >>> 3] as number) | (1 << (cpu & 7));
  }
  return libc.schedSetaffinity(thread, MASK_BYTES, scratch.address) === 0 ? 0 : libc.failed();
}

/** The CPUs that the calling thread may run on, or null when the kernel does not say. */
export function getAffinity(): number[] | null {
  using scratch = new Scratch();
  if (libc.schedGetaffinity(0, MASK_BYTES, scratch.address) !== 0) return null;
  const cpus: number[] = [];
  for (let cpu = 0; cpu < CPUS_MAX; cpu++) {
    const eight = scratch.octets[cpu >>> 3] as number;
    if (eight === 0) cpu += 7;
    else if ((eight >>> (cpu & 7)) & 1) cpus.push(cpu);
  }
  return cpus;
}

/** Sets the nice value of the calling thread, -20 to 19: 0 or a negative errno (EACCES: lower needs rights). */
export function setPriority(nice: number): number {
  return libc.setpriority(PRIO_PROCESS, 0, nice) === 0 ? 0 : libc.failed();
}

/** Lets another thread of the same CPU run. */
export function schedYield(): void {
  libc.schedYield();
}
