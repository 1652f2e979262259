import {
  __NR_exit_group,
  __NR_futex,
  __NR_kill,
  __NR_prctl,
  __NR_wait4,
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

// System calls made by this process, or by a child that it forks. A runtime with threads cannot be forked: the child
// would have one of its threads and not all of its memory. So the child runs nothing of it, but forty instructions
// that make the system calls that it is told, one at a time, through a page that both see.

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

/** Machine code of the child, by architecture: there is none for others, and no fork then. */
const CODE: Partial<Record<NodeJS.Architecture, string>> = {
  // fork; the parent returns. The child: waits until word 0 is 1 (futex); makes the call whose number is at byte 8 and
  // whose arguments follow; puts the answer at byte 64; sets word 0 to 2, wakes the parent, and waits again.
  x64:
    "534889fbb8390000000f054885c074025bc3" +
    "8b1383fa0174114889df31f64531d2b8ca0000000f05ebe8" +
    "488b4308488b7b10488b7318488b53204c8b53284c8b43304c8b4b380f0548894340c70302000000" +
    "4889dfbe0100000089f2b8ca0000000f05ebad",
};

/** Whether a child can be forked on this architecture. */
export const canFork: boolean = CODE[process.arch] !== undefined;

/** Places in the page that both see, bytes. */
const NUMBER = 8;
const ARGUMENTS = 16;
const ARGUMENTS_MAX = 6;
const ANSWER = 64;
const [IDLE, ASKED, ANSWERED] = [0, 1, 2];

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
/** How often it is looked whether the child still lives while it is waited for, ns. */
const LOOK_NS = 20_000_000;
const WNOHANG = 1;
const SIGKILL = 9;

/** A forked child: it has this process's memory and descriptors as they were, and does what it is told. */
export class ForkedCalls implements SystemCalls, Disposable {
  readonly pid: number;
  readonly #page: Address;
  readonly #code: Address;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #scratch = new Scratch();
  #alive = true;

  /** Throws `OUT_OF_MEMORY`, and `NO_FORK` (ENOSYS) on an architecture that has no code for it. */
  constructor() {
    const code = CODE[process.arch];
    orThrow(code === undefined ? -38 : 0, "NO_FORK", "Forking a child for cases failed", "use x64");
    const remedy = "free memory, or raise its limit";
    this.#page = orThrow(
      mmap(0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
      "OUT_OF_MEMORY",
      "Mapping the page of a forked child failed",
      remedy,
    );
    const executable = PROT_READ | PROT_WRITE | PROT_EXEC;
    this.#code = orThrow(
      mmap(0, PAGE_BYTES, executable, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      "OUT_OF_MEMORY",
      "Mapping the code of a forked child failed",
      remedy,
    );
    new Uint8Array(libc.bufferAt(this.#code, PAGE_BYTES)).set(Buffer.from(code ?? "", "hex"));
    this.#words = new Int32Array(libc.bufferAt(this.#page, PAGE_BYTES));
    this.pid = orThrow(libc.callCode(this.#code, this.#page), "OUT_OF_MEMORY", "Forking failed", remedy);
    // It goes when this process does, whatever happens.
    this.call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
  }

  call(number: number, ...args: readonly number[]): number {
    if (args.length > ARGUMENTS_MAX) throw new RangeError("a system call has six arguments at most");
    this.#put(NUMBER, number);
    for (let i = 0; i < ARGUMENTS_MAX; i++) this.#put(ARGUMENTS + 8 * i, args[i] ?? 0);
    this.#ask();
    while (Atomics.load(this.#words, 0) !== ANSWERED) {
      this.#scratch.put(0, 0);
      this.#scratch.put(8, LOOK_NS);
      ownCalls.call(__NR_futex, this.#page, FUTEX_WAIT, ASKED, this.#scratch.address);
      if (Atomics.load(this.#words, 0) === ANSWERED) break;
      if (this.#ended(WNOHANG)) throw new Error(`the forked child ended in system call ${number}`);
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

  #ask(): void {
    Atomics.store(this.#words, 0, ASKED);
    ownCalls.call(__NR_futex, this.#page, FUTEX_WAKE, 1);
  }

  #ended(options: number): boolean {
    if (!this.#alive) return true;
    const waited = ownCalls.call(__NR_wait4, this.pid, this.#scratch.address + 16, options, 0);
    if (waited < 0) throw new Error(`waiting for the forked child failed: ${errnoText(waited)}`);
    this.#alive = waited === 0;
    return !this.#alive;
  }

  /** The child exits, or is killed, and is waited for. */
  end(how: "exit" | "killed"): void {
    if (!this.#alive) return;
    if (how === "killed") {
      ownCalls.call(__NR_kill, this.pid, SIGKILL);
    } else {
      this.#put(NUMBER, __NR_exit_group);
      this.#put(ARGUMENTS, 0);
      this.#ask();
    }
    this.#ended(0);
  }

  [Symbol.dispose](): void {
    this.end("killed");
    munmap(this.#page, PAGE_BYTES);
    munmap(this.#code, PAGE_BYTES);
    this.#scratch[Symbol.dispose]();
  }
}
