import { existsSync } from "node:fs";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { E_POSTED, E_READ, E_REFUSED, E_RUNNING, E_THREAD, NEVER, UNKNOWN_THREAD } from "./layout.ts";
import type { FromDevice, ThreadData, ToDevice } from "./messages.ts";

/** How large a kernel's garbage may become before its thread ends. MiB. */
export const HEAP_MAX = 1024;

/** How a device's thread is started. */
export interface ThreadOptions {
  readonly name: string;
  readonly engine: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly wakeFd: number;
  /** The module that it runs; default: the one beside this file. */
  readonly module: URL | null;
}

function ownModule(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./thread.ts" : "./thread.js", import.meta.url);
}

/**
 * The device's thread, as the kernel thread holds it. Nothing here waits: the thread is started, told things, ended,
 * and found to be gone. The kernel thread may never come back to its event loop, so that even the end is looked up.
 */
export class DeviceThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #words: Int32Array;
  readonly #bell: Int32Array;
  #exited = false;
  #ending = false;

  constructor(options: ThreadOptions) {
    this.#words = new Int32Array(options.engine);
    this.#bell = new Int32Array(options.doorbell);
    for (const word of [E_POSTED, E_READ, E_THREAD, E_RUNNING, E_REFUSED])
      Atomics.store(this.#words, word, 0);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: ThreadData = {
      name: options.name,
      engine: options.engine,
      doorbell: options.doorbell,
      port: port2,
      wakeFd: options.wakeFd,
    };
    this.#worker = new Worker(options.module ?? ownModule(), {
      workerData,
      transferList: [port2],
      name: options.name,
      stdin: false,
      ...withoutInputType(process.execArgv),
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX },
    });
    this.#port.unref();
    this.#worker.unref();
    this.#worker.on("error", () => {
      // Its end is what counts.
    });
    this.#worker.on("exit", () => {
      this.#exited = true;
    });
  }

  post(message: ToDevice): void {
    this.#port.postMessage(message);
    Atomics.add(this.#words, E_POSTED, 1);
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  /** What the device had to say; null when there is nothing. */
  receive(): FromDevice | null {
    const received = receiveMessageOnPort(this.#port);
    return received === undefined ? null : (received.message as FromDevice);
  }

  /** Messages that it has not read. */
  get unread(): number {
    return (Atomics.load(this.#words, E_POSTED) - Atomics.load(this.#words, E_READ)) | 0;
  }

  /** Ends it, whatever it is doing. It may go on for a moment: ask `gone`. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    void this.#worker.terminate();
  }

  get ending(): boolean {
    return this.#ending;
  }

  /** Whether it has come as far as running. */
  get running(): boolean {
    return !this.#exited && this.hasRun;
  }

  /** Whether it ever came to run. */
  get hasRun(): boolean {
    return Atomics.load(this.#words, E_THREAD) > 0;
  }

  /** Whether it has certainly ended: it touches nothing any more. */
  gone(): boolean {
    if (this.#exited) return true;
    // One that is to end before it has begun does not begin.
    if (this.#ending && Atomics.compareExchange(this.#words, E_THREAD, 0, NEVER) === 0) this.#exited = true;
    const id = Atomics.load(this.#words, E_THREAD);
    if (id > 0 && id !== UNKNOWN_THREAD && !existsSync(`/proc/self/task/${id}`)) this.#exited = true;
    return this.#exited;
  }

  /** After it is gone. */
  close(): void {
    this.#port.close();
  }
}

/** A thread that has a file refuses to be told of what kind the program's own input is (`node --input-type=module -e …`). */
function withoutInputType(execArgv: readonly string[]): { readonly execArgv?: string[] } {
  const kept = execArgv.filter((option) => !option.startsWith("--input-type="));
  return kept.length === execArgv.length ? {} : { execArgv: kept };
}
