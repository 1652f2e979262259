import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Place } from "./tree/read.ts";
import type { Work } from "./work.ts";

/** More threads than this wait for the memory, not for each other. */
export const THREADS_MAX = 4;

/** Little lives long in a thread: a larger nursery would only take memory. */
const YOUNG_MB = 16;

type Method = "headers" | "carriers" | "macros" | "exports" | "mentions";
type Result<M extends Method> = Awaited<ReturnType<Work[M]>>;

/** Threads that each hold a share of the files. */
export class Pool implements Disposable {
  readonly #workers: readonly Worker[];
  onFiles: (count: number) => void = () => {};

  constructor(place: Place, threads: number = Math.min(THREADS_MAX, availableParallelism())) {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    this.#workers = Array.from(
      { length: threads },
      () =>
        new Worker(new URL(file, import.meta.url), {
          workerData: place,
          resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
        }),
    );
  }

  get size(): number {
    return this.#workers.length;
  }

  /** Asks every thread, each with its own arguments; the results are in the order of the threads. */
  async all<M extends Method>(
    method: M,
    args: (thread: number) => Parameters<Work[M]>,
  ): Promise<Result<M>[]> {
    return await Promise.all(
      this.#workers.map((worker, thread) => this.#ask<M>(worker, method, args(thread))),
    );
  }

  #ask<M extends Method>(worker: Worker, method: M, args: Parameters<Work[M]>): Promise<Result<M>> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: {
        readonly files?: number;
        readonly error?: string;
        readonly result?: Result<M>;
      }): void => {
        if (message.files !== undefined) {
          this.onFiles(message.files);
          return;
        }
        worker.off("message", onMessage);
        worker.off("error", reject);
        if (message.error === undefined) resolve(message.result as Result<M>);
        else reject(new Error(message.error));
      };
      worker.on("message", onMessage);
      worker.once("error", reject);
      worker.postMessage({ method, args });
    });
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) void worker.terminate();
  }
}
