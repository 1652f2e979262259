import { writeSync } from "node:fs";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { microseconds } from "./clock.ts";
import type { Failure } from "./engine-failure.ts";
import { loadProgram, type Program, ScriptProgram, WasmProgram } from "./engine-programs.ts";
import { EngineQueue } from "./engine-queue.ts";
import {
  ASLEEP,
  E_CLEAR_ASKED,
  E_CLEARED,
  E_FAILED_FAULTS,
  E_LOADING,
  E_POSTED,
  E_READ,
  E_SIGNALS,
  E_TURNS,
} from "./layout.ts";
import type { FromDevice, Reach, ThreadData, ToDevice } from "./messages.ts";
import { Spin } from "./spin.ts";

/** A kernel as requests name it. */
export interface KernelEntry {
  readonly program: Program;
  readonly programNumber: number;
  readonly name: string;
  readonly parameters: readonly string[];
  /** Indices of one call. */
  chunk: number;
}

/** Maps an address of the process to a buffer; where windows are, the linux host's `bufferAt`. */
export type BufferAt = (address: number, bytes: number) => ArrayBuffer;

/** How many indices a kernel gets in its first call. */
const FIRST_CHUNK = 64;
/** How long the device looks for work before it sleeps. Microseconds. */
const SPIN_MIN = 4;
const SPIN_MAX = 60;
/** A sleeping device looks by itself after this long: a bound, not the way that it learns of work. Milliseconds. */
const LOOK_EVERY = 100;
const ONE = new BigUint64Array([1n]);

/**
 * The device: takes requests from the rings of its queues in turn, runs them, and writes their completions. It runs in
 * a thread of its own, and reaches memory only through what the kernel gave to the queue.
 */
export class Engine {
  readonly name: string;
  readonly words: Int32Array;
  readonly kernels: Map<number, KernelEntry> = new Map();
  readonly #bell: Int32Array;
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #bufferAt: () => Promise<BufferAt>;
  readonly #queues: Map<number, EngineQueue> = new Map();
  readonly #programs: Map<number, Program> = new Map();
  readonly #spin = new Spin(SPIN_MIN, SPIN_MAX);
  readonly #fresh: EngineQueue[] = [];
  #posted = 0;
  #loads: Promise<void> = Promise.resolve();
  #loading = 0;
  #breathe = false;

  constructor(data: ThreadData, bufferAt: () => Promise<BufferAt>) {
    this.name = data.name;
    this.words = new Int32Array(data.engine);
    this.#bell = new Int32Array(data.doorbell);
    this.#port = data.port;
    this.#wakeFd = data.wakeFd;
    this.#bufferAt = bufferAt;
  }

  /** Serves for ever. What has to wait (a module that is loaded) is waited for between the requests. */
  async run(): Promise<never> {
    for (;;) {
      const rung = Atomics.load(this.#bell, 0);
      Atomics.add(this.words, E_TURNS, 1);
      if (this.hasMail) await this.#readMessages();
      // What a queue had begun needs its regions and kernels, which were posted behind it.
      for (let queue = this.#fresh.pop(); queue !== undefined; queue = this.#fresh.pop()) queue.takeOver();
      let worked = false;
      for (const queue of this.#queues.values()) if (queue.serve()) worked = true;
      if (this.#loading > 0 || this.#breathe) {
        this.#breathe = false;
        await new Promise((resolve) => setImmediate(resolve));
      } else if (!worked) this.#idle(rung);
    }
  }

  /** Whether the kernel has said something that is not read yet. */
  get hasMail(): boolean {
    return Atomics.load(this.words, E_POSTED) !== this.#posted;
  }

  /** A kernel left something behind that only the event loop gets rid of. */
  breathe(): void {
    this.#breathe = true;
  }

  /** Has the kernel take away what it answered failed faults with. The device waits for it; it never does for the device. */
  clearFaults(): void {
    const failed = Atomics.load(this.words, E_FAILED_FAULTS);
    Atomics.store(this.words, E_CLEAR_ASKED, failed);
    this.signal();
    for (;;) {
      const cleared = Atomics.load(this.words, E_CLEARED);
      if (cleared === failed) return;
      Atomics.wait(this.words, E_CLEARED, cleared, LOOK_EVERY);
    }
  }

  #idle(rung: number): void {
    const until = microseconds() + this.#spin.limit;
    for (let round = 1; ; round++) {
      if (Atomics.load(this.#bell, 0) !== rung) {
        this.#spin.hit();
        return;
      }
      if ((round & 31) === 0 && microseconds() >= until) break;
    }
    this.#spin.miss();
    for (const queue of this.#queues.values()) Atomics.store(queue.words, ASLEEP, 1);
    Atomics.wait(this.#bell, 0, rung, LOOK_EVERY);
    for (const queue of this.#queues.values()) Atomics.store(queue.words, ASLEEP, 0);
  }

  /** Tells the kernel thread something. */
  reply(message: FromDevice): void {
    this.#port.postMessage(message);
    this.signal();
  }

  /** There is something that the kernel should look at. */
  signal(): void {
    Atomics.add(this.words, E_SIGNALS, 1);
    if (this.#wakeFd >= 0) writeSync(this.#wakeFd, ONE);
  }

  async #readMessages(): Promise<void> {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      await this.#obey(received.message as ToDevice);
      this.#posted = (this.#posted + 1) | 0;
      Atomics.store(this.words, E_READ, this.#posted);
    }
  }

  async #obey(message: ToDevice): Promise<void> {
    switch (message.type) {
      case "queue":
        this.#addQueue(message);
        break;
      case "drop-queue":
        this.#dropQueue(message.queue);
        break;
      case "region":
        await this.#addRegion(message);
        break;
      case "drop-region":
        this.#dropRegion(message);
        break;
      case "wasm-memory":
        this.#wasm(message.program)?.setMemory(message.queue, message.memory);
        break;
      case "program":
        await this.#startLoad(message);
        break;
      case "drop-program":
        this.#programs.delete(message.program);
        break;
      case "kernel":
        this.#addKernel(message);
        break;
      case "drop-kernel":
        this.kernels.delete(message.handle);
        break;
    }
  }

  #wasm(program: number): WasmProgram | null {
    const found = this.#programs.get(program);
    return found instanceof WasmProgram ? found : null;
  }

  #addQueue({ queue, memory, kernelMemory, shape }: Extract<ToDevice, { type: "queue" }>): void {
    const made = new EngineQueue(this, queue, memory, shape, kernelMemory);
    this.#queues.set(queue, made);
    this.#fresh.push(made);
  }

  #dropQueue(queue: number): void {
    const found = this.#queues.get(queue);
    if (found === undefined) return;
    for (const view of found.regions.values()) detach(view.buffer);
    this.#queues.delete(queue);
    for (const program of this.#programs.values())
      if (program instanceof WasmProgram) program.dropQueue(queue);
  }

  async #addRegion(message: Extract<ToDevice, { type: "region" }>): Promise<void> {
    const { region, bytes, access } = message;
    const queue = this.#queues.get(message.queue);
    if (queue === undefined) return;
    const { buffer, byteOffset } = await this.#reach(message.reach, bytes);
    const view = { region, buffer, byteOffset, bytes, access };
    if (message.program === 0) queue.regions.set(region, view);
    else {
      const regions = queue.wasmRegions.get(message.program) ?? new Map();
      queue.wasmRegions.set(message.program, regions.set(region, view));
    }
  }

  async #reach(
    reach: Reach,
    bytes: number,
  ): Promise<{ readonly buffer: ArrayBufferLike; readonly byteOffset: number }> {
    if ("buffer" in reach) return reach;
    const bufferAt = await this.#bufferAt();
    return { buffer: bufferAt(reach.address, bytes), byteOffset: 0 };
  }

  #dropRegion({ queue, program, region, token }: Extract<ToDevice, { type: "drop-region" }>): void {
    const found = this.#queues.get(queue);
    const regions = program === 0 ? found?.regions : found?.wasmRegions.get(program);
    const view = regions?.get(region);
    regions?.delete(region);
    if (view !== undefined && program === 0) detach(view.buffer);
    this.reply({ type: "dropped", token });
  }

  /** Programs are loaded one after the other; requests go on meanwhile, unless they may need the program. */
  async #startLoad(message: Extract<ToDevice, { type: "program" }>): Promise<void> {
    this.#loading++;
    this.#loads = this.#loads.then(() => this.#load(message)).finally(() => this.#loading--);
    if (message.again) await this.#loads;
  }

  async #load({ program, source }: Extract<ToDevice, { type: "program" }>): Promise<void> {
    Atomics.store(this.words, E_LOADING, program);
    try {
      const loaded = await loadProgram(program, source);
      this.#programs.set(program, loaded);
      const kernels = loaded instanceof ScriptProgram ? loaded.kernels.keys() : loaded.kernels;
      this.reply({ type: "loaded", program, kernels: [...kernels] });
    } catch (error) {
      const { code, message } = error as Failure;
      this.reply({ type: "refused", program, code, detail: message });
    } finally {
      Atomics.store(this.words, E_LOADING, 0);
    }
  }

  #addKernel({ handle, program, name, parameters }: Extract<ToDevice, { type: "kernel" }>): void {
    const found = this.#programs.get(program);
    if (found === undefined) return;
    this.kernels.set(handle, {
      program: found,
      programNumber: program,
      name,
      parameters,
      chunk: FIRST_CHUNK,
    });
  }
}

/** Views that a kernel has kept must not outlive the memory behind them. */
function detach(buffer: ArrayBufferLike): void {
  // The buffer's own method refuses: nobody else is to take the memory away.
  if (buffer instanceof ArrayBuffer && !buffer.detached) ArrayBuffer.prototype.transfer.call(buffer, 0);
}
