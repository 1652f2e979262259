import { HmsError } from "@hms/topology";
import { microseconds } from "./clock.ts";
import { codeName, EAGAIN, ECANCELED, EINVAL, ENXIO, ETIMEDOUT, WHY, type Why } from "./code.ts";
import {
  ASLEEP,
  AT_QUEUE,
  C_CODE,
  C_ID,
  C_RAN,
  C_WAITED,
  C_WHY,
  CANCEL_ASKED,
  CANCEL_ID,
  CANCELED,
  CLAIMED,
  COMPLETE_HEAD,
  COMPLETE_TAIL,
  COMPLETION_BYTES,
  D_BYTES,
  D_ID,
  DEATH,
  DETAIL_BYTES,
  DETAIL_HEADER_BYTES,
  DETAILS,
  type Death,
  DIED_OF,
  ENDED,
  INIT,
  partsOf,
  type QueueParts,
  type QueueShape,
  READY,
  readShape,
  S_STATE,
  STARTED,
  STATE,
  SUBMIT_TAIL,
  WAIT_TARGET,
  WAITING,
} from "./layout.ts";
import { Encoder, type Request } from "./request.ts";
import { Spin } from "./spin.ts";

/** What a thread needs to use a queue. It can be posted to any thread of the process. */
export interface QueueMapping {
  /** The ring memory (uacce's region 1). */
  readonly memory: SharedArrayBuffer;
  /** The doorbell (uacce's region 0). */
  readonly doorbell: SharedArrayBuffer;
}

/** How a request ended. */
export interface Completion {
  readonly id: number;
  /** 0, or the number of the error. */
  readonly code: number;
  readonly why: Why;
  /** What happened, in words; empty when it went well or is not among the last 16 failures of the queue. */
  readonly detail: string;
  /** From submission to start. Microseconds. */
  readonly waited: number;
  /** From start to end. Microseconds. */
  readonly ran: number;
}

export type QueueState = "init" | "started" | "zombie";
const STATE_NAMES: readonly QueueState[] = ["init", "started", "zombie"];

/** What became of a wish to cancel: it will not run; it runs and was asked to stop; it is over. */
export type Canceling = "canceled" | "asked" | "over";

/** A sleeping client looks by itself after this long: a bound, not the way that it learns of completions. Milliseconds. */
const LOOK_EVERY = 50;
/** How long a waiting client looks at the ring before it sleeps. Microseconds. */
const SPIN_MAX = 40;
const SPIN_MIN = 2;
const TWO_32 = 2 ** 32;

/**
 * A client's end of a queue: puts requests into its ring, rings the doorbell, takes completions. Neither passes through
 * the kernel thread. One client has a queue at a time, in any thread. Requests end in the order of submission.
 *
 * The outcomes of the last `depth` requests are kept. Ids are 32 bits and begin again after 2^32 − 1.
 */
export class QueueClient implements Disposable {
  readonly queue: number;
  readonly depth: number;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #bell: Int32Array;
  readonly #parts: QueueParts;
  readonly #encoder: Encoder;
  readonly #mask: number;
  readonly #spin = new Spin(SPIN_MIN, SPIN_MAX);
  // The outcome of the last request of each slot.
  readonly #codes: Int32Array;
  readonly #whys: Uint8Array;
  readonly #times: Float64Array;
  /** 1: cancelled before it began; it is over, though its completion is still to come. */
  readonly #early: Uint8Array;
  readonly #promises = new Map<number, (completion: Completion) => void>();
  /** One past the last request that was put into the ring, published or not; one past the last that is over. */
  #tail: number;
  #published: number;
  #head: number;
  #alive: NodeJS.Timeout | null = null;
  #listening = false;
  #closed = false;
  /** Outcomes that are kept: of the last requests of this client. */
  #kept = 0;

  /** Throws EPROTONOSUPPORT for memory of another layout, EBUSY when another client has the queue. */
  constructor(mapping: QueueMapping) {
    const shape = readShape(mapping.memory);
    if (shape === null) {
      throw new HmsError(
        "NOT_A_QUEUE",
        "EPROTONOSUPPORT",
        "Opening a queue failed: its memory is not laid out as hms_accel_v1. Use client and driver of one version.",
      );
    }
    this.#parts = partsOf(shape);
    this.#words = new Int32Array(mapping.memory);
    this.#floats = new Float64Array(mapping.memory, 0, mapping.memory.byteLength >>> 3);
    this.#bytes = new Uint8Array(mapping.memory);
    this.#bell = new Int32Array(mapping.doorbell);
    this.#encoder = new Encoder(mapping.memory, shape.argumentsMax);
    this.queue = this.#words[AT_QUEUE] ?? 0;
    this.depth = shape.depth;
    this.#mask = shape.depth - 1;
    this.#codes = new Int32Array(shape.depth);
    this.#whys = new Uint8Array(shape.depth);
    this.#times = new Float64Array(shape.depth * 2);
    this.#early = new Uint8Array(shape.depth);
    this.#claim(shape);
    // A client that follows another goes on where that one stopped; what it left in flight is nobody's.
    this.#tail = Atomics.load(this.#words, SUBMIT_TAIL) >>> 0;
    this.#published = this.#tail;
    this.#head = Atomics.load(this.#words, COMPLETE_HEAD) >>> 0;
  }

  #claim({ depth }: QueueShape): void {
    if (Atomics.compareExchange(this.#words, CLAIMED, 0, 1) === 0) return;
    throw new HmsError(
      "QUEUE_CLAIMED",
      "EBUSY",
      `Opening queue ${this.queue} (depth ${depth}) failed: another client has it. Close that one, or make a queue of your own.`,
    );
  }

  get state(): QueueState {
    return STATE_NAMES[Atomics.load(this.#words, STATE)] ?? "zombie";
  }

  /** What it died of, in words; empty while it lives. */
  get death(): string {
    return DEATHS[Atomics.load(this.#words, DIED_OF) as Death] ?? "";
  }

  /** Requests that are not over yet. */
  get inFlight(): number {
    this.poll();
    return (this.#tail - this.#head) >>> 0;
  }

  /**
   * Puts a request into the ring and rings the doorbell. Returns its id, or −EAGAIN when `depth` requests are in
   * flight, −EINVAL when the queue is not started, −ENXIO when it is dead. Throws EINVAL for a request that cannot be
   * expressed.
   */
  submit(request: Request): number {
    const id = this.enqueue(request);
    if (id >= 0) this.flush();
    return id;
  }

  /** As `submit`, but the device does not see it until `flush`: for many requests at once. */
  enqueue(request: Request): number {
    const words = this.#words;
    if (this.#closed) return -ENXIO;
    const state = Atomics.load(words, STATE);
    if (state !== STARTED) return state === INIT ? -EINVAL : -ENXIO;
    if ((this.#tail - this.#head) >>> 0 >= this.depth) {
      this.poll();
      if ((this.#tail - this.#head) >>> 0 >= this.depth) {
        this.flush();
        return -EAGAIN;
      }
    }
    const id = this.#tail;
    const byte = this.#slotByte(id);
    this.#encoder.encode(byte, id, request, microseconds());
    this.#early[id & this.#mask] = 0;
    words[(byte >> 2) + S_STATE] = READY;
    this.#tail = (id + 1) >>> 0;
    if (this.#kept < this.depth) this.#kept++;
    return id;
  }

  /** Shows the device what was enqueued, and rings the doorbell. */
  flush(): void {
    if (this.#published === this.#tail) return;
    this.#published = this.#tail;
    Atomics.store(this.#words, SUBMIT_TAIL, this.#tail | 0);
    this.#ring();
  }

  #ring(): void {
    Atomics.add(this.#bell, 0, 1);
    if (Atomics.load(this.#words, ASLEEP) !== 0) Atomics.notify(this.#bell, 0);
  }

  #slotByte(id: number): number {
    return this.#parts.submissions + (id & this.#mask) * this.#parts.submissionBytes;
  }

  /** Takes what has completed; returns how many requests that were. */
  poll(): number {
    const words = this.#words;
    const tail = Atomics.load(words, COMPLETE_TAIL) >>> 0;
    let taken = (tail - this.#head) >>> 0;
    if (taken === 0) return this.#buryIfEnded();
    // More than was submitted: not what a device would say.
    taken = Math.min(taken, (this.#published - this.#head) >>> 0);
    for (let i = 0; i < taken; i++) this.#take();
    Atomics.store(words, COMPLETE_HEAD, this.#head | 0);
    if (this.#promises.size > 0) this.#settle();
    return taken;
  }

  /** Takes the next completion. */
  #take(): void {
    const id = this.#head;
    const slot = id & this.#mask;
    const at = (this.#parts.completions + slot * COMPLETION_BYTES) >> 2;
    const words = this.#words;
    this.#head = (id + 1) >>> 0;
    if (this.#early[slot] === 1) return;
    const known = words[at + C_ID] === (id | 0);
    this.#note(slot, known ? (words[at + C_CODE] ?? 0) : ENXIO, known ? (words[at + C_WHY] ?? 0) : WHY.dead);
    this.#times[slot * 2] = this.#floats[(at + C_WAITED) >> 1] ?? 0;
    this.#times[slot * 2 + 1] = this.#floats[(at + C_RAN) >> 1] ?? 0;
  }

  #note(slot: number, code: number, why: number): void {
    this.#codes[slot] = code;
    this.#whys[slot] = why;
    this.#times[slot * 2] = 0;
    this.#times[slot * 2 + 1] = 0;
  }

  /** A dead queue completes nothing any more: what is left was submitted in the moment in which it died. */
  #buryIfEnded(): number {
    const words = this.#words;
    if (this.#head === this.#tail || Atomics.load(words, ENDED) === 0) return 0;
    if (Atomics.load(words, COMPLETE_TAIL) >>> 0 !== this.#head) return 0;
    const left = (this.#tail - this.#head) >>> 0;
    for (let i = 0; i < left; i++) {
      const slot = this.#head & this.#mask;
      if (this.#early[slot] === 0) this.#note(slot, ENXIO, WHY.dead);
      this.#head = (this.#head + 1) >>> 0;
    }
    this.#published = this.#tail;
    this.#settle();
    return left;
  }

  #isOver(id: number): boolean {
    return (this.#head - id - 1) >>> 0 < TWO_32 / 2 || this.#early[id & this.#mask] === 1;
  }

  /** How a request ended; null while it is not over. Throws EINVAL for an id that is not among the last `depth`. */
  outcome(id: number): Completion | null {
    this.#expectKept(id);
    if (!this.#isOver(id)) {
      this.poll();
      if (!this.#isOver(id)) return null;
    }
    return this.#completion(id);
  }

  #expectKept(id: number): void {
    if (Number.isInteger(id) && id >= 0 && (this.#tail - id - 1) >>> 0 < this.#kept) return;
    throw new HmsError(
      "NO_SUCH_REQUEST",
      "EINVAL",
      `Asking for request ${id} failed: the outcomes of the last ${this.depth} requests are kept. Ask before as many more are submitted.`,
    );
  }

  #completion(id: number): Completion {
    const slot = id & this.#mask;
    const code = this.#codes[slot] ?? 0;
    return {
      id,
      code,
      why: (this.#whys[slot] ?? 0) as Why,
      detail: code === 0 ? "" : this.#detail(id),
      waited: this.#times[slot * 2] ?? 0,
      ran: this.#times[slot * 2 + 1] ?? 0,
    };
  }

  #detail(id: number): string {
    for (let i = 0; i < DETAILS; i++) {
      const byte = this.#parts.details + i * DETAIL_BYTES;
      const bytes = this.#words[(byte >> 2) + D_BYTES] ?? 0;
      if (this.#words[(byte >> 2) + D_ID] !== ((id + 1) | 0) || bytes === 0) continue;
      const start = byte + DETAIL_HEADER_BYTES;
      return new TextDecoder().decode(
        this.#bytes.slice(start, start + Math.min(bytes, DETAIL_BYTES - DETAIL_HEADER_BYTES)),
      );
    }
    return "";
  }

  /**
   * Blocks this thread until a request is over; its code, or ETIMEDOUT. Looks at the ring for a moment before it
   * sleeps. `timeout` in milliseconds.
   */
  wait(id: number, timeout: number = Number.POSITIVE_INFINITY): number {
    this.#expectKept(id);
    this.flush();
    if (!this.#isOver(id) && !this.#look(id) && !this.#sleep(id, timeout)) return ETIMEDOUT;
    return this.#codes[id & this.#mask] ?? 0;
  }

  /** Looks at the ring for a moment. */
  #look(id: number): boolean {
    const limit = this.#spin.limit;
    const until = microseconds() + limit;
    for (let round = 1; ; round++) {
      if (Atomics.load(this.#words, COMPLETE_TAIL) >>> 0 !== this.#head) {
        this.poll();
        if (this.#isOver(id)) {
          this.#spin.hit();
          return true;
        }
      }
      if ((round & 31) === 0 && microseconds() >= until) break;
    }
    this.#spin.miss();
    return false;
  }

  #sleep(id: number, timeout: number): boolean {
    const words = this.#words;
    const until = performance.now() + timeout;
    for (;;) {
      const left = until - performance.now();
      const seen = this.#announce(id);
      this.poll();
      if (this.#isOver(id)) break;
      if (left <= 0) return false;
      Atomics.wait(words, COMPLETE_TAIL, seen, Math.min(left, LOOK_EVERY));
    }
    Atomics.store(words, WAITING, 0);
    return true;
  }

  /** Says which completion is waited for; returns the tail to sleep on. */
  #announce(id: number): number {
    Atomics.store(this.#words, WAIT_TARGET, (id + 1) | 0);
    Atomics.store(this.#words, WAITING, 1);
    return Atomics.load(this.#words, COMPLETE_TAIL);
  }

  /** A promise of how a request ends. It keeps the process alive until then. */
  completion(id: number): Promise<Completion> {
    this.#expectKept(id);
    this.flush();
    if (this.#isOver(id) || this.#look(id)) return Promise.resolve(this.#completion(id));
    const { promise, resolve } = Promise.withResolvers<Completion>();
    const before = this.#promises.get(id);
    this.#promises.set(
      id,
      before === undefined
        ? resolve
        : (completion) => {
            before(completion);
            resolve(completion);
          },
    );
    this.#alive ??= setInterval(() => this.#listen(), LOOK_EVERY);
    this.#listen();
    return promise;
  }

  /** Submits a request, waiting for room if need be, and resolves when it is done. Rejects with the error it ended with. */
  async run(request: Request): Promise<Completion> {
    let id = this.submit(request);
    while (id === -EAGAIN) {
      await this.room();
      id = this.submit(request);
    }
    if (id < 0) throw this.#refused(-id);
    const completion = await this.completion(id);
    if (completion.code !== 0) throw failure(this.queue, completion);
    return completion;
  }

  /** Resolves when the oldest request in flight is over. */
  async room(): Promise<void> {
    // What a client before this one left there has no promises.
    if ((this.#tail - this.#head) >>> 0 <= this.#kept) await this.completion(this.#head);
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }

  #refused(code: number): HmsError {
    const dead = code === ENXIO;
    return new HmsError(
      dead ? "QUEUE_DEAD" : "QUEUE_NOT_STARTED",
      codeName(code),
      dead
        ? `Submitting to queue ${this.queue} failed: it is dead, because ${this.death}. Make another one.`
        : `Submitting to queue ${this.queue} failed: it is in state init. Start it first.`,
    );
  }

  /** Resolves the promises of requests that are over. */
  #settle(): void {
    for (const [id, resolve] of this.#promises) {
      if (!this.#isOver(id)) continue;
      this.#promises.delete(id);
      resolve(this.#completion(id));
    }
    if (this.#promises.size > 0 || this.#alive === null) return;
    clearInterval(this.#alive);
    this.#alive = null;
    Atomics.store(this.#words, WAITING, 0);
  }

  /** Waits, without blocking, for the first request that someone has a promise of. */
  #listen(): void {
    this.poll();
    if (this.#listening) return;
    for (;;) {
      const [next] = this.#promises.keys();
      if (next === undefined) return;
      const seen = this.#announce(next);
      this.poll();
      if (!this.#promises.has(next)) continue;
      const wait = Atomics.waitAsync(this.#words, COMPLETE_TAIL, seen, LOOK_EVERY);
      if (!wait.async) continue;
      this.#listening = true;
      wait.value.then(() => {
        this.#listening = false;
        this.#listen();
      });
      return;
    }
  }

  /**
   * Cancels a request. `canceled`: it had not begun, and will not run; it is over with ECANCELED. `asked`: it runs, and
   * was asked to end at its next index chunk; if it does not within a second, the kernel ends it. `over`: it had ended already.
   */
  cancel(id: number): Canceling {
    this.#expectKept(id);
    this.poll();
    if (this.#isOver(id)) return "over";
    const words = this.#words;
    const state = (this.#slotByte(id) >> 2) + S_STATE;
    if (Atomics.compareExchange(words, state, READY, CANCELED) === READY) {
      const slot = id & this.#mask;
      this.#note(slot, ECANCELED, WHY.canceled);
      this.#early[slot] = 1;
      this.flush();
      if (this.#promises.size > 0) this.#settle();
      return "canceled";
    }
    Atomics.store(words, CANCEL_ID, id | 0);
    Atomics.store(words, CANCEL_ASKED, 1);
    return "asked";
  }

  /** Blocks until nothing is in flight. False after `timeout` milliseconds. */
  drain(timeout: number = Number.POSITIVE_INFINITY): boolean {
    if (this.inFlight === 0) return true;
    this.flush();
    const last = (this.#tail - 1) >>> 0;
    const over = (): boolean => this.#head === this.#tail;
    const until = performance.now() + timeout;
    while (!over()) {
      const left = until - performance.now();
      if (left <= 0) return false;
      const seen = this.#announce(last);
      this.poll();
      if (!over()) Atomics.wait(this.#words, COMPLETE_TAIL, seen, Math.min(left, LOOK_EVERY));
    }
    return true;
  }

  /** Resolves when nothing is in flight. */
  async drained(): Promise<void> {
    while (this.inFlight > 0) await this.room();
  }

  /** Lets go of the queue, for another client to have. What is in flight goes on; its promises never resolve otherwise. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    for (const [id, resolve] of this.#promises) {
      this.#note(id & this.#mask, ENXIO, WHY.dead);
      resolve(this.#completion(id));
    }
    this.#promises.clear();
    if (this.#alive !== null) clearInterval(this.#alive);
    this.#alive = null;
    Atomics.store(this.#words, WAITING, 0);
    Atomics.store(this.#words, CLAIMED, 0);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const DEATHS: Readonly<Record<Death, string>> = {
  [DEATH.none]: "",
  [DEATH.reset]: "it was reset",
  [DEATH.thread]: "the device's thread ended while one of its requests ran",
  [DEATH.rings]: "what was written into its rings made no sense",
  [DEATH.isolated]: "its device was taken out of service after too many errors",
  [DEATH.space]: "the space that it reached was closed",
  [DEATH.closed]: "it was closed",
  [DEATH.broken]: "its device's thread does not start any more",
};

const CODES: Readonly<Record<Why, string>> = {
  [WHY.done]: "DONE",
  [WHY.badRequest]: "BAD_REQUEST",
  [WHY.noKernel]: "NO_SUCH_KERNEL",
  [WHY.kernelFailed]: "KERNEL_FAILED",
  [WHY.memoryFault]: "DEVICE_FAULT",
  [WHY.canceled]: "REQUEST_CANCELED",
  [WHY.stopped]: "QUEUE_STOPPED",
  [WHY.reset]: "QUEUE_RESET",
  [WHY.deviceDied]: "DEVICE_DIED",
  [WHY.dead]: "QUEUE_DEAD",
};

const REASONS: Readonly<Record<Why, string>> = {
  [WHY.done]: "it is done",
  [WHY.badRequest]: "the request makes no sense",
  [WHY.noKernel]: "the device has no such kernel",
  [WHY.kernelFailed]: "its kernel failed",
  [WHY.memoryFault]: "it touched memory that it cannot have",
  [WHY.canceled]: "it was cancelled",
  [WHY.stopped]: "its queue was stopped",
  [WHY.reset]: "its queue was reset",
  [WHY.deviceDied]: "the device's thread ended; make another queue",
  [WHY.dead]: "its queue is dead; make another one",
};

/** The error to throw for a request that did not go well. */
export function failure(queue: number, { id, code, why, detail }: Completion): HmsError {
  const reason = detail === "" ? REASONS[why] : detail;
  return new HmsError(CODES[why], codeName(code), `Request ${id} of queue ${queue} failed: ${reason}.`);
}
