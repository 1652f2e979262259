import { microseconds } from "./clock.ts";
import { ECANCELED, EFAULT, EINVAL, EIO, ENOENT, WHY, type Why } from "./code.ts";
import { Details } from "./details.ts";
import type { Engine, KernelEntry } from "./engine.ts";
import { type RegionView, Submission } from "./engine-decode.ts";
import { describe, Failure, refusedFault } from "./engine-failure.ts";
import { type KernelDevice, WasmProgram } from "./engine-programs.ts";
import {
  BEGUN,
  C_CODE,
  C_ID,
  C_RAN,
  C_WAITED,
  C_WHY,
  CANCEL_ASKED,
  CANCEL_ID,
  CANCELED,
  COMPLETE_HEAD,
  COMPLETE_TAIL,
  COMPLETION_BYTES,
  DEVICE,
  E_ARGUMENTS,
  E_ARRAYS,
  E_FAILED_FAULTS,
  E_RUNNING,
  HISTOGRAM_BUCKETS,
  NOBODY,
  P_BUSY,
  P_CANCELED,
  P_COMPLETED,
  P_CORRUPT,
  P_ERRORS,
  P_NOW_AT,
  P_NOW_RAN,
  P_NOW_WAITED,
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
  partsOf,
  type QueueParts,
  type QueueShape,
  READY,
  S_STATE,
  STARTED,
  SUBMIT_HEAD,
  SUBMIT_TAIL,
  WAIT_TARGET,
  WAITING,
} from "./layout.ts";

/** How long a request runs before other queues get their turn. Microseconds. */
const SLICE = 2000;
/** A call of a kernel is to take about as long as this. Microseconds. */
const CHUNK_TIME = 500;
const CHUNK_TIME_MIN = 200;
const CHUNK_TIME_MAX = 1000;
const GROW_MAX = 8;
const SHRINK_MAX = 64;
const CHUNK_MAX = 2 ** 30;
/** Requests of one queue before others get their turn. */
const BURST = 64;

type Value = number | bigint;

/** The device's end of a queue. What it must not lose with its thread is in `kernelMemory`. */
export class EngineQueue implements KernelDevice {
  readonly number: number;
  readonly name: string;
  readonly regions: Map<number, RegionView> = new Map();
  /** For each WebAssembly program, the regions in its memory. */
  readonly wasmRegions: Map<number, Map<number, RegionView>> = new Map();
  readonly words: Int32Array;
  readonly #floats: Float64Array;
  readonly #engine: Engine;
  readonly #mask: number;
  readonly #depth: number;
  readonly #parts: QueueParts;
  readonly #own: Int32Array;
  readonly #ownFloats: Float64Array;
  readonly #submission: Submission;
  readonly #details: Details;
  /** The running request, while it is between two turns. */
  #entry: KernelEntry | null = null;
  #args: object = {};
  #values: Value[] = [];
  #at = 0;
  #failedFaults = 0;
  #told = false;

  constructor(
    engine: Engine,
    queue: number,
    memory: SharedArrayBuffer,
    shape: QueueShape,
    kernelMemory: SharedArrayBuffer,
  ) {
    this.#engine = engine;
    this.number = queue;
    this.name = engine.name;
    this.words = new Int32Array(memory);
    this.#floats = new Float64Array(memory, 0, memory.byteLength >>> 3);
    this.#depth = shape.depth;
    this.#mask = shape.depth - 1;
    this.#parts = partsOf(shape);
    this.#own = new Int32Array(kernelMemory);
    this.#ownFloats = new Float64Array(kernelMemory);
    this.#submission = new Submission(memory, shape.argumentsMax);
    this.#details = new Details(memory, this.#parts.details);
  }

  /** A thread that follows another goes on with what that one had begun, and tells what it had no time to tell. */
  takeOver(): void {
    const own = this.#own;
    if (Atomics.compareExchange(own, P_OWNER, NOBODY, DEVICE) !== NOBODY) return;
    Atomics.store(this.words, SUBMIT_HEAD, own[P_TAKEN] ?? 0);
    this.publish();
    if (this.#running) this.#resume();
    Atomics.store(own, P_OWNER, NOBODY);
  }

  get #running(): boolean {
    return this.#own[P_TAKEN] !== this.#own[P_COMPLETED];
  }

  /** Whether someone wants the running request to end. */
  get canceled(): boolean {
    if (Atomics.load(this.#own, P_STOP) !== 0) return true;
    const { words } = this;
    return (
      Atomics.load(words, CANCEL_ASKED) !== 0 && Atomics.load(words, CANCEL_ID) === this.#own[P_RUNNING_ID]
    );
  }

  /** Does some of the queue's work; false when there is none. */
  serve(): boolean {
    const own = this.#own;
    if (Atomics.load(own, P_STOP) !== 0) return this.#tell();
    this.#told = false;
    if (Atomics.load(own, P_STATE) !== STARTED) return false;
    // The kernel ends a queue by itself while the device is not at it.
    if (Atomics.compareExchange(own, P_OWNER, NOBODY, DEVICE) !== NOBODY) return false;
    const worked = this.#burst();
    Atomics.store(own, P_OWNER, NOBODY);
    return worked;
  }

  #burst(): boolean {
    const own = this.#own;
    for (let done = 0; done < BURST; done++) {
      if (Atomics.load(own, P_STOP) !== 0) return true;
      if (!this.#running && !this.#take()) return done > 0;
      if (this.#running && !this.#work()) return true;
    }
    return true;
  }

  /** The kernel wants the queue back, and has it now. */
  #tell(): boolean {
    if (!this.#told) this.#engine.reply({ type: "stopped", queue: this.number });
    this.#told = true;
    return false;
  }

  /** Takes the next submission; false when there is none, or it is over already. */
  #take(): boolean {
    const { words } = this;
    const own = this.#own;
    const taken = (own[P_TAKEN] ?? 0) >>> 0;
    const pending = ((Atomics.load(words, SUBMIT_TAIL) >>> 0) - taken) >>> 0;
    if (pending === 0) return false;
    // What the kernel told before this was submitted may be what it needs.
    if (this.#engine.hasMail) return false;
    const unread = (taken - (Atomics.load(words, COMPLETE_HEAD) >>> 0)) >>> 0;
    if (pending > this.#depth || unread > this.#depth) return this.#corrupt();
    // The client has to take completions before there is room for more.
    if (unread === this.#depth) return false;
    const slotByte = this.#slotByte(taken);
    const now = microseconds();
    own[P_RUNNING_ID] = words[(slotByte >> 2) + 1] ?? 0;
    this.#ownFloats[P_NOW_RAN >> 1] = 0;
    this.#ownFloats[P_NOW_AT >> 1] = Number.NaN;
    this.#ownFloats[P_NOW_WAITED >> 1] = 0;
    Atomics.store(words, CANCEL_ASKED, 0);
    Atomics.store(own, P_TAKEN, (taken + 1) | 0);
    Atomics.store(words, SUBMIT_HEAD, (taken + 1) | 0);
    const state = Atomics.compareExchange(words, (slotByte >> 2) + S_STATE, READY, BEGUN);
    if (state !== READY) {
      if (state === CANCELED) this.#end(ECANCELED, WHY.canceled, "");
      else this.#end(EINVAL, WHY.badRequest, `its slot is in state ${state}, not ready`);
      return true;
    }
    this.#begin(slotByte, now);
    return true;
  }

  #slotByte(index: number): number {
    return this.#parts.submissions + (index & this.#mask) * this.#parts.submissionBytes;
  }

  /** The client's indices make no sense: nothing that it wrote can be relied on. */
  #corrupt(): boolean {
    Atomics.store(this.#own, P_CORRUPT, 1);
    Atomics.store(this.#own, P_STATE, STARTED + 1);
    this.#engine.reply({ type: "stopped", queue: this.number });
    return false;
  }

  #begin(slotByte: number, now: number): void {
    const own = this.#ownFloats;
    try {
      this.#submission.read(slotByte);
      const waited = now - this.#submission.submittedAt;
      // A client may write what it likes there.
      own[P_NOW_WAITED >> 1] = waited > 0 && waited < 1e12 ? waited : 0;
      this.#prepare();
      this.#at = this.#submission.first;
    } catch (error) {
      this.#failed(error);
    }
  }

  #resume(): void {
    const slotByte = this.#slotByte(((this.#own[P_TAKEN] ?? 0) - 1) >>> 0);
    if (Atomics.compareExchange(this.words, (slotByte >> 2) + S_STATE, READY, BEGUN) === CANCELED) {
      this.#end(ECANCELED, WHY.canceled, "");
      return;
    }
    try {
      this.#submission.read(slotByte);
      this.#prepare();
      const at = this.#ownFloats[P_NOW_AT >> 1] ?? Number.NaN;
      const { first, end } = this.#submission;
      this.#at = at >= first && at <= end ? at : first;
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Finds the kernel and makes its arguments. */
  #prepare(): void {
    const { kernel } = this.#submission;
    if (kernel === 0) {
      this.#entry = null;
      return;
    }
    const entry = this.#engine.kernels.get(kernel);
    if (entry === undefined) throw new Failure(ENOENT, WHY.noKernel, `the device has no kernel ${kernel}`);
    const { count } = this.#submission;
    if (count !== entry.parameters.length) {
      throw new Failure(
        EINVAL,
        WHY.badRequest,
        `kernel ${entry.name} was made for ${entry.parameters.length} arguments, and gets ${count}`,
      );
    }
    if (entry.program instanceof WasmProgram) this.#placeValues(entry);
    else this.#makeArguments(entry);
    this.#entry = entry;
  }

  #makeArguments(entry: KernelEntry): void {
    const submission = this.#submission;
    const args: Record<string, unknown> = {};
    for (let i = 0; i < entry.parameters.length; i++) {
      const name = entry.parameters[i] ?? "";
      if (submission.isArray(i)) {
        const view = this.regions.get(submission.region(i));
        const byte = submission.locate(i, view);
        if (view !== undefined) args[name] = submission.array(i, view, byte);
      } else args[name] = submission.value(i);
    }
    this.#args = args;
  }

  /** A WebAssembly kernel gets the places of arrays in its memory, and values. */
  #placeValues(entry: KernelEntry): void {
    const submission = this.#submission;
    const regions = this.wasmRegions.get(entry.programNumber);
    const values: Value[] = [];
    for (let i = 0; i < entry.parameters.length; i++) {
      if (submission.isArray(i)) values.push(submission.locate(i, regions?.get(submission.region(i))));
      else values.push(submission.value(i));
    }
    values.push(0, 0);
    this.#values = values;
  }

  /** Runs the request for a slice. False when it is not over. */
  #work(): boolean {
    const submission = this.#submission;
    const engine = this.#engine.words;
    const started = microseconds();
    const own = this.#ownFloats;
    const before = own[P_NOW_RAN >> 1] ?? 0;
    this.#failedFaults = Atomics.load(engine, E_FAILED_FAULTS);
    this.#announce();
    let over = true;
    try {
      if (this.#entry !== null) over = this.#run(this.#entry, started);
      this.#setRan(before + microseconds() - started);
      if (this.#faulted()) over = this.#fault();
      else if (over) this.#end(0, WHY.done, "");
    } catch (error) {
      this.#setRan(before + microseconds() - started);
      if (this.#entry?.program instanceof WasmProgram) this.#entry.program.dropInstance(this.number);
      this.#failed(error);
    }
    if (!over) own[P_NOW_AT >> 1] = this.#at;
    Atomics.store(engine, E_RUNNING, 0);
    if (!over && this.#at < submission.end && this.canceled && Atomics.load(this.#own, P_STOP) === 0) {
      this.#end(ECANCELED, WHY.canceled, `cancelled at index ${this.#at}`);
      return true;
    }
    return over;
  }

  /** Time counts once: what the slice took. */
  #setRan(ran: number): void {
    const own = this.#ownFloats;
    own[P_BUSY >> 1] = (own[P_BUSY >> 1] ?? 0) + ran - (own[P_NOW_RAN >> 1] ?? 0);
    own[P_NOW_RAN >> 1] = ran;
  }

  /** Tells the kernel who is at work, and with what: it answers device faults by it. */
  #announce(): void {
    const engine = this.#engine.words;
    const submission = this.#submission;
    let arrays = 0;
    if (this.#entry !== null) {
      for (let i = 0; i < submission.count; i++) {
        if (!submission.isArray(i)) continue;
        engine[E_ARGUMENTS + arrays * 2] = submission.region(i) | 0;
        engine[E_ARGUMENTS + arrays * 2 + 1] = submission.access(i);
        arrays++;
      }
    }
    engine[E_ARRAYS] = arrays;
    Atomics.store(engine, E_RUNNING, this.number + 1);
  }

  /** Calls the kernel for one part of its range after another, until it is over or the slice is. */
  #run(entry: KernelEntry, started: number): boolean {
    const { end, whole } = this.#submission;
    let from = started;
    for (;;) {
      const stop = whole ? end : Math.min(end, this.#at + entry.chunk);
      this.#call(entry, this.#at, stop);
      const full = !whole && stop - this.#at === entry.chunk;
      this.#at = stop;
      if (stop >= end) return true;
      const now = microseconds();
      if (full) adapt(entry, now - from);
      from = now;
      if (now - started > SLICE || this.canceled || this.#faulted()) return false;
    }
  }

  #call(entry: KernelEntry, first: number, end: number): void {
    const { program } = entry;
    if (program instanceof WasmProgram) {
      const values = this.#values;
      values[values.length - 2] = first;
      values[values.length - 1] = end;
      program.kernel(this.number, entry.name)(...values);
      return;
    }
    const kernel = program.kernels.get(entry.name);
    if (kernel === undefined) throw new Failure(ENOENT, WHY.noKernel, `the program exports no ${entry.name}`);
    const result = kernel(this.#args as Record<string, number>, { first, end }, this);
    if (typeof result === "object" && result !== null) this.#expectOver(result);
  }

  /** What a kernel returns is nobody's, unless it says that the kernel still has something to do. */
  #expectOver(result: object): void {
    const promise = "then" in result;
    if (promise) this.#engine.breathe();
    else if (!("next" in result && "throw" in result)) return;
    throw new Failure(
      EINVAL,
      WHY.kernelFailed,
      `its kernel returned ${promise ? "a promise" : "a generator"}; kernels run from beginning to end`,
    );
  }

  #faulted(): boolean {
    return Atomics.load(this.#engine.words, E_FAILED_FAULTS) !== this.#failedFaults;
  }

  /** It got what it should not have: it is over, whatever it still has to do. */
  #fault(): boolean {
    const what = refusedFault(this.#engine.words, (region) => this.#namesOf(region));
    this.#engine.clearFaults();
    this.#end(EFAULT, WHY.memoryFault, what);
    return true;
  }

  /** The arguments of the running request that are of a region. */
  #namesOf(region: number): string[] {
    const submission = this.#submission;
    return (this.#entry?.parameters ?? []).filter(
      (_, i) => submission.isArray(i) && submission.region(i) === region,
    );
  }

  #failed(error: unknown): void {
    if (this.#entry !== null && this.#faulted()) this.#fault();
    else if (error instanceof Failure) this.#end(error.code, error.why, error.message);
    else this.#end(EIO, WHY.kernelFailed, describe(error));
  }

  /** Writes the completion of the running request. Storing `P_COMPLETED` is the moment in which it is over. */
  #end(code: number, why: Why, detail: string): void {
    const { words } = this;
    const own = this.#own;
    const floats = this.#ownFloats;
    const index = (own[P_COMPLETED] ?? 0) >>> 0;
    const id = own[P_RUNNING_ID] ?? 0;
    const waited = floats[P_NOW_WAITED >> 1] ?? 0;
    const ran = floats[P_NOW_RAN >> 1] ?? 0;
    const at = (this.#parts.completions + (index & this.#mask) * COMPLETION_BYTES) >> 2;
    words[at + C_ID] = id;
    words[at + C_CODE] = code;
    words[at + C_WHY] = why;
    this.#floats[(at + C_WAITED) >> 1] = waited;
    this.#floats[(at + C_RAN) >> 1] = ran;
    if (detail !== "") this.#details.write(id, detail);
    this.#count(code, waited, ran);
    this.#entry = null;
    Atomics.store(own, P_COMPLETED, (index + 1) | 0);
    this.publish();
  }

  #count(code: number, waited: number, ran: number): void {
    const own = this.#own;
    const floats = this.#ownFloats;
    own[P_REQUESTS] = (own[P_REQUESTS] ?? 0) + 1;
    if (code === ECANCELED) own[P_CANCELED] = (own[P_CANCELED] ?? 0) + 1;
    else if (code !== 0) own[P_ERRORS] = (own[P_ERRORS] ?? 0) + 1;
    floats[P_WAITED >> 1] = (floats[P_WAITED >> 1] ?? 0) + waited;
    if (waited > (floats[P_WAITED_MAX >> 1] ?? 0)) floats[P_WAITED_MAX >> 1] = waited;
    if (ran > (floats[P_RAN_MAX >> 1] ?? 0)) floats[P_RAN_MAX >> 1] = ran;
    const waitedAt = P_WAITED_HISTOGRAM + bucketOf(waited);
    const ranAt = P_RAN_HISTOGRAM + bucketOf(ran);
    own[waitedAt] = (own[waitedAt] ?? 0) + 1;
    own[ranAt] = (own[ranAt] ?? 0) + 1;
  }

  /** Shows the client how far it is, and wakes it if it waits for that. */
  publish(): void {
    const { words } = this;
    const tail = this.#own[P_COMPLETED] ?? 0;
    Atomics.store(words, COMPLETE_TAIL, tail);
    if (Atomics.load(words, WAITING) === 0) return;
    if (((tail - Atomics.load(words, WAIT_TARGET)) | 0) >= 0) Atomics.notify(words, COMPLETE_TAIL);
  }
}

/** The histogram's bucket: less than 2^i microseconds. */
export function bucketOf(time: number): number {
  return Math.min(HISTOGRAM_BUCKETS - 1, 32 - Math.clz32(Math.min(time, 2 ** 31)));
}

/** A kernel's calls shall be neither so long that nobody can stop it, nor so short that they cost. */
function adapt(entry: KernelEntry, took: number): void {
  if (took >= CHUNK_TIME_MIN && took <= CHUNK_TIME_MAX) return;
  const factor = Math.min(GROW_MAX, Math.max(1 / SHRINK_MAX, CHUNK_TIME / Math.max(1, took)));
  entry.chunk = Math.min(CHUNK_MAX, Math.max(1, Math.round(entry.chunk * factor)));
}
