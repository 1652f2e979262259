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
import type { Device } from "./device.ts";
import { closed, type Link } from "./link.ts";
import { expectOptions, type Known, kindOf } from "./options.ts";
import type { Arguments, KernelFunction, Program, ProgramKernel } from "./program.ts";
import { Slice } from "./region.ts";
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
   * device when it is first used. Rejects with the error that the request ended with, which names it: KERNEL_FAILED
   * (EIO), DEVICE_FAULT (EFAULT), REQUEST_CANCELED (ECANCELED), QUEUE_DEAD (ENXIO), …; with OTHER_SPACE (EINVAL) for an
   * array of another space; with REGION_FREED (ENOENT).
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
   *   console.log(error.code, error.message); // KERNEL_FAILED Request 0 of queue 0 failed: no luck.
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
      expectWanted(options.signal);
      const request = this.#request(kernel, args, options);
      if (this.#behind === null && !(request instanceof Promise)) {
        const id = this.#client.submit(request);
        if (id !== -EAGAIN) return this.#ended(id, options.signal);
      }
      return this.#follow(async () => this.#admit(await request, options.signal), options.signal);
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
    for (const work of batch) expectOptions<Work>("Submitting", work, WORK);
    const requests = (batch as readonly Work<never>[]).map(({ kernel, args, ...options }) =>
      this.#request(kernel, args, options),
    );
    // One that cannot be loaded is told in its turn.
    for (const request of requests) if (request instanceof Promise) request.catch(() => undefined);
    const completions = await this.#inTurn(async () => this.#submitAll(requests));
    for (const completion of completions)
      if (completion.code !== 0) throw failure(this.#client.queue, completion);
    return completions.map((completion) => resultOf(this.#client.queue, completion));
  }

  /** How requests ended. The outcomes of `depth` requests are kept: they are taken before as many more are submitted. */
  async #submitAll(requests: readonly (Request | Promise<Request>)[]): Promise<Completion[]> {
    const ids: number[] = [];
    const ends: Completion[] = [];
    const part = Math.max(1, this.depth >> 1);
    for (const request of requests) {
      const ready = request instanceof Promise ? await request : request;
      while (ids.length - ends.length >= this.depth) await this.#take(ids, ends, ends.length + part);
      for (let id = this.#client.enqueue(ready); ; id = this.#client.enqueue(ready)) {
        if (id >= 0) {
          ids.push(id);
          break;
        }
        if (id !== -EAGAIN) {
          // What was submitted ends first.
          await this.#take(ids, ends, ids.length);
          throw this.#refused();
        }
        if (ids.length > ends.length) await this.#take(ids, ends, Math.min(ids.length, ends.length + part));
        else await this.#client.room();
        this.#expectOpen("Submitting to");
      }
    }
    await this.#take(ids, ends, ids.length);
    return ends;
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

  async #follow(admit: () => Promise<number>, signal: AbortSignal | undefined): Promise<RunResult> {
    // Only the admission holds up those behind it.
    const turn = this.#inTurn(admit);
    return this.#ended(await (signal === undefined ? turn : this.#unlessAborted(turn, signal)), signal);
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

  async #ended(id: number, signal: AbortSignal | undefined): Promise<RunResult> {
    if (id < 0) throw this.#refused();
    if (signal !== undefined) this.#listen(id, signal);
    return resultOf(this.#client.queue, await this.#client.completion(id));
  }

  #listen(id: number, signal: AbortSignal): void {
    const cancel = (): void => {
      if (!this.#closed && !this.#link.over) this.cancel(id);
    };
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
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

  #request(
    kernel: KernelFunction<never> | ProgramKernel,
    args: Arguments,
    options: Omit<RunOptions, "signal">,
  ): Request | Promise<Request> {
    if (
      typeof kernel !== "function" &&
      !(typeof kernel === "object" && kernel !== null && "program" in kernel)
    )
      throw badArgument(`its kernel must be a function or a kernel of a program, not ${kindOf(kernel)}`);
    if (typeof args !== "object" || args === null)
      throw badArgument(`its arguments must be an object with a property for each, not ${kindOf(args)}`);
    const program = typeof kernel === "function" ? this.device.programOf(kernel) : kernel.program;
    if (program instanceof Promise)
      return program.then((loaded) => this.#filled(loaded, loaded.kernels[0] ?? "", args, options));
    const name = typeof kernel === "function" ? (program.kernels[0] ?? "") : kernel.name;
    return this.#filled(program, name, args, options);
  }

  #filled(program: Program, name: string, args: Arguments, options: Omit<RunOptions, "signal">): Request {
    const names = Object.keys(args);
    const { range, whole } = options;
    if (range !== undefined && !(Number.isSafeInteger(range.first) && Number.isSafeInteger(range.end)))
      throw badArgument(
        `its range must have first and end, both whole numbers, not ${kindOf(range.first)} and ${kindOf(range.end)}`,
      );
    return {
      kernel: program.number(name, names),
      args: names.map((key) => this.#argument(program, key, args[key])),
      ...(range === undefined ? {} : { range }),
      ...(whole === undefined ? {} : { whole }),
    };
  }

  #argument(program: Program, name: string, argument: Arguments[string] | undefined): WireArgument {
    if (typeof argument === "number" || typeof argument === "bigint") return argument;
    if (argument === undefined || typeof argument !== "object" || !("array" in argument)) {
      throw badArgument(
        `argument ${name} must be a number, or what read(), write() or update() of a region gives, not ${kindOf(argument)}`,
      );
    }
    const { array, access } = argument;
    if (!(array instanceof Slice))
      throw badArgument(`argument ${name} must be of a region or a slice of one, not of ${kindOf(array)}`);
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
    region.expectHere("Running a kernel on");
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

function badArgument(why: string): HmsError {
  return new HmsError("BAD_ARGUMENT", "EINVAL", `Running a kernel failed: ${why}.`);
}

function resultOf(queue: number, completion: Completion): RunResult {
  if (completion.code !== 0) throw failure(queue, completion);
  return { request: completion.id, waitedMs: completion.waited / 1000, ranMs: completion.ran / 1000 };
}
