// What the thread that measures and those that work say to each other.
import type { Work } from "./area.ts";
import type { WasmModule } from "./wasm.ts";

/** What a working thread is started with. */
export interface WorkerData {
  readonly module: WasmModule;
  /** The CPU that it is to stay on. */
  readonly cpu: number;
  /** Bytes of its area. */
  readonly bytes: number;
}

export type Order =
  | {
      /** Takes its memory from a node (null: from wherever it comes) and touches it. */
      readonly order: "place";
      readonly node: number | null;
      readonly bytes: number;
      readonly huge: boolean;
    }
  | { readonly order: "link"; readonly bytes: number; readonly lineBytes: number; readonly seed: number }
  | {
      readonly order: "run";
      readonly work: Work;
      readonly library: boolean;
      readonly bytes: number;
      /** When to start, by the clock that all threads share (`sharedClockMs`); at once when that has passed. */
      readonly startMs: number;
      readonly windowMs: number;
    }
  | { readonly order: "release" };

/** What came of placing memory. */
export interface Placed {
  /** What mbind said: 0 or a negative errno. */
  readonly bound: number;
  /** Pages by node, or the negative errno that the kernel answered instead. */
  readonly found: { readonly byNode: ReadonlyMap<number, number>; readonly unknown: number } | number;
  /** Part of it in huge pages, 0 to 1; null: not known. */
  readonly hugePart: number | null;
}

export type Reply =
  | { readonly reply: "ready"; readonly pinned: number }
  | { readonly reply: "placed"; readonly placed: Placed }
  | { readonly reply: "ran"; readonly amount: number; readonly elapsedMs: number }
  | { readonly reply: "done" };

/** Milliseconds on a clock that is the same in every thread. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
