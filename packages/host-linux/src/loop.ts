import { type Nanoseconds, PAGE_BYTES, type PageIndex } from "@hms/hmm";
import type { LinuxHost } from "./host.ts";
import { Placement } from "./placement.ts";
import { LinuxRegion } from "./region.ts";
import {
  UFFD_EVENT_PAGEFAULT,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
} from "./sys/abi.generated.ts";
import { dieLoudly } from "./sys/fatal.ts";
import { MESSAGES_MAX, type Userfaultfd } from "./sys/uffd.ts";
import { type EventFd, Waiter } from "./sys/wait.ts";
import type { WakePage } from "./sys/wake-page.ts";

/** Faults that are read before they are answered, at most. */
const FAULTS_MAX = 4096;
/** How long the kernel thread sleeps at most, so that it looks at the clock sometimes: milliseconds. */
const SLEEP_MS = 200;

/** How long it sleeps while a touch waits for a device to give a page back. */
const RETRY_MS = 1;

/** What the loop serves beside faults. */
export interface LoopService {
  /** Does what is there to be done without waiting; how many things it did. */
  poll(): number;
  /** The loop is about to sleep (true) or is awake again (false): whoever has work then signals the loop's `wake`. */
  sleeping(asleep: boolean): void;
  /** Whether it waits for something that nobody signals, and wants to be polled every millisecond; default: no. */
  impatient?(): boolean;
  /** Whether everybody who signals asks the loop's wake page first; default: yes. */
  askedFirst?(): boolean;
}

/** How a `KernelLoop` is placed, watched and woken. */
export interface KernelLoopOptions {
  /** Of `newHeartbeat`, for a `Watchdog`. */
  readonly heartbeat?: Int32Array;
  readonly placement?: Placement;
  /** What those who signal `wake` ask first: with it the thread may sleep in the read of the program's userfaultfd. */
  readonly wakePage?: WakePage;
}

/** What is kept of an event that came while something else was being done. */
interface Kept {
  readonly kind: number;
  readonly first: PageIndex;
  readonly end: PageIndex;
  readonly to: PageIndex;
}

/**
 * The kernel thread: answers the faults of all other threads, handles what the kernel notifies, and the messages of
 * the interface; sleeps when there is nothing. An exception ends the process with its reason, since someone may be
 * waiting for an answer that will not come.
 */
export class KernelLoop {
  readonly #host: LinuxHost;
  readonly #service: LoopService;
  readonly #wake: EventFd;
  readonly #waiter: Waiter;
  readonly #heartbeat: Int32Array | null;
  readonly #placement: Placement;
  readonly #wakePage: WakePage | null;
  /** Number of the wake page. */
  readonly #wakeAt: PageIndex;
  readonly #uffds: readonly Userfaultfd[];
  readonly #events: Kept[] = [];
  // Faults that were read and not answered yet.
  readonly #faultPages = new Float64Array(FAULTS_MAX);
  readonly #faultFlags = new Uint8Array(FAULTS_MAX);
  readonly #faultThreads = new Int32Array(FAULTS_MAX);
  #faultsFrom = 0;
  #faultsTo = 0;
  /** Faults were answered since it last slept. */
  #faulted = false;
  /** The service had nothing to do when it was last asked, just before the last sleep. */
  #idle = false;
  #stopping = false;
  /** Reading the program's userfaultfd waits for a message, and nobody can poll it. */
  #blocking = false;
  /** How often it slept in that read. */
  sleptInRead = 0;

  /** `wake`: what others signal to wake it, when `wakePage` says that they must. */
  constructor(host: LinuxHost, service: LoopService, wake: EventFd, options: KernelLoopOptions = {}) {
    this.#host = host;
    this.#service = service;
    this.#heartbeat = options.heartbeat ?? null;
    this.#placement = options.placement ?? new Placement();
    this.#uffds = [host.program, host.cached, host.hidden];
    this.#wake = wake;
    this.#waiter = new Waiter([...this.#uffds.map(({ fd }) => fd), wake.fd]);
    const { wakePage } = options;
    this.#wakePage = wakePage?.register(host.program) === true ? wakePage : null;
    this.#wakeAt = this.#wakePage === null ? -1 : this.#wakePage.data.address / PAGE_BYTES;
    host.onBusy = () => this.#read(host.program);
    host.onProgress = () => this.#beat();
  }

  /** Ends `run` at its next turn. */
  stop(): void {
    this.#stopping = true;
  }

  /** Serves until `stop`; once. */
  run(): void {
    try {
      while (!this.#stopping) this.#turn();
    } catch (error) {
      dieLoudly(
        `the kernel thread failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    if (this.#heartbeat !== null) Atomics.store(this.#heartbeat, 2, 1);
    this.#host.onBusy = null;
    this.#host.onProgress = null;
    this.#pollable();
    this.#wakePage?.unregister(this.#host.program);
    this.#waiter.close();
    this.#placement.close();
  }

  /** One look at everything. The only system calls of a turn without work are those that find out that there is none. */
  #turn(): void {
    this.#beat();
    // Whoever is about to sleep asks the service anyway: after one that had nothing to say, once is enough.
    const busy = !this.#idle && this.#service.poll() > 0;
    this.#idle = false;
    const ready = busy ? this.#wait(0) : this.#sleep();
    if (ready > 0) {
      const uffds = this.#uffds;
      for (let i = 0; i < uffds.length; i++) {
        const uffd = uffds[i];
        if (uffd !== undefined && this.#waiter.ready(i) !== 0) this.#read(uffd);
      }
      if (this.#waiter.ready(uffds.length) !== 0) this.#woken();
    }
    this.#flush();
    if (this.#host.anyWaiting) this.#retry();
  }

  #beat(): void {
    // Nobody else writes it: a store will do.
    if (this.#heartbeat !== null) this.#heartbeat[0] = ((this.#heartbeat[0] ?? 0) + 1) | 0;
  }

  /** Somebody has something to say. */
  #woken(): void {
    this.#wake.drain();
    this.#idle = false;
  }

  /** Sleeps until there is something; how many descriptors are ready. */
  #sleep(): number {
    // Read while something else was done: nothing may be mapped for the program before they are dealt with.
    if (this.#events.length > 0) return this.#wait(0);
    if (this.#host.ahead.moves) this.#placement.makeWay();
    if (this.#host.workAhead()) return this.#wait(0);
    const faulted = this.#faulted;
    this.#faulted = false;
    if (faulted) {
      const more = this.#spin();
      if (more > 0) return more;
    }
    // What is known of a thread is true while it is there: right after its fault, not later.
    const page =
      faulted && this.#mayReadAsleep() && this.#wakePage?.sleeps(this.#host.program) ? this.#wakePage : null;
    this.#service.sleeping(true);
    // Whoever added something before it knew that we sleep has not signalled.
    this.#idle = this.#service.poll() === 0;
    if (this.#heartbeat !== null) Atomics.store(this.#heartbeat, 1, 1);
    const soon = this.#host.anyWaiting || this.#service.impatient?.() === true;
    const sleeps = this.#idle && !this.#stopping;
    let ready = 0;
    if (page !== null && sleeps && !soon) this.#readAsleep();
    else ready = this.#wait(sleeps ? (soon ? RETRY_MS : SLEEP_MS) : 0);
    page?.awake(this.#host.program);
    if (this.#heartbeat !== null) Atomics.store(this.#heartbeat, 1, 0);
    this.#service.sleeping(false);
    return ready;
  }

  /**
   * Whether to sleep in the read of the program's faults, which saves a system call for each: while they come in quick
   * succession, and nothing else can come but who asks the wake page.
   */
  #mayReadAsleep(): boolean {
    return (
      this.#wakePage !== null &&
      this.#placement.besideToucher &&
      this.#host.onlyPrivate &&
      this.#service.askedFirst?.() !== false
    );
  }

  #readAsleep(): void {
    if (!this.#blocking) {
      if (this.#host.program.setBlocking(true) < 0) return;
      this.#blocking = true;
      this.#wakePage?.relyOnAlarm(true);
    }
    this.sleptInRead++;
    this.#take(this.#host.program);
  }

  /** The program's userfaultfd can be polled again, and reading it does not wait. */
  #pollable(): void {
    if (!this.#blocking) return;
    this.#blocking = false;
    this.#wakePage?.relyOnAlarm(false);
    this.#host.program.setBlocking(false);
  }

  #wait(timeoutMs: number): number {
    this.#pollable();
    return this.#waiter.wait(timeoutMs);
  }

  #spin(): number {
    if (!this.#placement.worthSpinning) return 0;
    this.#pollable();
    return this.#placement.spin(this.#waiter);
  }

  #retry(): void {
    this.#host.anyWaiting = false;
    for (const region of this.#waiting()) region.retry();
  }

  #waiting(): LinuxRegion[] {
    const found: LinuxRegion[] = [];
    for (const space of this.#host.spaces)
      for (const region of space.regions.values()) if (region.waiting.length > 0) found.push(region);
    return found;
  }

  /** Reads what a userfaultfd has; how many messages. They are answered by `#flush`. */
  #read(uffd: Userfaultfd): number {
    // What does not fit now is read when there is room.
    if (this.#faultsTo - this.#faultsFrom > FAULTS_MAX - MESSAGES_MAX) return 0;
    this.#pollable();
    return this.#take(uffd);
  }

  #take(uffd: Userfaultfd): number {
    const count = uffd.read();
    for (let i = 0; i < count; i++) this.#keep(uffd, i);
    this.#host.changing = this.#events.length > 0;
    return Math.max(0, count);
  }

  #keep(uffd: Userfaultfd, i: number): void {
    const kind = uffd.event(i);
    switch (kind) {
      case UFFD_EVENT_PAGEFAULT:
        this.#keepFault(Math.floor(uffd.address(i) / PAGE_BYTES), uffd.flags(i), uffd.thread(i));
        return;
      case UFFD_EVENT_REMOVE:
      case UFFD_EVENT_UNMAP:
        this.#events.push({ kind, first: uffd.start(i) / PAGE_BYTES, end: uffd.end(i) / PAGE_BYTES, to: 0 });
        return;
      case UFFD_EVENT_REMAP: {
        const first = uffd.from(i) / PAGE_BYTES;
        this.#events.push({
          kind,
          first,
          end: first + uffd.length(i) / PAGE_BYTES,
          to: uffd.to(i) / PAGE_BYTES,
        });
        return;
      }
      default:
        dieLoudly(`the kernel sent an event of kind ${kind}, which hms did not ask for`);
    }
  }

  #keepFault(page: PageIndex, flags: number, thread: number): void {
    const at = this.#faultsTo++ % FAULTS_MAX;
    this.#faultPages[at] = page;
    this.#faultFlags[at] = flags;
    this.#faultThreads[at] = thread;
  }

  /** Events first: they say what is not so any more. */
  #flush(): void {
    while (this.#events.length > 0 || this.#faultsFrom < this.#faultsTo) {
      const event = this.#events.length > 0 ? this.#events.shift() : undefined;
      if (event !== undefined) {
        this.#host.changing = this.#events.length > 0;
        this.#changed(event);
        continue;
      }
      const at = this.#faultsFrom++ % FAULTS_MAX;
      if (this.#faultPages[at] === this.#wakeAt) {
        this.#wakePage?.answer(this.#host.program);
        this.#idle = false;
        continue;
      }
      this.#faulted = true;
      const now = this.#host.now();
      this.#placement.faulted(this.#faultThreads[at] ?? 0, now);
      this.#serve(this.#faultPages[at] ?? 0, this.#faultFlags[at] ?? 0, now);
    }
    this.#faultsFrom = 0;
    this.#faultsTo = 0;
  }

  #serve(page: PageIndex, flags: number, begun: Nanoseconds): void {
    const host = this.#host;
    const owner = host.owners.at(page);
    const write = (flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP)) !== 0;
    if (owner !== null) {
      owner.serve(page, write, (flags & UFFD_PAGEFAULT_FLAG_WP) !== 0, begun);
    } else if (host.pages.slots.holds(page)) {
      dieLoudly(`page ${page} of the hidden area was touched, which nobody may`);
    } else {
      // Its region went away meanwhile: the kernel says so itself, when it looks again.
      for (const uffd of this.#uffds) uffd.wake(page * PAGE_BYTES, PAGE_BYTES);
    }
  }

  /** The program itself changed its addresses. */
  #changed(event: Kept): void {
    for (const { first, end, owner } of this.#host.owners.within(event.first, event.end)) {
      if (!(owner instanceof LinuxRegion)) continue;
      const space = this.#host.spaceOf(owner.space);
      const from = Math.max(first, event.first);
      const count = Math.min(end, event.end) - from;
      if (space === null) continue;
      if (event.kind === UFFD_EVENT_REMOVE) space.onRemove(from, count);
      else if (event.kind === UFFD_EVENT_UNMAP) space.onUnmap(from, count);
      else space.onRemap(from, event.to + (from - event.first), count);
    }
  }
}
