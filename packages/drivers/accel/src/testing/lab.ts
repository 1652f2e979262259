// A queue on an accelerator on the simulated host, and what tests do with it.
import { setTimeout as sleep } from "node:timers/promises";
import type { PageIndex } from "@hms/hmm";
import type { ModelProcess } from "@hms/host-model";
import { QueueClient } from "../client.ts";
import type { AccelContext } from "../context.ts";
import type { ControlReply } from "../control.ts";
import { AccelDriver, type AccelOptions } from "../driver.ts";
import type { ProgramSource } from "../messages.ts";
import { programOf } from "../programs.ts";
import type { AccelQueue } from "../queue.ts";
import { PlainMachine, type PlainWindow } from "./plain.ts";

export interface LabOptions extends Partial<AccelOptions> {
  readonly depth?: number;
  readonly pages?: number;
}

/** One device, one space with a region of id 1, one started queue and its client. */
export class Lab implements AsyncDisposable {
  readonly machine: PlainMachine = new PlainMachine();
  readonly driver: AccelDriver;
  readonly process: ModelProcess;
  readonly first: PageIndex;
  readonly pages: number;
  readonly context: AccelContext;
  readonly queue: AccelQueue;
  readonly client: QueueClient;
  readonly #ticks: NodeJS.Timeout;

  constructor(options: LabOptions = {}) {
    const { depth = 64, pages = 16, ...accel } = options;
    this.driver = new AccelDriver(this.machine.core, this.machine, {
      name: "accel0",
      memoryBytes: 1 << 20,
      ...accel,
    });
    this.process = this.machine.host.createProcess();
    this.pages = pages;
    this.first = this.process.mmap({ pages });
    this.context = this.driver.openContext();
    this.queue = this.open(depth);
    this.client = new QueueClient(this.queue.mapping);
    this.#ticks = setInterval(() => this.tick(), 1);
  }

  /** The simulated host's clock stands still by itself. */
  tick(): void {
    this.machine.host.clock.advance(1e6);
    this.driver.poll();
  }

  /** Another started queue that reaches the same region. */
  open(depth = 64): AccelQueue {
    const queue = this.context.queue({ pasid: this.context.bind(this.process.space), depth });
    this.driver.attach(queue, { region: 1, first: this.first, pages: this.pages });
    queue.start();
    return queue;
  }

  get window(): PlainWindow {
    const [window] = this.machine.windows;
    if (window === undefined) throw new Error("no window is open");
    return window;
  }

  /** The device has every page; its thread does without faults then. */
  fill(): Uint8Array {
    for (let page = this.first; page < this.first + this.pages; page++) this.window.touch(page, true);
    return new Uint8Array(this.window.buffer);
  }

  async load(source: ProgramSource, name = "test"): Promise<ControlReply> {
    const { promise, resolve } = Promise.withResolvers<ControlReply>();
    this.driver.control({ command: "load", name, source }, resolve);
    return await promise;
  }

  /** A kernel's handle, of a function. */
  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  async kernel(kernel: Function, parameters: readonly string[] = []): Promise<number> {
    const made = programOf(kernel);
    const reply = await this.load(made.source);
    if (reply.outcome !== "OK") throw new Error(reply.error.message);
    return this.driver.kernel(reply.program ?? 0, made.kernel, parameters);
  }

  async until(what: () => boolean, ms = 10_000): Promise<void> {
    for (const end = performance.now() + ms; !what(); ) {
      if (performance.now() > end) throw new Error(`it did not come to be within ${ms} ms: ${what}`);
      await sleep(1);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticks);
    this.client.close();
    this.driver.close();
    await sleep(0);
  }
}
