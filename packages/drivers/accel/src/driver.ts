import { type Core, type DeviceMemory, type Nanoseconds, PAGE_BYTES, type Space } from "@hms/hmm";
import type { VictimName } from "@hms/policy";
import { HmsError } from "@hms/topology";
import { Attachments } from "./attach.ts";
import type { AttachOptions } from "./attachment.ts";
import { AccelContext, ARGUMENTS_DEFAULT, DEPTH_DEFAULT } from "./context.ts";
import type { AccelStatus, ControlCommand, ControlReply } from "./control.ts";
import { HEAP_MAX } from "./device-thread.ts";
import { Isolation } from "./isolation.ts";
import { ThreadKeeper } from "./keeper.ts";
import {
  API,
  DEATH,
  DOORBELL_BYTES,
  E_ARGUMENTS,
  E_ARRAYS,
  E_CLEAR_ASKED,
  E_CLEARED,
  E_FAILED_FAULTS,
  E_REFUSED,
  E_REFUSED_ADDRESS,
  E_REFUSED_PAGE,
  E_REFUSED_REGION,
  E_REFUSED_WRITE,
  E_RUNNING,
  E_SIGNALS,
  ENGINE_BYTES,
  partsOf,
} from "./layout.ts";
import { Loader } from "./loader.ts";
import { AccelMemory, type FailedFault } from "./memory.ts";
import type { FromDevice, ToDevice } from "./messages.ts";
import { Parameters } from "./parameters.ts";
import type { DevicePlacer } from "./placer.ts";
import type { Platform } from "./platform.ts";
import type { AccelQueue } from "./queue.ts";
import { errorOf } from "./sharing.ts";
import type { SpaceView } from "./view.ts";

/** What an accelerator is like. */
export interface AccelOptions {
  readonly name: string;
  /** Size of its memory; at least 64 KiB. */
  readonly memoryBytes: number;
  /** Queues that can be open; default 64. */
  readonly queuesMax?: number;
  /** An eventfd that wakes the kernel thread when the device has something to say; default: it is found by `poll`. */
  readonly wakeFd?: number;
  /** How pages are chosen that have to leave its memory; default: `sieve`. */
  readonly victims?: VictimName;
  /** Knows where pages should be that the device touches; default: nobody does. */
  readonly placer?: DevicePlacer;
  /** The module of the device's thread; default: this package's. For programs that are bundled. */
  readonly thread?: URL;
}

const QUEUES_DEFAULT = 64;
/** How long a running request has to end after a reset, or a put, before the thread is ended. Nanoseconds. */
const RESET_GRACE: Nanoseconds = 50e6;
const PUT_GRACE: Nanoseconds = 1e9;
/** How long a running request has to end after its client has cancelled it, before the thread is ended. Nanoseconds. */
const CANCEL_GRACE: Nanoseconds = 1e9;
/** How the thread went: it was ended, or ended by itself, which it does for want of heap only. */
const ENDED = "the device's thread was ended while it ran; make another queue";
const DIED = `the device's thread died while it ran, most likely because its kernel's own objects took more than the ${HEAP_MAX} MiB of heap that it has; keep large data in regions, and make another queue`;
/** How often everything is looked at although the device has said nothing. Nanoseconds. */
const LOOK_EVERY: Nanoseconds = 5e6;
/** How often closing looks whether the thread has ended, and how often at most. Milliseconds. */
const CLOSE_PAUSE = 1;
const CLOSE_LOOKS = 5000;
/** uacce's flag: shared virtual addressing. */
const FLAG_SVA = 1;

/**
 * The accelerator's driver, in the kernel thread: memory, contexts, queues, programs, and the device's thread, which it
 * never waits for. Its `poll` is to be called in every turn of the kernel thread, every millisecond while it is `impatient`.
 *
 * @example
 * ```ts
 * import { AccelDriver, QueueClient } from "@hms/driver-accel";
 * import { LinuxHost } from "@hms/host-linux";
 * using host = new LinuxHost();
 * const space = host.createSpace();
 * using accel = new AccelDriver(host.core, host, { name: "accel0", memoryBytes: 1 << 20 });
 * const context = accel.openContext();
 * const queue = context.queue({ pasid: context.bind(space.space) });
 * queue.start();
 * // Elsewhere, in any thread:
 * using client = new QueueClient(queue.mapping);
 * console.log(client.wait(client.submit({ kernel: 0 }))); // 0
 * console.log(accel.attributes().api); // hms_accel_v1
 * ```
 */
export class AccelDriver implements Disposable {
  readonly core: Core;
  readonly name: string;
  readonly memory: AccelMemory;
  readonly doorbell: SharedArrayBuffer = new SharedArrayBuffer(DOORBELL_BYTES);
  readonly #bell: Int32Array = new Int32Array(this.doorbell);
  readonly #engine: SharedArrayBuffer = new SharedArrayBuffer(ENGINE_BYTES);
  readonly #words: Int32Array = new Int32Array(this.#engine);
  readonly #keeper: ThreadKeeper;
  readonly #queuesMax: number;
  readonly #queues: (AccelQueue | null)[] = [];
  readonly #contexts = new Set<AccelContext>();
  readonly #attachments: Attachments;
  readonly #loader: Loader;
  readonly #isolation = new Isolation();
  readonly #parameters: Parameters;
  readonly #platform: Platform;
  #lookedAt: Nanoseconds = 0;
  #signals = 0;
  #pasids = 0;
  /** No more is to begin; nothing is left; its memory is given back. */
  #closing = false;
  #down = false;
  #closed = false;
  #polling = false;

  /** Throws EINVAL for a memory that is too small. */
  constructor(core: Core, platform: Platform, options: AccelOptions) {
    this.core = core;
    this.name = options.name;
    this.#queuesMax = options.queuesMax ?? QUEUES_DEFAULT;
    this.memory = new AccelMemory(
      core,
      platform,
      options.name,
      options.memoryBytes,
      {
        faulted: () => this.#running()?.countFault(),
        failedFault: (failed) => this.#refused(failed),
      },
      options.victims,
    );
    this.memory.placer = options.placer ?? null;
    this.#platform = platform;
    this.#parameters = new Parameters(options.name, this.#isolation);
    const thread = {
      name: options.name,
      engine: this.#engine,
      doorbell: this.doorbell,
      wakeFd: options.wakeFd ?? -1,
      module: options.thread ?? null,
    };
    this.#keeper = new ThreadKeeper(thread, this.now());
    const post = (message: ToDevice): void => this.#keeper.post(message);
    this.#loader = new Loader(post, () => this.now());
    this.#attachments = new Attachments({
      post,
      program: (program) => this.#loader.program(program),
      addressOf: (buffer) => platform.addressOf?.(buffer) ?? null,
    });
  }

  /** The host's clock. */
  now(): Nanoseconds {
    return this.core.host.now();
  }

  /** The device's memory, as migrations name it. */
  get deviceMemory(): DeviceMemory {
    return this.memory.memory;
  }

  // For contexts and queues.

  /** Opens the device for someone. Throws ENXIO when it is closed. */
  openContext(): AccelContext {
    this.#expectOpen("Opening");
    const context = new AccelContext(this);
    this.#contexts.add(context);
    return context;
  }

  dropContext(context: AccelContext): void {
    this.#contexts.delete(context);
  }

  nextPasid(): number {
    return ++this.#pasids;
  }

  viewOf(space: Space): SpaceView {
    return this.memory.view(space, (region) => this.#declared(space, region));
  }

  addQueue(make: (number: number) => AccelQueue): AccelQueue {
    this.#expectOpen("Making a queue");
    if (this.#isolation.isolated) {
      throw new HmsError(
        "DEVICE_ISOLATED",
        "ENODEV",
        `Making a queue failed: ${this.name} is isolated, because it failed too often. Set isolate_strategy to take it back into service.`,
      );
    }
    let number = this.#queues.indexOf(null);
    if (number < 0) number = this.#queues.length;
    if (number >= this.#queuesMax) {
      throw new HmsError(
        "NO_INSTANCES",
        "EBUSY",
        `Making a queue failed: all ${this.#queuesMax} of ${this.name} are in use. Close one.`,
      );
    }
    const queue = make(number);
    this.#queues[number] = queue;
    this.#postQueue(queue);
    return queue;
  }

  #postQueue({ number, memory, kernelMemory, shape }: AccelQueue): void {
    this.#keeper.post({ type: "queue", queue: number, memory, kernelMemory, shape });
  }

  /** Lets a queue reach a region. Throws EEXIST, EFAULT (not one region), EACCES, ENOMEM and EINVAL (WebAssembly), ENXIO. */
  attach(queue: AccelQueue, options: AttachOptions): void {
    this.#expectAlive(queue, "Attaching a region to");
    this.#attachments.attach(queue, options);
  }

  /** A queue reaches a region no more: requests that name it fail. Throws ENOENT. */
  detach(queue: AccelQueue, region: number, program?: number): void {
    this.#attachments.detach(queue, region, program);
  }

  #expectAlive(queue: AccelQueue, action: string): void {
    if (queue.state !== "zombie") return;
    throw new HmsError(
      "QUEUE_DEAD",
      "ENXIO",
      `${action} queue ${queue.number} failed: it is dead; make another one.`,
    );
  }

  /** The device looks at its queues. */
  ring(): void {
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  // Programs.

  /**
   * Makes a kernel of a loaded program nameable in requests; the parameters are the names of its arguments in order.
   * Throws ENOENT when the program has no such kernel or is not loaded, EINVAL for parameters that are none.
   */
  kernel(program: number, name: string, parameters: readonly string[]): number {
    return this.#loader.kernel(program, name, parameters);
  }

  /** A handle may be forgotten. */
  dropKernel(handle: number): void {
    this.#loader.dropKernel(handle);
  }

  /**
   * Carries a command out; `done` gets the answer, at once or, where the device has to say something first, from within
   * a later `poll`. Never throws for what a command can get wrong.
   *
   * @param context who commands: what names a queue names one of this context
   */
  control(command: ControlCommand, done: (reply: ControlReply) => void, context?: AccelContext): void {
    try {
      this.#expectOpen("Commanding");
      this.#obey(command, done, context);
    } catch (error) {
      if (!HmsError.is(error)) throw error;
      done({ outcome: "ECANCELED", error: errorOf(error) });
    }
  }

  #obey(
    command: ControlCommand,
    done: (reply: ControlReply) => void,
    context: AccelContext | undefined,
  ): void {
    switch (command.command) {
      case "status":
        done({ outcome: "OK", status: this.status() });
        break;
      case "load":
        this.#loader.load(command.name, command.source, done);
        break;
      case "unload":
        this.#loader.unload(command.program);
        done({ outcome: "OK" });
        break;
      case "get":
        done({ outcome: "OK", value: this.#parameters.get(command.parameter) });
        break;
      case "set":
        this.#parameters.set(command.parameter, command.value);
        done({ outcome: "OK", value: command.value });
        break;
      case "reset":
        this.resetDevice();
        done({ outcome: "OK" });
        break;
      case "share":
        this.#queueOf(context, command.queue).view.sharing.begin(command.unmanaged);
        done({ outcome: "OK" });
        break;
      case "place":
        done({
          outcome: "OK",
          results: this.#queueOf(context, command.queue).view.sharing.place(command.commands),
        });
        break;
      default:
        throw new HmsError(
          "UNKNOWN_COMMAND",
          "EOPNOTSUPP",
          `Commanding ${this.name} failed: it knows no command ${(command as { command: string }).command}.`,
        );
    }
  }

  /** The queue that a context's command is for. */
  #queueOf(context: AccelContext | undefined, number: number): AccelQueue {
    for (const queue of context?.queues ?? []) {
      if (queue.number !== number) continue;
      this.#expectAlive(queue, "Commanding");
      return queue;
    }
    throw new HmsError(
      "NO_SUCH_QUEUE",
      "ENOENT",
      `Commanding ${this.name} failed: who commands has no such queue of it. Name one that was made by the same opening of the device.`,
    );
  }

  status(): AccelStatus {
    const { state, restarts, broken } = this.#keeper;
    const isolated = this.#isolation.isolated || broken;
    return {
      state: this.#closing ? "closed" : isolated ? "isolated" : state,
      queues: this.#queues.filter((queue) => queue !== null).length,
      restarts,
      errorsLastHour: this.#isolation.errors(this.now()),
      memoryBytes: this.deviceMemory.pages * PAGE_BYTES,
      memoryFreeBytes: this.memory.available * PAGE_BYTES,
      evicted: this.memory.evicted,
    };
  }

  /** What `/sys/class/uacce/NAME/` would hold, by file name. */
  attributes(): Record<string, string> {
    const open = this.#queues.filter((queue) => queue !== null).length;
    const { bytes } = partsOf({ depth: DEPTH_DEFAULT, argumentsMax: ARGUMENTS_DEFAULT });
    return {
      api: API,
      flags: String(FLAG_SVA),
      available_instances: String(this.#queuesMax - open),
      algorithms: this.#loader.algorithms().join("\n"),
      region_mmio_size: String(DOORBELL_BYTES),
      region_dus_size: String(bytes),
      isolate: this.#isolation.isolated ? "1" : "0",
      isolate_strategy: String(this.#isolation.strategy),
    };
  }

  // Device faults.

  /** The queue whose request is running. */
  #running(): AccelQueue | null {
    return this.#queues[Atomics.load(this.#words, E_RUNNING) - 1] ?? null;
  }

  /** A device fault is answered with an error: the device sees that, and says in the request's detail which and why. */
  #refused({ region, offset, page, write, why }: FailedFault): void {
    const words = this.#words;
    if (words[E_REFUSED] === 0) {
      const floats = new Float64Array(this.#engine);
      words[E_REFUSED_REGION] = region;
      floats[E_REFUSED_PAGE >> 1] = offset;
      floats[E_REFUSED_ADDRESS >> 1] = page * PAGE_BYTES;
      words[E_REFUSED_WRITE] = write ? 1 : 0;
      words[E_REFUSED] = why;
    }
    Atomics.add(words, E_FAILED_FAULTS, 1);
  }

  /** What the running request said that it will do with a region of a space. */
  #declared(space: Space, region: number): number {
    if (this.#running()?.view.space !== space) return 0;
    const arrays = this.#words[E_ARRAYS] ?? 0;
    let access = 0;
    for (let i = 0; i < arrays; i++) {
      const at = E_ARGUMENTS + i * 2;
      if (this.#words[at] === (region | 0)) access |= this.#words[at + 1] ?? 0;
    }
    return access;
  }

  // The course of things.

  /** Does what there is to do; returns how much that was. Never waits. Costs little when there is nothing. */
  poll(): number {
    if (this.#polling || this.#down) return 0;
    const now = this.now();
    const signals = Atomics.load(this.#words, E_SIGNALS);
    const due = signals !== this.#signals || now - this.#lookedAt >= LOOK_EVERY || this.impatient;
    if (!due) return 0;
    return this.settle();
  }

  /** Whether something is ending: then it wants to be polled every millisecond, to see when it has. */
  get impatient(): boolean {
    return !this.#down && (this.#keeper.ending || this.#someoneStops());
  }

  /** As `poll`, all of it. */
  settle(): number {
    if (this.#polling || this.#down) return 0;
    this.#polling = true;
    try {
      const now = this.now();
      this.#lookedAt = now;
      this.#signals = Atomics.load(this.#words, E_SIGNALS);
      let work = this.#receive() + this.#clear();
      const gone = this.#closing ? this.#keeper.gone : this.#keeper.look(now, this.#someoneStops());
      if (gone) work += this.#recover();
      for (const queue of this.#queues) if (queue !== null) work += this.#attend(queue);
      work += this.#sweep();
      if (this.#loader.poll(this.#words)) this.#keeper.end("a program took too long to load");
      return work;
    } finally {
      this.#polling = false;
    }
  }

  #receive(): number {
    let count = 0;
    for (let message = this.#keeper.receive(); message !== null; message = this.#keeper.receive()) {
      this.#hear(message);
      count++;
    }
    return count;
  }

  #hear(message: FromDevice): void {
    if (message.type === "dropped") this.#attachments.dropped(message.token);
    else if (message.type === "loaded") this.#loader.loaded(message.program, message.kernels);
    else if (message.type === "refused") this.#loader.refused(message.program, message.code, message.detail);
  }

  /** Pages that failed faults were answered with go, when the request that met them is over. */
  #clear(): number {
    const asked = Atomics.load(this.#words, E_CLEAR_ASKED);
    if (asked === Atomics.load(this.#words, E_CLEARED)) return 0;
    for (const view of this.memory.views.values())
      for (const { window, first, end } of view.windows)
        if (window.takeFailures() > 0) view.forget(first, end);
    Atomics.store(this.#words, E_CLEARED, asked);
    Atomics.notify(this.#words, E_CLEARED);
    return 1;
  }

  #someoneStops(): boolean {
    for (const queue of this.#queues)
      if (queue !== null && (queue.stoppingSince !== null || queue.unwanted)) return true;
    return false;
  }

  /** Looks after one queue. */
  #attend(queue: AccelQueue): number {
    if (queue.view.space.closed) queue.kill(DEATH.space);
    if (queue.corrupt && queue.state !== "zombie") {
      queue.kill(DEATH.rings);
      this.#failed(1);
    }
    const since = queue.stoppingSince;
    if (since !== null && !queue.finish(null)) this.#hurry(queue, since);
    if (since === null) this.#endUnwanted(queue);
    const errors = queue.newErrors();
    if (errors > 0) this.#failed(errors);
    if (queue.closed && queue.stoppingSince === null) this.#remove(queue);
    return errors;
  }

  /** A request that does not end within its time is ended with the thread. */
  #hurry(queue: AccelQueue, since: Nanoseconds): void {
    const grace = queue.state === "zombie" ? RESET_GRACE : PUT_GRACE;
    if (this.now() - since <= grace || this.#running() !== queue) return;
    this.#keeper.end(`queue ${queue.number} had to end, and its request did not within ${grace / 1e6} ms`);
  }

  /** The same for one that its client has cancelled; its queue goes on. */
  #endUnwanted(queue: AccelQueue): void {
    const now = this.now();
    const since = queue.unwantedSince(now);
    // One that is between two parts needs no thread to end.
    if (since === null || now - since <= CANCEL_GRACE || queue.endUnwanted()) return;
    if (this.#running() !== queue) return;
    queue.condemnUnwanted();
    this.#keeper.end(
      `a cancelled request of queue ${queue.number} did not end within ${CANCEL_GRACE / 1e6} ms`,
    );
  }

  #remove(queue: AccelQueue): void {
    if (queue.attachments.size > 0) this.#attachments.detachAll(queue);
    if (this.#attachments.isLeaving(queue)) return;
    this.#keeper.post({ type: "drop-queue", queue: queue.number });
    this.#attachments.forget(queue);
    this.#queues[queue.number] = null;
    queue.context.queues.delete(queue);
    const { view } = queue;
    for (const other of this.#queues) if (other !== null && other.view === view) return;
    this.memory.closeView(view);
  }

  #failed(errors: number): void {
    if (!this.#isolation.add(errors, this.now())) return;
    this.#tell(
      "isolation",
      `it failed ${this.#isolation.strategy} times within an hour, and is out of service until isolate_strategy is set`,
    );
    for (const queue of this.#queues) queue?.kill(DEATH.isolated);
  }

  /** Records a failure of a part of the device, for those who want to know what is out of the ordinary. */
  #tell(part: "thread" | "isolation", what: string): void {
    const { records, host } = this.core;
    records.driverFaults.add({ when: host.now(), device: this.name, callback: part, message: what });
  }

  #sweep(): number {
    let swept = 0;
    for (const view of this.memory.views.values()) {
      if (!view.stale) continue;
      view.stale = false;
      swept++;
      this.#attachments.sweep(this.#openQueues());
    }
    return swept;
  }

  #openQueues(): AccelQueue[] {
    return this.#queues.filter((queue) => queue !== null);
  }

  /** The thread is gone: what it was in the middle of fails, everything else goes on with another one. */
  #recover(): number {
    const culprit = Atomics.load(this.#words, E_RUNNING) - 1;
    const asked = this.#keeper.ending;
    this.#receive();
    this.#keeper.bury(this.now());
    for (const view of this.memory.views.values())
      for (const { first, end } of view.windows) view.forget(first, end);
    for (const queue of this.#openQueues()) {
      // A queue that was dead already had the thread ended for itself: what it ran was reset.
      const died = queue.number === culprit && !(asked && queue.state === "zombie");
      queue.orphan(died, asked ? ENDED : DIED);
    }
    this.#attachments.droppedAll();
    this.#clear();
    if (this.#closing) {
      for (const queue of this.#openQueues()) this.#remove(queue);
      this.#attachments.droppedAll();
      for (const queue of this.#openQueues()) this.#remove(queue);
      this.#down = true;
      return 1;
    }
    const { endedFor } = this.#keeper;
    if (!asked)
      this.#tell("thread", `it ended by itself, as it does when a kernel's own objects take ${HEAP_MAX} MiB`);
    else if (endedFor !== null) this.#tell("thread", `it was ended, because ${endedFor}`);
    if (!asked) this.#failed(1);
    // A program that was being loaded when the thread ended by itself, or hung, is not loaded again.
    const loading = this.#loader.suspect(this.#words);
    this.#restart(asked && !this.#keeper.silent ? 0 : loading);
    return 1;
  }

  #restart(suspect: number): void {
    this.#keeper.restart(this.now());
    if (this.#keeper.broken) {
      this.#tell("thread", "it ends as soon as it has begun, and is not started any more");
      for (const queue of this.#openQueues()) queue.kill(DEATH.broken);
      return;
    }
    this.#loader.again(suspect);
    for (const queue of this.#openQueues()) {
      this.#postQueue(queue);
      this.#attachments.postMemories(queue);
      for (const attachment of queue.attachments.values()) this.#attachments.post(queue, attachment);
    }
  }

  /** Ends the device's thread, whatever it does, and starts another. A queue whose request is running dies. */
  resetDevice(): void {
    this.#expectOpen("Resetting");
    this.#keeper.end(null);
  }

  /**
   * Begins to take the device away: its queues die, its thread ends. Does not wait: call `poll` until `down`, then
   * `close`. That is how a kernel thread does it, which the device's thread may need for a page until it is gone.
   */
  shutDown(): void {
    if (this.#closing) return;
    for (const context of [...this.#contexts]) context.close();
    this.#closing = true;
    this.#keeper.end(null);
    this.settle();
  }

  /** Whether nothing of the device's thread is left, after `shutDown`. */
  get down(): boolean {
    return this.#down;
  }

  /**
   * Takes the device away; what is in its memory goes home. Throws EBUSY when something cannot go home, or when the
   * thread does not end while the caller, who alone can answer its faults, waits for it: see `shutDown`.
   */
  close(): void {
    if (this.#closed) return;
    this.shutDown();
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < CLOSE_LOOKS && !this.#down; i++) {
      if (this.#platform.serve !== undefined) this.#platform.serve();
      Atomics.wait(pause, 0, 0, CLOSE_PAUSE);
      this.settle();
    }
    if (!this.#down) {
      throw new HmsError(
        "DEVICE_BUSY",
        "EBUSY",
        `Closing ${this.name} failed: its thread has not ended, as it waits for a page. Call shutDown, and poll until it is down.`,
      );
    }
    this.memory.close();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #expectOpen(action: string): void {
    if (!this.#closing && !this.#keeper.broken) return;
    const why = this.#closing ? "it is closed" : "its thread does not start";
    throw new HmsError("DEVICE_CLOSED", "ENXIO", `${action} ${this.name} failed: ${why}.`);
  }
}
