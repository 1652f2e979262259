import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { errnoText, type PagesFound, PlacedBuffer, setAffinity } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { Done, Work } from "./area.ts";
import { type Order, type Reply, sharedClockMs, type WorkerData } from "./messages.ts";
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

/** What came of placing a thread's memory. */
export interface Placed {
  /** What mbind said: 0 or a negative errno. */
  readonly bound: number;
  /** Pages by node, or the negative errno that the kernel answered instead. */
  readonly found: PagesFound | number;
  /** Part of it in huge pages, 0 to 1; null: not known. */
  readonly hugePart: number | null;
}

interface Member {
  readonly worker: Worker;
  readonly pages: PlacedBuffer;
}

/** Threads on CPUs, each with memory of its own. */
export class Crew implements AsyncDisposable {
  readonly #members: readonly Member[];
  readonly #signal: AbortSignal | undefined;

  private constructor(members: readonly Member[], signal: AbortSignal | undefined) {
    this.#members = members;
    this.#signal = signal;
  }

  /**
   * Starts a thread on each CPU; once the signal has come, orders throw MEASURE_STOPPED (ECANCELED). Throws
   * MEASURE_NO_THREAD when one cannot have its memory (ENOMEM) or its CPU (EINVAL).
   */
  static async start(module: WasmModule, posts: readonly Post[], signal?: AbortSignal): Promise<Crew> {
    const file = new URL(`./thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
    const workers: Worker[] = [];
    try {
      const starting: Promise<Member>[] = [];
      for (const { cpu, bytes } of posts) {
        const workerData: WorkerData = { module, bytes };
        const worker = new Worker(file, { workerData, name: `hms measure ${cpu}` });
        workers.push(worker);
        starting.push(memberOf(worker, cpu));
      }
      return new Crew(await Promise.all(starting), signal);
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      if (HmsError.is(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new HmsError(
        "MEASURE_NO_THREAD",
        "ENOMEM",
        `Start ${posts.length} threads: there is not enough memory, or not enough addresses (ulimit -v): ${why}.`,
      );
    }
  }

  get size(): number {
    return this.#members.length;
  }

  /** Gives the first `threads` threads memory of a node (null: of any), and lets them touch it. */
  async place(threads: number, node: number | null, bytes: number, huge: boolean): Promise<Placed[]> {
    const members = this.#members.slice(0, threads);
    const bound = members.map(({ pages }) => pages.place(node, huge));
    expectGoing(this.#signal);
    await Promise.all(members.map((one) => ask(one, { order: "touch", start: one.pages.start, bytes })));
    return members.map(({ pages }, i) => ({
      bound: bound[i] ?? 0,
      found: pages.pagesFound(bytes),
      hugePart: pages.hugePart(bytes),
    }));
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
      return reply.done;
    });
  }

  /** Gives the memory of all threads back. */
  release(): void {
    for (const { pages } of this.#members) pages.release();
  }

  async #order(threads: number, order: Order): Promise<Reply[]> {
    expectGoing(this.#signal);
    return Promise.all(this.#members.slice(0, threads).map((member) => ask(member, order)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
    this.release();
  }
}

/** Throws MEASURE_STOPPED (ECANCELED) when the signal has come. */
export function expectGoing(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new HmsError("MEASURE_STOPPED", "ECANCELED", "Measuring was stopped: there is no result.");
}

/** A thread that has started, on its CPU. */
async function memberOf(worker: Worker, cpu: number): Promise<Member> {
  const reply = await replyOf(worker);
  if (reply.reply !== "ready") throw new Error(`a thread answered ${reply.reply} where it was to start`);
  const pinned = setAffinity([cpu], reply.thread);
  if (pinned === 0) return { worker, pages: new PlacedBuffer(reply.buffer) };
  throw new HmsError(
    "MEASURE_NO_THREAD",
    "EINVAL",
    `Start a thread on CPU ${cpu}: the kernel does not let it run there (${errnoText(pinned)}); see taskset -p and the cpuset.`,
  );
}

function ask({ worker }: Member, order: Order): Promise<Reply> {
  worker.postMessage(order);
  return replyOf(worker);
}

/** Rejects with what the thread threw. */
async function replyOf(worker: Worker): Promise<Reply> {
  const [reply] = (await once(worker, "message")) as [Reply];
  return reply;
}
