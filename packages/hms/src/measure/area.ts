import { KERNELS, ROUND_LOADS } from "./kernels.generated.ts";
import { WASM_PAGE_BYTES, type WasmModule, wasm } from "./wasm.ts";

const MIB: number = 2 ** 20;
/** Bytes that one call reads, writes or copies: the clock is looked at in between. */
const CALL_BYTES: number = MIB;
/** The same for the C library, which goes past the caches only with more than they hold. */
const LIBRARY_CALL_BYTES: number = 64 * MIB;
const US_PER_MS = 1000;
/** Loads of one call of the chase. */
const CALL_LOADS: number = 256 * ROUND_LOADS;
/** Sizes are multiples of this: a huge page, and whole rounds of every loop in each half of it. */
export const AREA_STEP: number = 2 * MIB;
/** The largest area: what a WebAssembly memory can hold, less what the alignment may take. */
export const AREA_MAX: number = 4096 * MIB - AREA_STEP - WASM_PAGE_BYTES;

/** What is timed. */
export type Work = "read" | "write" | "copy" | "chase";

interface Kernels {
  read(at: number, bytes: number): bigint;
  write(at: number, bytes: number, value: number): void;
  copy(to: number, from: number, bytes: number): void;
  libraryWrite(at: number, bytes: number, value: number): void;
  libraryCopy(to: number, from: number, bytes: number): void;
  chase(at: number, loads: number): number;
}

/** The module of the loops; instances of it share what the runtime makes of them. */
export function kernelsModule(): WasmModule {
  return new wasm.Module(new Uint8Array(Buffer.from(KERNELS, "base64")));
}

/** How much was done in how long. */
export interface Done {
  /** Bytes, or loads of a chase. */
  readonly amount: number;
  readonly elapsedMs: number;
  /** Of that, what the thread had of its CPU: what other programs took of it is left out. */
  readonly cpuMs: number;
}

/**
 * Memory of a thread's own, and the loops that go over it. It knows nothing of the system, so that threads with one start
 * quickly: whoever has its buffer says where its pages come from.
 */
export class Area {
  readonly #kernels: Kernels;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  /** Where the next call goes on, in bytes from the start. */
  #at = 0;
  /** Where the chase is, as its kernel has it. */
  #chaseAt = 0;
  #value = 1;
  /** What it works on, and up to AREA_STEP more. */
  readonly buffer: SharedArrayBuffer;
  /** Where in the buffer it begins: at the start of a huge page. */
  start = 0;

  /** Throws RangeError when there are not so many addresses left. */
  constructor(module: WasmModule, bytes: number) {
    if (bytes % AREA_STEP !== 0 || bytes < AREA_STEP || bytes > AREA_MAX)
      throw new RangeError(
        `An area has ${AREA_STEP} to ${AREA_MAX} bytes in steps of ${AREA_STEP}, not ${bytes}.`,
      );
    const pages = Math.ceil((bytes + AREA_STEP) / WASM_PAGE_BYTES);
    const memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
    const instance = new wasm.Instance(module, { measure: { memory } });
    this.#kernels = instance.exports as unknown as Kernels;
    this.buffer = memory.buffer;
    this.#words = new Uint32Array(memory.buffer);
  }

  /** Writes all of the first `bytes` bytes, so that their pages are there. */
  touch(bytes: number): void {
    this.#at = 0;
    this.#kernels.write(this.start, bytes, 1);
  }

  /**
   * Makes the first `bytes` bytes one ring of places a cache line apart, in random order (Sattolo's shuffle), each with
   * the address of the next: a load has to wait for the one before it, and nothing can be fetched ahead.
   */
  link(bytes: number, lineBytes: number, seed: number): void {
    const words = this.#words;
    const { start } = this;
    const count = Math.floor(bytes / lineBytes);
    for (let i = 0, at = start; i < count; i++, at += lineBytes) words[at >>> 2] = at;
    // xorshift32: never 0, and good enough to have no pattern that a processor could follow.
    let state = seed | 1;
    for (let i = count - 1; i > 0; i--) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const j = Math.floor(((state >>> 0) / 2 ** 32) * i);
      const here = (start + i * lineBytes) >>> 2;
      const there = (start + j * lineBytes) >>> 2;
      const next = words[here] as number;
      words[here] = words[there] as number;
      words[there] = next;
    }
    this.#chaseAt = start;
  }

  /** Works on the first `bytes` bytes until the clock (`performance.now()`) is at `untilMs`; once at least. */
  run(work: Work, library: boolean, bytes: number, untilMs: number): Done {
    const before = process.threadCpuUsage();
    const started = performance.now();
    let amount = 0;
    let now = started;
    do {
      amount += this.#call(work, library, bytes);
      now = performance.now();
    } while (now < untilMs);
    const { user, system } = process.threadCpuUsage(before);
    return { amount, elapsedMs: now - started, cpuMs: (user + system) / US_PER_MS };
  }

  #call(work: Work, library: boolean, bytes: number): number {
    const kernels = this.#kernels;
    if (work === "chase") {
      this.#chaseAt = kernels.chase(this.#chaseAt, CALL_LOADS);
      return CALL_LOADS;
    }
    // A copy goes from the first half to the second.
    const span = work === "copy" ? bytes >>> 1 : bytes;
    const length = Math.min(library ? LIBRARY_CALL_BYTES : CALL_BYTES, span);
    if (this.#at + length > span) this.#at = 0;
    const at = this.start + this.#at;
    if (work === "read") this.#value ^= Number(kernels.read(at, length) & 0xffn);
    else if (work === "write") {
      this.#value = (this.#value + 1) & 0xff;
      if (library) kernels.libraryWrite(at, length, this.#value);
      else kernels.write(at, length, this.#value);
    } else if (library) kernels.libraryCopy(at + span, at, length);
    else kernels.copy(at + span, at, length);
    this.#at += length;
    return length;
  }
}
