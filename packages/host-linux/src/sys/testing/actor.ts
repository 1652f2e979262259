// A thread of the program: does one thing after the other to memory, as told, and notes what came of it.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { gettid } from "../cpu.ts";
import { bufferAt, madvise, mremap, munmap } from "../memory.ts";
import type { Address } from "../units.ts";

/** One thing to do; `what` is a value to write or an advice. */
export interface Act {
  readonly kind: "read" | "write" | "madvise" | "munmap" | "mremap";
  readonly address: Address;
  readonly bytes?: number;
  readonly what?: number;
  readonly to?: Address;
}

interface Told {
  readonly acts: readonly Act[];
  readonly notes: SharedArrayBuffer;
}

/** A thread at work: how many acts are done, what each answered, and which thread it is. */
export class Actor {
  readonly #notes: Float64Array;
  readonly #worker: Worker;

  constructor(acts: readonly Act[]) {
    const notes = new SharedArrayBuffer((acts.length + 2) * 8);
    this.#notes = new Float64Array(notes);
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { acts, notes } satisfies Told });
  }

  get done(): number {
    return this.#notes[0] as number;
  }

  get thread(): number {
    return this.#notes[1] as number;
  }

  answer(i: number): number {
    return this.#notes[i + 2] as number;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

function act({ kind, address, bytes = 4096, what = 0, to = 0 }: Act): number {
  if (kind === "madvise") return madvise(address, bytes, what);
  if (kind === "munmap") return munmap(address, bytes);
  if (kind === "mremap") return mremap(address, bytes, bytes, 3, to);
  const view = new Uint8Array(bufferAt(address, 1));
  if (kind === "write") view[0] = what;
  return view[0] as number;
}

if (!isMainThread) {
  const { acts, notes } = workerData as Told;
  const noted = new Float64Array(notes);
  noted[1] = gettid();
  for (const [i, one] of acts.entries()) {
    noted[i + 2] = act(one);
    noted[0] = i + 1;
  }
}
