import {
  MADV_DONTFORK,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
} from "./abi.generated.ts";
import { Alarm } from "./alarm.ts";
import { orThrow } from "./errno.ts";
import { bufferAt, failed, madvise, mmap } from "./libc.ts";
import type { Userfaultfd } from "./uffd.ts";
import { type Address, PAGE_BYTES } from "./units.ts";

/** What another thread needs to make a WakePage of the same page. It can be posted. */
export interface WakePageData {
  readonly address: Address;
  /** The words below. */
  readonly words: Int32Array;
}

/** 1 while the kernel thread sleeps in the read. */
const SLEEPS = 0;
/** How many threads are ringing. */
const RINGING = 1;
/** Where who rings writes, and where the alarm does, which takes the first bytes for a semaphore. */
const RINGS_AT = 64;
/** How long the kernel thread sleeps at most: milliseconds. */
const ALARM_MS = 200;

/** Pages that nobody uses, of this thread. They stay mapped: a late `ring` must find no memory of someone else there. */
const spare: WakePageData[] = [];

/**
 * Wakes a kernel thread that sleeps in the read of its userfaultfd, where no other descriptor can wake it: a page that
 * is write-protected with the same userfaultfd, and that is written. The write is a page fault like any other.
 *
 * The kernel thread says that it sleeps there (`sleeps`) before it tells others that it is going to sleep at all, and
 * looks for work after that. So whoever adds work, then sees that it sleeps, and then asks `ring`, either finds it
 * there, or is told to wake it in the other way, by the descriptor that it waits for: see `KernelLoop`.
 *
 * Who rings says so first (RINGING), and the kernel thread looks for that as soon as it is awake, and takes the
 * protection away; it does not put it back before who rang has got on: on one processor the write would be a fault again
 * and again. The same goes for the alarm, whose posts are counted.
 */
export class WakePage {
  readonly data: WakePageData;
  readonly #bytes: Uint8Array;
  /** The value of the semaphore. The page is write-protected only: the kernel thread may read it. */
  readonly #posts: Int32Array;
  #armed = false;
  /** Posts that were seen; and whether one is under way, whose write was a fault. */
  #postsSeen = 0;
  #posting = false;
  #alarm: Alarm | null = null;

  private constructor(data: WakePageData) {
    this.data = data;
    const buffer = bufferAt(data.address, PAGE_BYTES);
    this.#bytes = new Uint8Array(buffer);
    this.#posts = new Int32Array(buffer, 0, 1);
  }

  /** Makes one. Throws OUT_OF_MEMORY. */
  static create(): WakePage {
    const data = spare.pop() ?? newPage();
    data.words.fill(0);
    return new WakePage(data);
  }

  /** The same in another thread. */
  static of(data: WakePageData): WakePage {
    return new WakePage(data);
  }

  /** For who made it: the next `create` gets it. */
  giveBack(): void {
    Atomics.store(this.data.words, SLEEPS, 0);
    spare.push(this.data);
  }

  /** Wakes the kernel thread, and waits until it is awake. False: it does not sleep in the read. */
  ring(): boolean {
    const { words } = this.data;
    Atomics.add(words, RINGING, 1);
    const asleep = Atomics.load(words, SLEEPS) !== 0;
    if (asleep) this.#bytes[RINGS_AT] = 1;
    Atomics.sub(words, RINGING, 1);
    return asleep;
  }

  // The kernel thread's side.

  /** From now on the page's faults are messages of `uffd`. False: they cannot be, or there is no alarm to be had. */
  register(uffd: Userfaultfd): boolean {
    this.#alarm = Alarm.create(this.data.address);
    if (this.#alarm === null) return false;
    if (uffd.register(this.data.address, PAGE_BYTES, UFFDIO_REGISTER_MODE_WP) >= 0) return true;
    this.#alarm.close();
    this.#alarm = null;
    return false;
  }

  /** Nobody answers for it any more; who waits there goes on. */
  unregister(uffd: Userfaultfd): void {
    this.awake(uffd);
    this.#alarm?.close();
    this.#alarm = null;
    this.#armed = false;
    this.#posting = false;
    uffd.unregister(this.data.address, PAGE_BYTES);
  }

  /**
   * The next write to the page is a fault, and who rings writes. False: that cannot be, or somebody has rung and not got
   * on yet, whose write would be a fault again and again.
   */
  sleeps(uffd: Userfaultfd): boolean {
    if (Atomics.load(this.data.words, RINGING) !== 0 || !this.#alarmIsSet()) return false;
    this.#armed ||= uffd.writeProtect(this.data.address, PAGE_BYTES, UFFDIO_WRITEPROTECT_MODE_WP) === 0;
    if (this.#armed) Atomics.store(this.data.words, SLEEPS, 1);
    return this.#armed;
  }

  /** Who rings from now on is told that it does not sleep here; who is ringing goes on. */
  awake(uffd: Userfaultfd): void {
    Atomics.store(this.data.words, SLEEPS, 0);
    if (Atomics.load(this.data.words, RINGING) !== 0) this.#disarm(uffd);
  }

  /**
   * From now on something wakes it every 200 ms, until it is told to stop: to look at the clock, and to end when its
   * thread is ended, however that comes about.
   */
  relyOnAlarm(on: boolean): void {
    this.#alarm?.set(on ? ALARM_MS : 0);
  }

  /** Sets it anew when it has gone off: by itself it goes off once, so that nothing is left of a thread that has ended. */
  #alarmIsSet(): boolean {
    const posts = this.#posts[0] ?? 0;
    if (posts === this.#postsSeen) return !this.#posting;
    this.#postsSeen = posts;
    this.#posting = false;
    this.#alarm?.set(ALARM_MS);
    return true;
  }

  /** Answers a fault of the page. */
  answer(uffd: Userfaultfd): void {
    // Not armed: who rang has got on already.
    if (!this.#armed) return;
    if (Atomics.load(this.data.words, RINGING) === 0) this.#posting = true;
    this.#disarm(uffd);
  }

  #disarm(uffd: Userfaultfd): void {
    if (uffd.writeProtect(this.data.address, PAGE_BYTES, 0) === 0) this.#armed = false;
    // The address space is changing (EAGAIN): the write shall be a fault once more, when it has changed.
    else uffd.wake(this.data.address, PAGE_BYTES);
  }
}

function newPage(): WakePageData {
  const at = mmap(0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const what = "Mapping a page to wake the kernel thread by failed";
  const address = orThrow(at === -1 ? failed() : at, "OUT_OF_MEMORY", what, "free memory or raise its limit");
  madvise(address, PAGE_BYTES, MADV_DONTFORK);
  // Only what is there can be protected.
  new Uint8Array(bufferAt(address, PAGE_BYTES))[0] = 0;
  return { address, words: new Int32Array(new SharedArrayBuffer(8)) };
}
