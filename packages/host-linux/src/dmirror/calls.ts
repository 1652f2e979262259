import {
  __NR_clone,
  __NR_exit_group,
  __NR_futex,
  __NR_kill,
  __NR_prctl,
  __NR_rt_sigprocmask,
  __NR_wait4,
  ENOSYS,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  PR_SET_PDEATHSIG,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../sys/abi.generated.ts";
import { errnoText, orThrow } from "../sys/errno.ts";
import * as libc from "../sys/libc.ts";
import { mmap, munmap } from "../sys/memory.ts";
import { Scratch } from "../sys/scratch.ts";
import { type Address, PAGE_BYTES } from "../sys/units.ts";

// System calls made by this process, by another thread of it, or by a child that it forks. A runtime with threads cannot
// be forked: the child would have one of its threads and not all of its memory. So a child, and a thread that shall wait
// in the kernel while this one goes on, run nothing of the runtime, but forty instructions that make the system calls
// that they are told, one at a time, through a page that both see.

/** Someone who makes system calls: answers what the kernel does, a negative errno when the call failed. */
export interface SystemCalls {
  call(number: number, ...args: readonly number[]): number;
}

/** This process. */
export const ownCalls: SystemCalls = {
  call(number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) {
    const result = libc.syscall6(number, a, b, c, d, e, f);
    return result === -1 ? libc.failed() : result;
  },
};

/** Machine code of the other one, by architecture: there is none for others, and neither fork nor thread then. */
const CODE: Partial<Record<NodeJS.Architecture, string>> = {
  // Makes the call at byte 8 with two arguments (clone); this side returns. The other one: waits until word 0 is 1
  // (futex); makes the call whose number is at byte 8 and whose arguments follow; puts the answer at byte 64; sets word 0
  // to 2, wakes this side, and waits again.
  x64:
    "534889fb488b4308488b7b10488b731831d24531d24531c00f054885c074025bc3" +
    "8b1383fa0174114889df31f64531d2b8ca0000000f05ebe8" +
    "488b4308488b7b10488b7318488b53204c8b53284c8b43304c8b4b380f0548894340c70302000000" +
    "4889dfbe0100000089f2b8ca0000000f05ebad",
};

/** Whether there can be children and threads on this architecture. */
export const canFork: boolean = CODE[process.arch] !== undefined;

/** Places in the page that both see, bytes. */
const NUMBER = 8;
const ARGUMENTS = 16;
const ARGUMENTS_MAX = 6;
const ANSWER = 64;
/** A set of all signals, and the top of a thread's stack, which only the kernel ever uses. */
const SIGNALS = 128;
const [IDLE, ASKED, ANSWERED] = [0, 1, 2];

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
/** How often it is looked whether the other one still lives while it is waited for, ns. */
const LOOK_NS = 20_000_000;
const WNOHANG = 1;
const SIGCHLD = 17;
const SIGKILL = 9;
const SIG_SETMASK = 2;
const SIGNAL_SET_BYTES = 8;
/** CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD and _SYSVSEM. */
const SAME_PROCESS = 0x50f00;

/** The other one, and how it is told. */
abstract class ToldCalls implements SystemCalls {
  /** What clone(2) answered. */
  readonly id: number;
  protected readonly page: Address;
  readonly #code: Address;
  readonly #words: Int32Array<ArrayBuffer>;
  protected readonly scratch: Scratch = new Scratch();

  /** Throws `OUT_OF_MEMORY`, and `NO_FORK` (ENOSYS) on an architecture that has no code for it. */
  protected constructor(cloneFlags: number, ownStack: boolean) {
    const code = CODE[process.arch];
    orThrow(code === undefined ? -ENOSYS : 0, "NO_FORK", "Making a child for cases failed", "use x64");
    this.page = mapped(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    this.#code = mapped(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
    new Uint8Array(libc.bufferAt(this.#code, PAGE_BYTES)).set(Buffer.from(code ?? "", "hex"));
    this.#words = new Int32Array(libc.bufferAt(this.page, PAGE_BYTES));
    this.#put(NUMBER, __NR_clone);
    this.#put(ARGUMENTS, cloneFlags);
    this.#put(ARGUMENTS + 8, ownStack ? this.page + PAGE_BYTES : 0);
    const cloned = libc.callCode(this.#code, this.page);
    this.id = orThrow(cloned, "OUT_OF_MEMORY", "clone failed", "free memory, or raise its limit");
    // Whatever a signal is for, it is not for this one.
    this.#words.fill(-1, SIGNALS / 4, (SIGNALS + SIGNAL_SET_BYTES) / 4);
    this.call(__NR_rt_sigprocmask, SIG_SETMASK, this.page + SIGNALS, 0, SIGNAL_SET_BYTES);
  }

  call(number: number, ...args: readonly number[]): number {
    this.begin(number, ...args);
    return this.answer();
  }

  /** The call begins; `answer` waits for its end. */
  begin(number: number, ...args: readonly number[]): void {
    if (args.length > ARGUMENTS_MAX) throw new RangeError("a system call has six arguments at most");
    this.#put(NUMBER, number);
    for (let i = 0; i < ARGUMENTS_MAX; i++) this.#put(ARGUMENTS + 8 * i, args[i] ?? 0);
    Atomics.store(this.#words, 0, ASKED);
    ownCalls.call(__NR_futex, this.page, FUTEX_WAKE, 1);
  }

  /** Whether the call that began has ended. */
  get answered(): boolean {
    return Atomics.load(this.#words, 0) === ANSWERED;
  }

  answer(): number {
    while (!this.answered) {
      this.scratch.put(0, 0);
      this.scratch.put(8, LOOK_NS);
      ownCalls.call(__NR_futex, this.page, FUTEX_WAIT, ASKED, this.scratch.address);
      if (!this.answered && this.ended()) throw new Error("the forked child ended in a system call");
    }
    Atomics.store(this.#words, 0, IDLE);
    const word = ANSWER / 4;
    return (this.#words[word + 1] as number) * 2 ** 32 + ((this.#words[word] as number) >>> 0);
  }

  #put(offset: number, value: number): void {
    const word = offset / 4;
    this.#words[word] = value;
    this.#words[word + 1] = Math.floor(value / 2 ** 32);
  }

  /** Whether it is gone. */
  protected abstract ended(): boolean;

  protected unmapAll(): void {
    munmap(this.page, PAGE_BYTES);
    munmap(this.#code, PAGE_BYTES);
    this.scratch[Symbol.dispose]();
  }
}

function mapped(protection: number, flags: number): Address {
  const at = mmap(0, PAGE_BYTES, protection, flags, -1, 0);
  return orThrow(at, "OUT_OF_MEMORY", "Mapping a page failed", "free memory, or raise its limit");
}

/** A forked child: it has this process's memory and descriptors as they were, and does what it is told. */
export class ForkedCalls extends ToldCalls implements Disposable {
  #alive = true;

  /** Throws as `ToldCalls` does. */
  constructor() {
    super(SIGCHLD, false);
    // It goes when this process does, whatever happens.
    this.call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  }

  protected override ended(options: number = WNOHANG): boolean {
    if (!this.#alive) return true;
    const waited = ownCalls.call(__NR_wait4, this.id, this.scratch.address + 16, options, 0);
    if (waited < 0) throw new Error(`waiting for the forked child failed: ${errnoText(waited)}`);
    this.#alive = waited === 0;
    return !this.#alive;
  }

  /** The child exits, or is killed, and is waited for. */
  end(how: "exit" | "killed"): void {
    if (!this.#alive) return;
    if (how === "killed") ownCalls.call(__NR_kill, this.id, SIGKILL);
    else this.begin(__NR_exit_group, 0);
    this.ended(0);
  }

  [Symbol.dispose](): void {
    this.end("killed");
    this.unmapAll();
  }
}

/** Another thread of this process, for calls that this one does not wait for. It stays until the process ends. */
export class ThreadCalls extends ToldCalls {
  /** Throws as `ToldCalls` does. */
  constructor() {
    super(SAME_PROCESS, true);
  }

  protected override ended(): boolean {
    return false;
  }
}
