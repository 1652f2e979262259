// What the kernel thread and the device's thread tell each other, apart from the rings. Neither waits for an answer.

import type { QueueShape } from "./layout.ts";
import type { WasmMemory } from "./wasm.ts";

/** Where a program comes from. */
export type ProgramSource =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "wasm"; readonly bytes: Uint8Array<ArrayBuffer> };

/** Memory as the device's thread reaches it: mapped at an address, or a buffer (a WebAssembly memory, or for tests). */
export type Reach =
  | { readonly address: number }
  | { readonly buffer: SharedArrayBuffer; readonly byteOffset: number };

export type ToDevice =
  | {
      readonly type: "queue";
      readonly queue: number;
      readonly memory: SharedArrayBuffer;
      readonly kernelMemory: SharedArrayBuffer;
      /** From the kernel, not from the memory: its client can write there. */
      readonly shape: QueueShape;
    }
  | { readonly type: "drop-queue"; readonly queue: number }
  | {
      readonly type: "region";
      readonly queue: number;
      /** The WebAssembly program in whose memory it is; 0: none, it is in the device's address space. */
      readonly program: number;
      readonly region: number;
      readonly bytes: number;
      readonly access: number;
      readonly reach: Reach;
    }
  | {
      readonly type: "drop-region";
      readonly queue: number;
      readonly program: number;
      readonly region: number;
      /** Comes back when the device uses it no more. */
      readonly token: number;
    }
  | {
      readonly type: "wasm-memory";
      readonly queue: number;
      readonly program: number;
      readonly memory: WasmMemory;
    }
  | {
      readonly type: "program";
      readonly program: number;
      readonly name: string;
      readonly source: ProgramSource;
      /** It was loaded before, by a thread that is gone: requests wait for it. */
      readonly again: boolean;
    }
  | { readonly type: "drop-program"; readonly program: number }
  | {
      readonly type: "kernel";
      readonly handle: number;
      readonly program: number;
      readonly name: string;
      /** Names of its arguments, in order; the properties of a JavaScript kernel's first parameter. */
      readonly parameters: readonly string[];
    }
  | { readonly type: "drop-kernel"; readonly handle: number };

export type FromDevice =
  | { readonly type: "loaded"; readonly program: number; readonly kernels: readonly string[] }
  | {
      readonly type: "refused";
      readonly program: number;
      readonly code: number;
      readonly detail: string;
    }
  | { readonly type: "dropped"; readonly token: number }
  | { readonly type: "stopped"; readonly queue: number };

/** What the device's thread is started with. */
export interface ThreadData {
  readonly name: string;
  readonly engine: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly port: import("node:worker_threads").MessagePort;
  /** An eventfd of the kernel thread's, written to when there is something for it; −1: none. */
  readonly wakeFd: number;
}
