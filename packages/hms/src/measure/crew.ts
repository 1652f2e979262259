import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { HmsError } from "@hms/topology";
import type { Done, Work } from "./area.ts";
import { type Order, type Placed, type Reply, sharedClockMs, type WorkerData } from "./messages.ts";
import type { WasmModule } from "./wasm.ts";

/** Threads at the same time, at most. */
export const THREADS_MAX = 1024;
/** How much later a common start is than the order to it, in milliseconds: in all, and for each thread. */
const LEAD_MS = 2;
const LEAD_MS_PER_THREAD = 0.1;

/** A CPU to work on, and the bytes of the area there. */
export interface Post {
  readonly cpu: number;
  readonly bytes: number;
}

/** One measurement that a crew does. */
export interface Turn {
  readonly work: Work;
  /** By the C library's routine instead of a loop. */
  readonly library: boolean;
  /** Bytes of each thread. */
  readonly bytes: number;
  readonly windowMs: number;
}

/** Threads on CPUs, each with memory of its own. */
export class Crew implements AsyncDisposable {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  /**
   * Starts a thread on each CPU. Throws MEASURE_NO_THREAD when one cannot have its memory (ENOMEM) or its CPU (EINVAL).
   */
  static async start(module: WasmModule, posts: readonly Post[]): Promise<Crew> {
    const file = new URL(`./thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
    const workers: Worker[] = [];
    try {
      for (const { cpu, bytes } of posts) {
        const workerData: WorkerData = { module, cpu, bytes };
        workers.push(new Worker(file, { workerData, name: `hms measure ${cpu}` }));
      }
      const ready = await Promise.all(workers.map((worker) => replyOf(worker)));
      ready.forEach((reply, i) => {
        if (reply.reply === "ready" && reply.pinned === 0) return;
        throw noThread(posts[i]?.cpu ?? -1, "EINVAL", "the kernel does not let it run there");
      });
      return new Crew(workers);
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      if (HmsError.is(error)) throw error;
      throw noThread(
        posts[0]?.cpu ?? -1,
        "ENOMEM",
        `there is not enough memory, or not enough addresses (ulimit -v): ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  get size(): number {
    return this.#workers.length;
  }

  /** Gives the first `threads` threads memory of a node (null: of any). */
  async place(threads: number, node: number | null, bytes: number, huge: boolean): Promise<Placed[]> {
    const replies = await this.#order(threads, { order: "place", node, bytes, huge });
    return replies.map((reply) => {
      if (reply.reply !== "placed") throw new Error(`a thread answered ${reply.reply} where it was to place`);
      return reply.placed;
    });
  }

  /** Makes a ring of the first thread's memory for the chase. */
  async link(bytes: number, lineBytes: number, seed: number): Promise<void> {
    await this.#order(1, { order: "link", bytes, lineBytes, seed });
  }

  /** Lets the first `threads` threads work at the same time, and answers what each did. */
  async run(threads: number, { work, library, bytes, windowMs }: Turn): Promise<Done[]> {
    const startMs = sharedClockMs() + LEAD_MS + LEAD_MS_PER_THREAD * threads;
    const replies = await this.#order(threads, { order: "run", work, library, bytes, startMs, windowMs });
    return replies.map((reply) => {
      if (reply.reply !== "ran") throw new Error(`a thread answered ${reply.reply} where it was to run`);
      return { amount: reply.amount, elapsedMs: reply.elapsedMs };
    });
  }

  /** Gives the memory of all threads back. */
  async release(): Promise<void> {
    await this.#order(this.size, { order: "release" });
  }

  async #order(threads: number, order: Order): Promise<Reply[]> {
    return Promise.all(
      this.#workers.slice(0, threads).map((worker) => {
        worker.postMessage(order);
        return replyOf(worker);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** Rejects with what the thread threw. */
async function replyOf(worker: Worker): Promise<Reply> {
  const [reply] = (await once(worker, "message")) as [Reply];
  return reply;
}

function noThread(cpu: number, errno: "EINVAL" | "ENOMEM", why: string): HmsError {
  return new HmsError("MEASURE_NO_THREAD", errno, `Start a thread on CPU ${cpu}: ${why}.`);
}
