// Ends the process when a step takes too long: a thread that waits for a page fault cannot look at the clock itself.
import { Worker, workerData } from "node:worker_threads";
import { dieLoudly } from "@hms/host-linux";

/** A step that takes longer has hung. */
export const STEP_SECONDS = 60;

const NAME_BYTES = 512;
const LOOKS = 10;

/** Steps begun; bytes of the name; the name. */
interface Watched {
  readonly state: Int32Array;
  readonly name: Uint8Array;
  readonly seconds: number;
}

/** Watches that calls come to an end. */
export class StepWatch {
  readonly #watched: Watched;

  constructor(seconds: number = STEP_SECONDS) {
    this.#watched = {
      state: new Int32Array(new SharedArrayBuffer(8)),
      name: new Uint8Array(new SharedArrayBuffer(NAME_BYTES)),
      seconds,
    };
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { watched: this.#watched },
      name: "hms step watch",
    });
    worker.unref();
  }

  /** Something begins: what the sentence says if it does not end. */
  begin(what: string): void {
    const { state, name } = this.#watched;
    const text = new TextEncoder().encode(what).subarray(0, NAME_BYTES);
    name.set(text);
    Atomics.store(state, 1, text.length);
    Atomics.add(state, 0, 1);
  }

  /** Nothing is under way. */
  end(): void {
    Atomics.store(this.#watched.state, 1, 0);
    Atomics.add(this.#watched.state, 0, 1);
  }
}

function watch({ state, name, seconds }: Watched): void {
  let same = 0;
  for (let before = -1; ; ) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, (seconds * 1000) / LOOKS);
    const now = Atomics.load(state, 0);
    const length = Atomics.load(state, 1);
    same = now === before && length > 0 ? same + 1 : 0;
    before = now;
    if (same <= LOOKS) continue;
    const what = new TextDecoder().decode(name.slice(0, length));
    dieLoudly(
      `${what} has not come to an end within ${seconds} seconds: the linux host hangs; please report it`,
    );
  }
}

if (workerData?.watched !== undefined) watch(workerData.watched as Watched);
