import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { dieLoudly } from "./sys/fatal.ts";
import { threadOptions } from "./thread-options.ts";

/** How long the kernel thread may be at one thing before it counts as hung: seconds. */
export const HANG_SECONDS = 60;

interface Watched {
  readonly heartbeat: Int32Array;
  readonly seconds: number;
}

/** Turns of the loop; 1 while it sleeps; 1 when it has ended; 1 when the watchdog is to end. */
const TURNS = 0;
const ASLEEP = 1;
const ENDED = 2;
const STOP = 3;

/** What a `KernelLoop` counts in, and a `Watchdog` looks at. */
export function newHeartbeat(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(16));
}

/**
 * Ends the process with a sentence when the kernel thread does not answer any more: whoever touches memory then would
 * wait for ever. A thread of its own, which touches none of that memory. It is silent while the kernel thread sleeps
 * or works, however busy it is; it speaks when one turn takes longer than `seconds`.
 *
 * @example
 * ```ts
 * import { newHeartbeat, Watchdog } from "@hms/host-linux";
 * const heartbeat = newHeartbeat(); // goes to the KernelLoop too
 * using watchdog = new Watchdog(heartbeat, { seconds: 30 });
 * ```
 */
export class Watchdog implements Disposable {
  readonly #heartbeat: Int32Array;
  readonly #worker: Worker;
  /** Settled when it watches; rejected when its thread could not be started. */
  readonly ready: Promise<void>;

  /** `seconds`: what counts as hung; default 60. */
  constructor(heartbeat: Int32Array, options: { readonly seconds?: number } = {}) {
    this.#heartbeat = heartbeat;
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: { heartbeat, seconds: options.seconds ?? HANG_SECONDS } satisfies Watched,
      name: "hms watchdog",
      ...threadOptions(),
    });
    this.#worker.unref();
    this.ready = once(this.#worker, "message").then(() => undefined);
    // Whoever does not wait for it learns it from what does not happen.
    this.ready.catch(() => undefined);
  }

  /** Ends it. */
  stop(): void {
    Atomics.store(this.#heartbeat, STOP, 1);
    Atomics.notify(this.#heartbeat, STOP);
  }

  /** Ends it, and waits until its thread has let go of everything. */
  async end(): Promise<void> {
    const ended = once(this.#worker, "exit");
    this.#worker.ref();
    this.stop();
    await ended;
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

/** Whether a turn began before and has not ended since. */
function isStuck(heartbeat: Int32Array, turnsBefore: number): boolean {
  return (
    Atomics.load(heartbeat, TURNS) === turnsBefore &&
    Atomics.load(heartbeat, ASLEEP) === 0 &&
    Atomics.load(heartbeat, ENDED) === 0 &&
    turnsBefore > 0
  );
}

function watch({ heartbeat, seconds }: Watched): void {
  parentPort?.postMessage("watching");
  const looks = 10;
  let stuck = 0;
  for (;;) {
    const turns = Atomics.load(heartbeat, TURNS);
    if (Atomics.wait(heartbeat, STOP, 0, (seconds * 1000) / looks) !== "timed-out") return;
    stuck = isStuck(heartbeat, turns) ? stuck + 1 : 0;
    if (stuck > looks) {
      dieLoudly(
        `the kernel thread has been at one thing for ${seconds} seconds, and nobody else can answer page faults; please report what the program did`,
      );
    }
  }
}

if (!isMainThread && workerData?.heartbeat instanceof Int32Array && "seconds" in workerData) {
  watch(workerData as Watched);
}
