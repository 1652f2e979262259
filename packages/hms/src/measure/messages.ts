// What the thread that measures and those that work say to each other.
import type { Done, Work } from "./area.ts";
import type { WasmModule } from "./wasm.ts";

/** What a working thread is started with. */
export interface WorkerData {
  readonly module: WasmModule;
  /** Bytes of its area. */
  readonly bytes: number;
}

export type Order =
  /** Writes all of its memory, which begins at `start`, so that the pages are there. */
  | { readonly order: "touch"; readonly start: number; readonly bytes: number }
  | { readonly order: "link"; readonly bytes: number; readonly lineBytes: number; readonly seed: number }
  | {
      readonly order: "run";
      readonly work: Work;
      readonly library: boolean;
      readonly bytes: number;
      /** When to start, by the clock that all threads share (`sharedClockMs`); at once when that has passed. */
      readonly startMs: number;
      readonly windowMs: number;
    };

export type Reply =
  | {
      readonly reply: "ready";
      /** The kernel's number of the thread. */
      readonly thread: number;
      readonly buffer: SharedArrayBuffer;
    }
  | { readonly reply: "ran"; readonly done: Done }
  | { readonly reply: "done" };

/** Milliseconds on a clock that is the same in every thread. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
