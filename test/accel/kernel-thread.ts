// A kernel thread for tests of the accelerator on the real host: a space, devices, and what the tests ask of them.
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import {
  AccelDriver,
  type AccelQueue,
  type Advice,
  type ControlReply,
  type Platform,
  type ProgramSource,
} from "@hms/driver-accel";
import { CAUSE, checkInvariants } from "@hms/hmm";
import { EventFd, KernelLoop, LinuxHost, type LinuxRegion, type LinuxSpace } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import koffi from "koffi";

/** What the thread is started with. */
export interface KernelData {
  readonly port: MessagePort;
  readonly wakeFd: number;
  readonly ramBytes: number | null;
  /** Goes up with every message that the thread has read. */
  readonly read: SharedArrayBuffer;
}

export interface Call {
  readonly id: number;
  readonly name: keyof Kernel;
  readonly args: readonly unknown[];
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { code: string; errno: string | null; message: string } };

/** What tests can ask. Answers go back through the port; a promise's when it is there. */
export class Kernel {
  readonly #host: LinuxHost;
  readonly #space: LinuxSpace;
  readonly #wakeFd: number;
  readonly devices: Map<string, AccelDriver> = new Map();
  readonly #queues = new Map<string, AccelQueue>();
  readonly #regions = new Map<number, LinuxRegion>();
  stopped = false;

  constructor(data: KernelData) {
    this.#host = new LinuxHost(data.ramBytes === null ? {} : { ramBytes: data.ramBytes });
    this.#space = this.#host.createSpace({ name: "test" });
    this.#wakeFd = data.wakeFd;
  }

  get host(): LinuxHost {
    return this.#host;
  }

  map(options: Parameters<LinuxSpace["map"]>[0]): { region: number; address: number; pages: number } {
    const region = this.#space.map(options);
    this.#regions.set(region.id, region);
    return { region: region.id, address: region.first * 4096, pages: region.pages };
  }

  #region(id: number): LinuxRegion {
    const region = this.#regions.get(id);
    if (region === undefined) throw new Error(`no region ${id}`);
    return region;
  }

  unmap(id: number): void {
    const { first, pages } = this.#region(id);
    this.#space.unmap(first, pages);
    this.#regions.delete(id);
  }

  protect(id: number, access: number): void {
    const { first, pages } = this.#region(id);
    this.#space.protect(first, pages, access);
  }

  device(name: string, memoryBytes: number): void {
    const host = this.#host;
    const platform: Platform = {
      back: (memory) => host.back(memory),
      openWindow: (options) => host.openWindow(options),
      addressOf: (buffer) => Number(koffi.address(buffer)),
    };
    const driver = new AccelDriver(host.core, platform, { name, memoryBytes, wakeFd: this.#wakeFd });
    this.devices.set(name, driver);
  }

  #device(name: string): AccelDriver {
    const driver = this.devices.get(name);
    if (driver === undefined) throw new Error(`no device ${name}`);
    return driver;
  }

  queue(name: string, device: string, depth: number): AccelQueue["mapping"] {
    const context = this.#device(device).openContext();
    const queue = context.queue({ pasid: context.bind(this.#space.space), depth });
    queue.start();
    this.#queues.set(name, queue);
    return queue.mapping;
  }

  #queue(name: string): AccelQueue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new Error(`no queue ${name}`);
    return queue;
  }

  attach(queue: string, id: number, options: { advice?: Advice; program?: number } = {}): void {
    const { first, pages } = this.#region(id);
    const found = this.#queue(queue);
    found.context.driver.attach(found, { region: id, first, pages, ...options });
  }

  detach(queue: string, id: number): void {
    const found = this.#queue(queue);
    found.context.driver.detach(found, id);
  }

  reset(queue: string): void {
    this.#queue(queue).reset();
  }

  closeQueue(queue: string): void {
    this.#queue(queue).context.close();
    this.#queues.delete(queue);
  }

  /** The answer comes later. */
  load(device: string, name: string, source: ProgramSource, done: (reply: ControlReply) => void): void {
    this.#device(device).control({ command: "load", name, source }, done);
  }

  kernel(device: string, program: number, name: string, parameters: readonly string[]): number {
    return this.#device(device).kernel(program, name, parameters);
  }

  resetDevice(device: string): void {
    this.#device(device).resetDevice();
  }

  closeDevice(device: string): void {
    this.#device(device).close();
    this.devices.delete(device);
  }

  migrate(id: number, device: string | null, from = 0, count = Number.POSITIVE_INFINITY): number {
    const { first, pages } = this.#region(id);
    const to = device === null ? null : this.#device(device).deviceMemory;
    const { core } = this.#host;
    const size = Math.min(count, pages - from);
    return core.migrate({ space: this.#space.space, first: first + from, count: size, to }).moved;
  }

  evict(device: string): number {
    const memory = this.#device(device).deviceMemory;
    return memory.evict(0, memory.pages, CAUSE.eviction).moved;
  }

  where(id: number, page: number): string {
    const { first } = this.#region(id);
    return this.#host.core.explain(this.#space.space, first + page, 1)[0]?.where ?? "";
  }

  status(device: string): ReturnType<AccelDriver["status"]> {
    return this.#device(device).status();
  }

  queueStatistics(queue: string): ReturnType<AccelQueue["statistics"]> {
    return this.#queue(queue).statistics();
  }

  statistics(): { core: object; host: object; windows: number } {
    const { core, statistics, windows } = this.#host;
    return { core: { ...core.statistics }, host: { ...statistics }, windows: windows.size };
  }

  /** What the driver did wrong. That a kernel's thread had to be ended is told in the same place, and is not. */
  faults(): readonly unknown[] {
    return this.#host.core.records.driverFaults.list().filter(({ callback }) => callback !== "thread");
  }

  check(): string[] {
    return checkInvariants(this.#host.core);
  }

  /** The answer comes when the devices are down: until then their threads may need a page. */
  stop(done: (value: unknown) => void): void {
    for (const driver of this.devices.values()) driver.shutDown();
    this.#stopDone = done;
  }

  #stopDone: ((value: unknown) => void) | null = null;

  /** Called every turn. */
  poll(): number {
    let work = 0;
    let down = true;
    for (const driver of this.devices.values()) {
      work += driver.poll();
      if (driver.impatient) this.#host.anyWaiting = true;
      if (!driver.down) down = false;
    }
    if (this.#stopDone !== null && down && !this.stopped) this.#finish(this.#stopDone);
    return work;
  }

  #finish(done: (value: unknown) => void): void {
    for (const driver of this.devices.values()) driver.close();
    this.devices.clear();
    this.#space.close();
    this.#host.close();
    this.stopped = true;
    done(null);
  }
}

function serve(data: KernelData): void {
  const kernel = new Kernel(data);
  const read = new Int32Array(data.read);
  const answer = (call: Call): void => {
    const reply = (value: unknown): void => data.port.postMessage({ id: call.id, value } satisfies Answer);
    try {
      const method = kernel[call.name] as (...args: readonly unknown[]) => unknown;
      if (call.name === "load" || call.name === "stop") method.apply(kernel, [...call.args, reply]);
      else reply(method.apply(kernel, [...call.args]));
    } catch (error) {
      const { code, errno } = HmsError.is(error) ? error : { code: "THROWN", errno: null };
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      data.port.postMessage({ id: call.id, error: { code, errno, message } } satisfies Answer);
    }
  };
  const poll = (): number => {
    let work = 0;
    for (;;) {
      const received = receiveMessageOnPort(data.port);
      if (received === undefined) break;
      Atomics.add(read, 0, 1);
      answer(received.message as Call);
      work++;
    }
    work += kernel.poll();
    if (kernel.stopped) loop.stop();
    return work;
  };
  const loop: KernelLoop = new KernelLoop(kernel.host, { poll, sleeping: () => {} }, EventFd.of(data.wakeFd));
  loop.run();
  data.port.close();
}

serve(workerData as KernelData);
