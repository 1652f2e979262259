import {
  type Completion,
  failure,
  QueueClient,
  type QueueMapping,
  type QueueState,
  type Request,
  type TypedArray,
  type Argument as WireArgument,
} from "@hms/driver-accel";
import { HmsError } from "@hms/topology";
import type { Handle } from "@hms/uabi";
import { badArgument, expectArgument, expectNames, namesOf } from "./arguments.ts";
import type { Device } from "./device.ts";
import type { FunctionProgram, InUse } from "./functions.ts";
import { closed, type Link } from "./link.ts";
import { expectOptions, type Known, kindOf } from "./options.ts";
import {
  type Argument,
  type Arguments,
  type KernelFunction,
  Program,
  type ProgramKernel,
} from "./program.ts";
import type { Slice } from "./region.ts";
import type { Space } from "./space.ts";

const EAGAIN = 11;

/** How a request is run. */
export interface RunOptions {
  /** Indices from `first` to `end` - 1; default: as many as the first array has elements. */
  readonly range?: { readonly first: number; readonly end: number };
  /** The kernel wants all of its range in one call. */
  readonly whole?: boolean;
  /**
   * Cancels the request: one that has not begun does not run, one that runs is asked to end, and ended after a second.
   * Either way it rejects with REQUEST_CANCELED (ECANCELED), and the queue goes on.
   */
  readonly signal?: AbortSignal;
}

/** How a request ended. */
export interface RunResult {
  /** Its number in its queue. */
  readonly request: number;
  /** From submission to start, and from start to end. Milliseconds. */
  readonly waitedMs: number;
  readonly ranMs: number;
}

/** A kernel, its arguments and how it is run: a request of a batch. */
export interface Work<A extends Arguments = Arguments> extends Omit<RunOptions, "signal"> {
  readonly kernel: KernelFunction<A> | ProgramKernel;
  readonly args: A;
}

const RUN: Known<RunOptions> = { range: "object", whole: "boolean", signal: "object" };
const WORK: Known<Work> = { kernel: "any", args: "any", range: "object", whole: "boolean" };
const STOP: Known<{ readonly drain?: boolean }> = { drain: "boolean" };

/** Counts of what a queue has done. */
export interface QueueStatistics {
  readonly state: QueueState;
  readonly submitted: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Device faults of its requests. */
  readonly faults: number;
  /** Time spent on requests. */
  readonly busyMs: number;
}

/**
 * A queue of a device: requests go through memory that is shared with it, without a call, and end in the order of
 * submission. `Device.queue` makes them.
 *
 * @example
 * ```ts
 * import { open } from "hms";
 * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
 * const x = hms.space.alloc(Float32Array, 1 << 20);
 * const y = hms.space.alloc(Float32Array, 1 << 20);
 * x.view.fill(3);
 * y.view.fill(4);
 * const queue = hms.device("accel0").queue();
 * await queue.run(
 *   ({ x, y, a }, { first, end }) => {
 *     for (let i = first; i < end; i++) y[i] += a * x[i];
 *   },
 *   { x: x.read(), y: y.update(), a: 2 },
 * );
 * console.log(y.view[12345]); // 10
 * ```
 */
export class Queue implements Disposable {
  readonly device: Device;
  /** The space that it reaches. */
  readonly space: Space;
  /** Requests that can be under way. */
  readonly depth: number;
  /** How the interface names it. */
  readonly id: Handle<"queue">;
  readonly #link: Link;
  readonly #client: QueueClient;
  readonly #onClose: () => void;
  /** How requests name what they can reach: regions, by program for WebAssembly. */
  readonly #attached = new Map<string, number>();
  /** The last request that could not be submitted at once; those after it follow. */
  #behind: Promise<unknown> | null = null;
  #closed = false;

  constructor(
    link: Link,
    device: Device,
    made: {
      readonly id: Handle<"queue">;
      readonly space: Space;
      readonly depth: number;
      readonly mapping: QueueMapping;
    },
    onClose: () => void,
  ) {
    this.#link = link;
    this.device = device;
    this.id = made.id;
    this.space = made.space;
    this.depth = made.depth;
    this.#client = new QueueClient(made.mapping);
    this.#onClose = onClose;
  }

  get state(): QueueState {
    return this.#closed ? "zombie" : this.#client.state;
  }

  /** Requests that are not over yet. */
  get inFlight(): number {
    return this.#closed ? 0 : this.#client.inFlight;
  }

  /**
   * Runs a kernel, and resolves when it is done. When the queue is full it waits for room. A function is brought to the
   * device when it is first used, and again when it was not used for long and more than 1024 others were. Rejects with
   * the error that the request ended with, which names it: KERNEL_FAILED (EIO; EINVAL for a kernel that returns a promise
   * or a generator), DEVICE_FAULT (EFAULT), REQUEST_CANCELED (ECANCELED), QUEUE_DEAD (ENXIO), …
   *
   * Before anything is done it rejects with BAD_ARGUMENT (EINVAL), also for a bigint of more than 64 bits with its sign;
   * NOT_A_KERNEL (EINVAL) for a function that is built in, async or a generator; OTHER_DEVICE (EINVAL) for a kernel that
   * another device has; OTHER_SPACE (EINVAL) for an array of another space, or of another hms; REGION_FREED (ENOENT).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const x = hms.space.alloc(Float32Array, 1000);
   * const queue = hms.device("accel0").queue();
   * try {
   *   await queue.run(() => { throw new Error("no luck"); }, { x: x.read() });
   * } catch (error) {
   *   console.log(error.code, error.message); // KERNEL_FAILED Request 0 of queue 0 failed: Error: no luck (line 1:31).
   * }
   * ```
   */
  run<const A extends Arguments>(
    kernel: KernelFunction<A> | ProgramKernel,
    args: A,
    options: RunOptions = {},
  ): Promise<RunResult> {
    try {
      this.#expectOpen("Running a kernel on");
      expectOptions("Running a kernel", options, RUN);
      const { signal } = options;
      if (signal !== undefined) expectSignal(signal);
      const used = this.#programOf(kernel, args);
      const request = this.#request(used, kernel, args, options);
      if (this.#behind === null && !(request instanceof Promise)) {
        const id = this.#client.submit(request);
        if (id !== -EAGAIN) return this.#ended(id, signal, used);
      }
      return this.#follow(request, signal, used);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Runs several requests, in order, with one ring of the doorbell for as many as the queue takes at once. Resolves when
   * all are over; rejects with the error of the first that failed, when all are over.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const x = hms.space.alloc(Int32Array, 1000);
   * const queue = hms.device("accel0").queue();
   * const add = ({ x, a }, { first, end }) => {
   *   for (let i = first; i < end; i++) x[i] += a;
   * };
   * const results = await queue.submit([1, 2, 3].map((a) => ({ kernel: add, args: { x: x.update(), a } })));
   * console.log(results.length, x.view[999]); // 3 6
   * ```
   */
  async submit<const B extends readonly Arguments[]>(
    batch: {
      readonly [I in keyof B]: Work<B[I]>;
    },
  ): Promise<RunResult[]> {
    this.#expectOpen("Submitting to");
    if (!Array.isArray(batch)) throw badArgument(`a batch must be an array, not ${kindOf(batch)}`);
    for (const work of batch) expectOptions<Work>("Submitting", work, WORK);
    const used: InUse[] = [];
    try {
      const requests = (batch as readonly Work<never>[]).map(({ kernel, args, ...options }) => {
        const program = this.#programOf(kernel, args);
        const request = this.#request(program, kernel, args, options);
        program.users++;
        used.push(program);
        return request;
      });
      // One that cannot be loaded is told in its turn.
      for (const request of requests) if (request instanceof Promise) request.catch(() => undefined);
      const completions = await this.#inTurn(async () => this.#submitAll(requests));
      for (const completion of completions)
        if (completion.code !== 0) throw failure(this.#client.queue, completion);
      return completions.map((completion) => resultOf(this.#client.queue, completion));
    } finally {
      for (const program of used) program.users--;
    }
  }

  /** How requests ended. When one cannot be submitted, those before it end first. */
  async #submitAll(requests: readonly (Request | Promise<Request>)[]): Promise<Completion[]> {
    const ids: number[] = [];
    const ends: Completion[] = [];
    try {
      await this.#submitEach(requests, ids, ends);
    } catch (error) {
      if (!this.#closed) await this.#take(ids, ends, ids.length);
      throw error;
    }
    await this.#take(ids, ends, ids.length);
    return ends;
  }

  /** The outcomes of `depth` requests are kept: they are taken before as many more are submitted. */
  async #submitEach(
    requests: readonly (Request | Promise<Request>)[],
    ids: number[],
    ends: Completion[],
  ): Promise<void> {
    const part = Math.max(1, this.depth >> 1);
    for (const request of requests) {
      const ready = request instanceof Promise ? await request : request;
      while (ids.length - ends.length >= this.depth) await this.#take(ids, ends, ends.length + part);
      for (let id = this.#client.enqueue(ready); ; id = this.#client.enqueue(ready)) {
        if (id >= 0) {
          ids.push(id);
          break;
        }
        if (id !== -EAGAIN) throw this.#refused();
        if (ids.length > ends.length) await this.#take(ids, ends, Math.min(ids.length, ends.length + part));
        else await this.#client.room();
        this.#expectOpen("Submitting to");
      }
    }
  }

  /** Waits for the first so many, and takes how they ended. */
  async #take(ids: readonly number[], ends: Completion[], count: number): Promise<void> {
    const last = ids[count - 1];
    if (last === undefined || ends.length >= count) return;
    await this.#client.completion(last);
    while (ends.length < count) {
      const end = this.#client.outcome(ids[ends.length] ?? 0);
      if (end === null) throw new Error(`request ${ids[ends.length]} is not over, but one after it is`);
      ends.push(end);
    }
  }

  /** After those before it: the queue is full, or their kernels are on their way. */
  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const turn = (this.#behind ?? Promise.resolve()).then(work);
    const settled: Promise<void> = turn.then(
      (): void => this.#passed(settled),
      (): void => this.#passed(settled),
    );
    this.#behind = settled;
    return turn;
  }

  #passed(turn: Promise<unknown>): void {
    if (this.#behind === turn) this.#behind = null;
  }

  async #follow(
    request: Request | Promise<Request>,
    signal: AbortSignal | undefined,
    used: InUse,
  ): Promise<RunResult> {
    // One that cannot be loaded is told in its turn.
    if (request instanceof Promise) request.catch(() => undefined);
    used.users++;
    // Only the admission holds up those behind it.
    const turn = this.#inTurn(async () => this.#admit(await request, signal));
    let id: number;
    try {
      id = await (signal === undefined ? turn : this.#unlessAborted(turn, signal));
    } catch (error) {
      // One that was cancelled while it waits has its turn all the same.
      const over = (): void => void used.users--;
      void turn.then(over, over);
      throw error;
    }
    used.users--;
    return this.#ended(id, signal, used);
  }

  /** Its number, unless it is cancelled while it waits for its turn: those before it may never end. */
  #unlessAborted(turn: Promise<number>, signal: AbortSignal): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const abort = (): void => reject(canceledBefore());
    const listening = new AbortController();
    signal.addEventListener("abort", abort, { once: true, signal: listening.signal });
    turn.then(
      (id) => {
        listening.abort();
        resolve(id);
        // It was submitted in the moment in which it was cancelled.
        if (signal.aborted && id >= 0 && !this.#closed && !this.#link.over) this.cancel(id);
      },
      (error: unknown) => {
        listening.abort();
        reject(error);
      },
    );
    return promise;
  }

  /** Waits for room. */
  async #admit(request: Request, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      this.#expectOpen("Submitting to");
      expectWanted(signal);
      const id = this.#client.submit(request);
      if (id !== -EAGAIN) return id;
      if (this.#client.inFlight >= this.depth) await this.#client.room();
    }
  }

  async #ended(id: number, signal: AbortSignal | undefined, used: InUse): Promise<RunResult> {
    if (id < 0) throw this.#refused();
    used.users++;
    const deaf = signal === undefined ? null : this.#listen(id, signal);
    try {
      return resultOf(this.#client.queue, await this.#client.completion(id));
    } finally {
      used.users--;
      deaf?.();
    }
  }

  /** Cancels a request when its signal says so; returns what ends that. */
  #listen(id: number, signal: AbortSignal): () => void {
    const cancel = (): void => {
      if (!this.#closed && !this.#link.over) this.cancel(id);
    };
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
    return () => signal.removeEventListener("abort", cancel);
  }

  #refused(): HmsError {
    if (this.state === "init")
      return new HmsError(
        "QUEUE_NOT_STARTED",
        "EINVAL",
        `Submitting to queue ${this.#client.queue} of ${this.device.name} failed: it is stopped. Start it first.`,
      );
    return new HmsError(
      "QUEUE_DEAD",
      "ENXIO",
      `Submitting to queue ${this.#client.queue} of ${this.device.name} failed: it is dead, because ${this.#client.death}. Make another one.`,
    );
  }

  // What a request says.

  /** What has the kernel. A function is brought to the device if it is not there, but not for arguments that are none. */
  #programOf(kernel: KernelFunction<never> | ProgramKernel, args: Arguments): Program | FunctionProgram {
    if (typeof kernel === "function") {
      const { functions } = this.device;
      const known = functions.known(kernel);
      if (known !== null) return known;
      const names = namesOf(args);
      expectNames(names);
      for (const name of names) expectArgument(this.#link, name, args[name]);
      return functions.of(kernel);
    }
    const program = (kernel as Partial<ProgramKernel> | null | undefined)?.program;
    if (!(program instanceof Program) || typeof kernel.name !== "string")
      throw badArgument(`its kernel must be a function or a kernel of a program, not ${kindOf(kernel)}`);
    if (program.device === this.device || program.device.is(this.device)) return program;
    throw new HmsError(
      "OTHER_DEVICE",
      "EINVAL",
      `Running kernel ${kernel.name} of program ${program.name} on ${this.device.name} failed: another device has loaded it, ${program.device.name}${program.device.name === this.device.name ? " of another hms" : ""}. Load the program on this one.`,
    );
  }

  #request(
    used: Program | FunctionProgram,
    kernel: KernelFunction<never> | ProgramKernel,
    args: Arguments,
    options: Omit<RunOptions, "signal">,
  ): Request | Promise<Request> {
    const names = namesOf(args);
    const { range } = options;
    if (range !== undefined && !(Number.isSafeInteger(range.first) && Number.isSafeInteger(range.end)))
      throw badArgument(
        `its range must have first and end, both whole numbers, not ${kindOf(range.first)} and ${kindOf(range.end)}`,
      );
    if (used instanceof Program) return this.#filled(used, kernel.name, names, args, options);
    const { program } = used;
    if (program !== null) return this.#filled(program, program.kernels[0] ?? "", names, args, options);
    return used.loading.then((loaded) => this.#filled(loaded, loaded.kernels[0] ?? "", names, args, options));
  }

  #filled(
    program: Program,
    kernel: string,
    names: readonly string[],
    args: Arguments,
    { range, whole }: Omit<RunOptions, "signal">,
  ): Request {
    return {
      kernel: program.number(kernel, names),
      args: names.map((key) => this.#argument(program, key, args[key])),
      ...(range === undefined ? {} : { range }),
      ...(whole === undefined ? {} : { whole }),
    };
  }

  #argument(program: Program, name: string, argument: Argument | undefined): WireArgument {
    expectArgument(this.#link, name, argument);
    if (typeof argument !== "object") return argument;
    const { array, access } = argument;
    return {
      region: this.#attach(array, program),
      type: array.region.element,
      byteOffset: array.first * array.region.type.BYTES_PER_ELEMENT,
      length: array.length,
      access,
    };
  }

  /** How requests name the region; the device is told of it when it is first used. */
  #attach({ region }: Slice<TypedArray>, program: Program): number {
    const key = program.wasm ? `${region.id}/${program.id}` : String(region.id);
    let number = this.#attached.get(key);
    if (number === undefined) {
      number = this.#link.sync.queue.attach({
        queue: this.id,
        region: region.id,
        ...(program.wasm ? { registration: program.id } : {}),
      }).id;
      this.#attached.set(key, number);
    }
    return number;
  }

  // Its life.

  /**
   * Resolves when nothing is under way.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const x = hms.space.alloc(Float32Array, 1000);
   * const queue = hms.device("accel0").queue();
   * for (let i = 0; i < 10; i++) void queue.run(({ x }, { first, end }) => {
   *   for (let k = first; k < end; k++) x[k] += 1;
   * }, { x: x.update() });
   * await queue.drain();
   * console.log(queue.inFlight, x.view[0]); // 0 10
   * ```
   */
  async drain(): Promise<void> {
    while (this.#behind !== null) await this.#behind;
    if (!this.#closed) await this.#client.drained();
  }

  /**
   * Cancels a request by its number; one that runs is asked to end, and ended after a second. Nothing happens when it is over. Where the number is
   * not known yet, give `run` a `signal`.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const queue = hms.device("accel0").queue();
   * const { request } = await queue.run(() => {}, {});
   * queue.cancel(request); // It is over.
   * ```
   */
  cancel(request: number): void {
    this.#expectOpen("Cancelling in");
    try {
      this.#client.flush();
      this.#link.sync.queue.cancel({ queue: this.id, request });
    } catch (error) {
      if (!HmsError.is(error) || (error.errno !== "EBUSY" && error.errno !== "ENOENT")) throw error;
      if (error.errno === "EBUSY") this.#client.cancel(request);
    }
  }

  /**
   * Stops it: what has not begun is cancelled; with `drain` all is done first. Returns how many requests were cancelled.
   * Throws QUEUE_STATE (EINVAL) when it is not started, QUEUE_DEAD (ENXIO).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const queue = hms.device("accel0").queue();
   * await queue.stop({ drain: true });
   * console.log(queue.state); // init
   * queue.start();
   * console.log(queue.state); // started
   * ```
   */
  async stop(options: { readonly drain?: boolean } = {}): Promise<number> {
    this.#expectOpen("Stopping");
    expectOptions("Stopping a queue", options, STOP);
    const drain = options.drain ?? false;
    while (drain && this.#behind !== null) await this.#behind;
    return (await this.#link.async.queue.stop({ queue: this.id, drain })).cancelled;
  }

  /** Starts it again after `stop`. Throws QUEUE_STATE (EINVAL), QUEUE_DEAD (ENXIO). */
  start(): void {
    this.#expectOpen("Starting");
    this.#link.sync.queue.start({ queue: this.id });
  }

  /**
   * Ends it at once, whatever it is doing; other queues do not notice. Throws QUEUE_DEAD (ENXIO) when it is dead.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const queue = hms.device("accel0").queue();
   * queue.reset();
   * console.log(queue.state); // zombie
   * await queue.run(() => {}, {}).catch((error) => console.log(error.code)); // QUEUE_DEAD
   * ```
   */
  reset(): void {
    this.#expectOpen("Resetting");
    this.#link.sync.queue.reset({ queue: this.id });
  }

  /**
   * Counts of what it has done.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const queue = hms.device("accel0").queue();
   * await queue.run(() => {}, {});
   * console.log(queue.statistics().completed); // 1
   * ```
   */
  statistics(): QueueStatistics {
    this.#expectOpen("Counting");
    const { statistics } = this.#link.sync.queue.statistics({ queue: this.id });
    const { submitted, completed, failed, cancelled, faults, busyNs, state } = statistics;
    return {
      submitted,
      completed,
      failed,
      cancelled,
      faults,
      busyMs: busyNs / 1e6,
      state: state === "unknown" ? "zombie" : state,
    };
  }

  /** Ends it. Requests that are under way end with QUEUE_DEAD (ENXIO). Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    if (!this.#link.over) this.#link.sync.queue.destroy({ queue: this.id });
    this.forget();
  }

  /** It is not there any more. */
  forget(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.close();
    this.#onClose();
  }

  #expectOpen(action: string): void {
    if (this.#link.over) throw closed(`${action} a queue`);
    if (!this.#closed) return;
    throw new HmsError(
      "QUEUE_CLOSED",
      "ENXIO",
      `${action} queue ${this.#client.queue} of ${this.device.name} failed: it was closed.`,
    );
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Throws BAD_OPTION (EINVAL) for what is no signal, and what `expectWanted` throws. */
function expectSignal(signal: AbortSignal): void {
  // By what it can do: other realms have signals of their own.
  if (typeof signal.aborted !== "boolean" || typeof signal.addEventListener !== "function")
    throw new HmsError(
      "BAD_OPTION",
      "EINVAL",
      `Running a kernel failed: its option signal must be an AbortSignal, not ${kindOf(signal)}.`,
    );
  expectWanted(signal);
}

/** Throws REQUEST_CANCELED (ECANCELED) for a request that was cancelled before it was submitted. */
function expectWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw canceledBefore();
}

function canceledBefore(): HmsError {
  return new HmsError(
    "REQUEST_CANCELED",
    "ECANCELED",
    "Running a kernel failed: it was cancelled before it was submitted.",
  );
}

function resultOf(queue: number, completion: Completion): RunResult {
  if (completion.code !== 0) throw failure(queue, completion);
  return { request: completion.id, waitedMs: completion.waited / 1000, ranMs: completion.ran / 1000 };
}
