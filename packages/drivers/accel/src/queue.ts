import { HmsError } from "@hms/topology";
import type { Attachment } from "./attachment.ts";
import type { QueueMapping, QueueState } from "./client.ts";
import { codeName, EBUSY, ECANCELED, EINVAL, EIO, ENOENT, ENXIO, WHY, type Why } from "./code.ts";
import type { AccelContext } from "./context.ts";
import { Details } from "./details.ts";
import {
  C_CODE,
  C_ID,
  C_RAN,
  C_WAITED,
  C_WHY,
  CANCEL_ASKED,
  CANCEL_ID,
  CANCELED,
  COMPLETE_TAIL,
  COMPLETION_BYTES,
  DEATH,
  DEVICE,
  type Death,
  DIED_OF,
  ENDED,
  HISTOGRAM_BUCKETS,
  INIT,
  isShape,
  KERNEL,
  makeQueueMemory,
  NOBODY,
  P_BUSY,
  P_CANCELED,
  P_COMPLETED,
  P_CORRUPT,
  P_ERRORS,
  P_FAULTS,
  P_OWNER,
  P_RAN_HISTOGRAM,
  P_RAN_MAX,
  P_REQUESTS,
  P_RUNNING_ID,
  P_STATE,
  P_STOP,
  P_TAKEN,
  P_WAITED,
  P_WAITED_HISTOGRAM,
  P_WAITED_MAX,
  PRIVATE_BYTES,
  partsOf,
  type QueueParts,
  type QueueShape,
  READY,
  S_ID,
  S_STATE,
  STARTED,
  STATE,
  STOP_PUT,
  STOP_RESET,
  SUBMIT_TAIL,
  ZOMBIE,
} from "./layout.ts";
import type { SpaceView } from "./view.ts";

/** What a queue has done so far. Times in microseconds. */
export interface QueueStatistics {
  readonly state: QueueState;
  /** Requests that are over, however. */
  readonly requests: number;
  /** Those that ended with an error; those that were cancelled are not among them. */
  readonly errors: number;
  readonly canceled: number;
  /** Device faults while its requests ran. */
  readonly faults: number;
  readonly busy: number;
  readonly waitedMean: number;
  readonly waitedMax: number;
  readonly ranMean: number;
  readonly ranMax: number;
  /** How many waited (ran) less than 2^i microseconds, and not less than half of that; the last: and more. */
  readonly waitedHistogram: readonly number[];
  readonly ranHistogram: readonly number[];
}

/** How a stopping queue ends up, and since when it is stopping. */
interface Stopping {
  readonly how: number;
  readonly since: number;
}

/** A running request that its client wants to end, and since when the kernel knows. */
interface Unwanted {
  readonly id: number;
  readonly since: number;
  /** The device's thread was ended because of it. */
  overdue: boolean;
}

/**
 * A queue, as the kernel holds it: bound to one space by its PASID, and reaching only what is attached to it.
 *
 * States: `init` → `start` → `started` → `put` (what has not begun is cancelled, what runs is asked to end) → `init`.
 * `reset`, `close`, the device's failure while one of its requests runs, and rings that make no sense, make it a
 * `zombie`: it completes what is in flight (EIO for what ran, ECANCELED for what had not begun) and then nothing more;
 * calls answer ENXIO.
 */
export class AccelQueue implements Disposable {
  readonly number: number;
  readonly pasid: number;
  readonly context: AccelContext;
  readonly view: SpaceView;
  readonly shape: QueueShape;
  readonly memory: SharedArrayBuffer;
  readonly kernelMemory: SharedArrayBuffer = new SharedArrayBuffer(PRIVATE_BYTES);
  /** What it reaches, by region and program. */
  readonly attachments: Map<string, Attachment> = new Map();
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #own: Int32Array = new Int32Array(this.kernelMemory);
  readonly #ownFloats: Float64Array = new Float64Array(this.kernelMemory);
  readonly #parts: QueueParts;
  #state: typeof INIT | typeof STARTED | typeof ZOMBIE = INIT;
  #stopping: Stopping | null = null;
  #unwanted: Unwanted | null = null;
  /** Everything about it is over; the device may still have to forget it. */
  closed = false;
  #errorsSeen = 0;

  /** `AccelContext.queue` makes them. */
  constructor(context: AccelContext, number: number, pasid: number, view: SpaceView, shape: QueueShape) {
    if (!isShape(shape)) {
      throw new HmsError(
        "BAD_QUEUE",
        "EINVAL",
        `Making a queue failed: its depth must be a power of two from 2 to 65536 and its arguments 0 to 64, not ${shape.depth} and ${shape.argumentsMax}.`,
      );
    }
    this.context = context;
    this.number = number;
    this.pasid = pasid;
    this.view = view;
    this.shape = shape;
    this.memory = makeQueueMemory(number, shape);
    this.#parts = partsOf(shape);
    this.#words = new Int32Array(this.memory);
    this.#floats = new Float64Array(this.memory, 0, this.memory.byteLength >>> 3);
  }

  /** What a client needs to use it (`QueueClient`), in any thread. */
  get mapping(): QueueMapping {
    return { memory: this.memory, doorbell: this.context.driver.doorbell };
  }

  /** Where its rings are in its memory. */
  get parts(): QueueParts {
    return this.#parts;
  }

  /** Requests that the device has seen, or will see, and that are not over. */
  get inFlight(): number {
    const submitted = Atomics.load(this.#words, SUBMIT_TAIL) >>> 0;
    return (submitted - (Atomics.load(this.#words, COMPLETE_TAIL) >>> 0)) >>> 0;
  }

  /** Cancels a request that has not begun. `false`: it has begun, or is over. Throws ENOENT for one that is not there. */
  cancel(id: number): boolean {
    const tail = Atomics.load(this.#words, SUBMIT_TAIL) >>> 0;
    if ((tail - id - 1) >>> 0 >= this.inFlight)
      this.#refuse(`Cancelling request ${id} of`, "NO_SUCH_REQUEST", ENOENT, "no such request is in flight");
    const slot = this.#parts.submissions + (id & (this.shape.depth - 1)) * this.#parts.submissionBytes;
    const word = (slot >> 2) + S_STATE;
    return Atomics.compareExchange(this.#words, word, READY, CANCELED) === READY;
  }

  get state(): QueueState {
    return this.#state === STARTED ? "started" : this.#state === INIT ? "init" : "zombie";
  }

  /** From init only. Throws EINVAL from another state, EBUSY while it is still stopping, ENXIO when it is dead. */
  start(): void {
    this.#expectAlive("Starting");
    if (this.#stopping !== null)
      this.#refuse("Starting", "QUEUE_BUSY", EBUSY, "its last request is still ending");
    if (this.#state !== INIT) this.#refuse("Starting", "QUEUE_STATE", EINVAL, "it is started already");
    this.#setState(STARTED);
    this.context.driver.ring();
  }

  /** Stops it, back to init, restartable. Throws EINVAL when it is not started, ENXIO when it is dead. */
  put(): void {
    this.#expectAlive("Stopping");
    if (this.#state !== STARTED) this.#refuse("Stopping", "QUEUE_STATE", EINVAL, "it is not started");
    this.#setState(INIT);
    this.#stop(STOP_PUT);
  }

  /** Kills it, and no other: what is in flight ends. Throws ENXIO when it is dead already. */
  reset(): void {
    this.#expectAlive("Resetting");
    this.kill(DEATH.reset);
  }

  /** As `reset`, and says what for; nothing happens when it is dead. */
  kill(death: Death): void {
    if (this.#state === ZOMBIE) return;
    this.#die(death);
    this.#stop(STOP_RESET);
  }

  /** Kills it, and gives back its memory, its place and what it reaches. Closing again does nothing. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.kill(DEATH.closed);
    this.context.driver.settle();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  statistics(): QueueStatistics {
    const own = this.#own;
    const floats = this.#ownFloats;
    const requests = (own[P_REQUESTS] ?? 0) >>> 0;
    const mean = (at: number): number => (requests === 0 ? 0 : (floats[at >> 1] ?? 0) / requests);
    return {
      state: this.state,
      requests,
      errors: (own[P_ERRORS] ?? 0) >>> 0,
      canceled: (own[P_CANCELED] ?? 0) >>> 0,
      faults: (own[P_FAULTS] ?? 0) >>> 0,
      busy: floats[P_BUSY >> 1] ?? 0,
      waitedMean: mean(P_WAITED),
      waitedMax: floats[P_WAITED_MAX >> 1] ?? 0,
      ranMean: mean(P_BUSY),
      ranMax: floats[P_RAN_MAX >> 1] ?? 0,
      waitedHistogram: [...own.subarray(P_WAITED_HISTOGRAM, P_WAITED_HISTOGRAM + HISTOGRAM_BUCKETS)],
      ranHistogram: [...own.subarray(P_RAN_HISTOGRAM, P_RAN_HISTOGRAM + HISTOGRAM_BUCKETS)],
    };
  }

  // For the driver.

  /** A device fault of its running request. */
  countFault(): void {
    Atomics.add(this.#own, P_FAULTS, 1);
  }

  /** Errors since last asked. */
  newErrors(): number {
    const errors = Atomics.load(this.#own, P_ERRORS);
    const seen = this.#errorsSeen;
    this.#errorsSeen = errors;
    return (errors - seen) >>> 0;
  }

  /** Whether the device has found the rings to make no sense. */
  get corrupt(): boolean {
    return Atomics.load(this.#own, P_CORRUPT) !== 0;
  }

  /** Since when it is stopping, by the host's clock; null when it is not. */
  get stoppingSince(): number | null {
    return this.#stopping?.since ?? null;
  }

  /** Whether the device is at it right now. */
  get busy(): boolean {
    return Atomics.load(this.#own, P_OWNER) === DEVICE;
  }

  /**
   * The device's thread is gone. A queue that it was in the middle of ends with it (`culprit`); the others go on. `how`
   * says in words how it went.
   */
  orphan(culprit: boolean, how: string): void {
    Atomics.store(this.#own, P_OWNER, NOBODY);
    const died = culprit && !(this.#unwanted?.overdue === true && this.endUnwanted());
    if (died && this.#running && this.#state !== ZOMBIE) {
      this.#die(DEATH.thread);
      this.#stopping ??= { how: STOP_RESET, since: 0 };
    }
    this.finish(died ? how : null);
  }

  /** Looks whether the client wants the running request to end; since when that is known, by the host's clock, or null. */
  unwantedSince(now: number): number | null {
    const id = this.#own[P_RUNNING_ID] ?? 0;
    const asked = Atomics.load(this.#words, CANCEL_ASKED) !== 0 && this.#words[CANCEL_ID] === id;
    if (!asked || !this.#running) this.#unwanted = null;
    else if (this.#unwanted?.id !== id) this.#unwanted = { id, since: now, overdue: false };
    return this.#unwanted?.since ?? null;
  }

  /** Whether a request was seen to be unwanted, and is not over as far as is known. */
  get unwanted(): boolean {
    return this.#unwanted !== null;
  }

  /** The device's thread is ended because of the unwanted request: it is cancelled, and the queue goes on. */
  condemnUnwanted(): void {
    if (this.#unwanted !== null) this.#unwanted.overdue = true;
  }

  /** Completes the unwanted request, unless the device is at the queue right now (then false), or it is over. */
  endUnwanted(): boolean {
    if (Atomics.compareExchange(this.#own, P_OWNER, NOBODY, KERNEL) !== NOBODY) return false;
    const ends = this.#running && this.#unwanted?.id === this.#own[P_RUNNING_ID];
    this.#unwanted = null;
    if (ends) {
      const id = this.#own[P_RUNNING_ID] ?? 0;
      this.#complete(id, ECANCELED, WHY.canceled, "it was cancelled, and did not end by itself in time");
      this.#publish();
    }
    Atomics.store(this.#own, P_OWNER, NOBODY);
    return ends;
  }

  #publish(): void {
    Atomics.store(this.#words, COMPLETE_TAIL, this.#own[P_COMPLETED] ?? 0);
    Atomics.notify(this.#words, COMPLETE_TAIL);
  }

  get #running(): boolean {
    return this.#own[P_TAKEN] !== this.#own[P_COMPLETED];
  }

  #die(death: Death): void {
    Atomics.store(this.#words, DIED_OF, death);
    this.#setState(ZOMBIE);
  }

  #setState(state: typeof INIT | typeof STARTED | typeof ZOMBIE): void {
    this.#state = state;
    Atomics.store(this.#own, P_STATE, state);
    Atomics.store(this.#words, STATE, state);
  }

  #stop(how: number): void {
    const { driver } = this.context;
    this.#stopping ??= { how, since: driver.now() };
    if (how === STOP_RESET) this.#stopping = { how, since: this.#stopping.since };
    Atomics.store(this.#own, P_STOP, how);
    if (!this.finish(null)) driver.ring();
  }

  /**
   * Completes what is left of a stopping queue, unless the device is at it right now: then false. `died`: how the
   * device's thread went that ran its request.
   */
  finish(died: string | null): boolean {
    const stopping = this.#stopping;
    if (stopping === null) return true;
    if (Atomics.compareExchange(this.#own, P_OWNER, NOBODY, KERNEL) !== NOBODY) return false;
    const put = stopping.how === STOP_PUT;
    if (this.#running) {
      const running = this.#own[P_RUNNING_ID] ?? 0;
      if (died !== null) this.#complete(running, EIO, WHY.deviceDied, died);
      else this.#complete(running, put ? ECANCELED : EIO, put ? WHY.stopped : WHY.reset, "");
    }
    this.#cancelRest(put ? WHY.stopped : WHY.reset);
    this.#stopping = null;
    Atomics.store(this.#own, P_STOP, 0);
    if (this.#state === ZOMBIE) Atomics.store(this.#words, ENDED, 1);
    this.#publish();
    Atomics.store(this.#own, P_OWNER, NOBODY);
    return true;
  }

  /** What was submitted and had not begun. A client that lies about how much that is gets nothing. */
  #cancelRest(why: Why): void {
    const taken = (this.#own[P_TAKEN] ?? 0) >>> 0;
    const pending = ((Atomics.load(this.#words, SUBMIT_TAIL) >>> 0) - taken) >>> 0;
    if (pending > this.shape.depth) return;
    const { submissions, submissionBytes } = this.#parts;
    for (let i = 0; i < pending; i++) {
      const index = (taken + i) >>> 0;
      const slot = submissions + (index & (this.shape.depth - 1)) * submissionBytes;
      this.#own[P_TAKEN] = (index + 1) | 0;
      this.#complete(this.#words[(slot >> 2) + S_ID] ?? 0, ECANCELED, why, "");
    }
  }

  #complete(id: number, code: number, why: Why, detail: string): void {
    const own = this.#own;
    const index = (own[P_COMPLETED] ?? 0) >>> 0;
    const at = (this.#parts.completions + (index & (this.shape.depth - 1)) * COMPLETION_BYTES) >> 2;
    this.#words[at + C_ID] = id;
    this.#words[at + C_CODE] = code;
    this.#words[at + C_WHY] = why;
    this.#floats[(at + C_WAITED) >> 1] = 0;
    this.#floats[(at + C_RAN) >> 1] = 0;
    if (detail !== "") new Details(this.memory, this.#parts.details).write(id, detail);
    own[P_REQUESTS] = (own[P_REQUESTS] ?? 0) + 1;
    const counter = code === ECANCELED ? P_CANCELED : P_ERRORS;
    own[counter] = (own[counter] ?? 0) + 1;
    own[P_COMPLETED] = (index + 1) | 0;
  }

  #expectAlive(action: string): void {
    if (this.#state === ZOMBIE) this.#refuse(action, "QUEUE_DEAD", ENXIO, "it is dead; make another one");
  }

  #refuse(action: string, code: string, errno: number, why: string): never {
    throw new HmsError(code, codeName(errno), `${action} queue ${this.number} failed: ${why}.`);
  }
}
