import { HmsError } from "@hms/topology";
import { WASM_PAGE_BYTES, type WasmMemory, wasm } from "./wasm.ts";
import type { MemoryImport } from "./wasm-imports.ts";

/** Regions begin at multiples of this: a huge page. */
const ALIGN = 2 ** 21;

/**
 * The memory of a WebAssembly program in one queue, made by the kernel so that it outlives the device's thread: below,
 * what the program keeps for itself; above, one region after the other.
 */
export class WasmSpace {
  readonly memory: WasmMemory;
  readonly #maximum: number;
  #next: number;
  readonly #free: { readonly at: number; readonly bytes: number }[] = [];

  constructor(wanted: MemoryImport) {
    this.#maximum = wanted.maximum ?? wanted.initial;
    this.memory = new wasm.Memory({ initial: wanted.initial, maximum: this.#maximum, shared: true });
    this.#next = wanted.initial * WASM_PAGE_BYTES;
  }

  /** A place for so many bytes, from the memory's beginning, such that its address is a multiple of 4096. Throws ENOMEM. */
  place(bytes: number): number {
    const reused = this.#free.findIndex((range) => range.bytes === bytes);
    if (reused >= 0) return this.#free.splice(reused, 1)[0]?.at ?? 0;
    const at = Math.ceil(this.#next / ALIGN) * ALIGN;
    const pages = Math.ceil((at + bytes) / WASM_PAGE_BYTES);
    if (pages > this.#maximum) {
      throw new HmsError(
        "WASM_MEMORY_FULL",
        "ENOMEM",
        `Placing ${bytes} bytes in a WebAssembly memory failed: it may have ${this.#maximum * WASM_PAGE_BYTES} bytes, and ${at} are taken. Attach fewer or smaller regions, or build the program with a larger maximum.`,
      );
    }
    const grow = pages - this.memory.buffer.byteLength / WASM_PAGE_BYTES;
    if (grow > 0) this.memory.grow(grow);
    this.#next = at + bytes;
    return at;
  }

  /** A place may be used again. */
  give(at: number, bytes: number): void {
    this.#free.push({ at, bytes });
  }
}
