import { TestDevice } from "@hms/driver-test";
import {
  COHERENT,
  type DeviceMemory,
  EMPTY,
  EXCLUSIVE,
  type FrameNumber,
  HOST,
  isDeviceFrame,
  KIND,
  LOST,
  MOVING,
  PAGE_BYTES,
  PRIVATE,
  SWAP,
  ZERO,
} from "@hms/hmm";
import type { ModelFile, ModelHost, ModelProcess } from "@hms/host-model";
import { WORD_OFFSETS, WORDS } from "./shadow.ts";

/** What `Peek.page` found. */
export const FOUND = 0;
/** Nothing is there: zeros, or what the file holds. */
export const NOTHING = 1;
export const GONE = 2;
/** A migration has it. */
export const ON_ITS_WAY = 3;

/** Looks at what pages hold, wherever they are, and changes nothing: no fault, no clock, no mark of use. */
export class Peek {
  readonly words = new Int32Array(WORDS);
  readonly #host: ModelHost;
  readonly #bytes = new Uint8Array(PAGE_BYTES);
  readonly #word: Uint8Array = new Uint8Array(4);
  readonly #wordView: DataView = new DataView(this.#word.buffer);

  constructor(host: ModelHost) {
    this.#host = host;
  }

  /** What the entry of a page refers to; `words` then has its words. */
  page(process: ModelProcess, page: number): number {
    const { table } = process.space;
    const flags = table.flagsAt(page);
    switch (flags & KIND) {
      case EMPTY:
        return NOTHING;
      case LOST:
        return GONE;
      case MOVING:
        return ON_ITS_WAY;
      case SWAP:
        this.#slot(table.frameAt(page));
        return FOUND;
      case HOST:
      case EXCLUSIVE:
      case COHERENT:
      case PRIVATE:
        if ((flags & ZERO) !== 0) this.words.fill(0);
        else this.frame(table.frameAt(page));
        return FOUND;
      default:
        throw new Error(`an entry of kind ${flags & KIND}`);
    }
  }

  /** The words of a frame, of host memory or a device's. */
  frame(frame: FrameNumber): void {
    if (isDeviceFrame(frame)) {
      const memory = this.#memory(frame);
      const index = frame - memory.base;
      for (let i = 0; i < WORDS; i++) {
        memory.ops.read(index, WORD_OFFSETS[i] ?? 0, this.#word);
        this.words[i] = this.#wordView.getInt32(0, true);
      }
      return;
    }
    for (let i = 0; i < WORDS; i++) {
      this.#host.ram.read(frame, WORD_OFFSETS[i] ?? 0, this.#word);
      this.words[i] = this.#wordView.getInt32(0, true);
    }
  }

  #slot(slot: number): void {
    for (let i = 0; i < WORDS; i++) {
      this.#host.swap.peek(slot, WORD_OFFSETS[i] ?? 0, this.#word);
      this.words[i] = this.#wordView.getInt32(0, true);
    }
  }

  /** The words of a file's page. */
  filePage(file: ModelFile, page: number): void {
    for (let i = 0; i < WORDS; i++) {
      file.peek(page, WORD_OFFSETS[i] ?? 0, this.#word);
      this.words[i] = this.#wordView.getInt32(0, true);
    }
  }

  #memory(frame: FrameNumber): DeviceMemory {
    const memory = this.#host.core.memories.deviceOf(frame);
    if (memory === null) throw new Error(`frame ${frame} belongs to no memory`);
    return memory;
  }

  /** All bytes of a page as they are, for looking at those that nobody plays with; null when they are nowhere. */
  bytes(process: ModelProcess, page: number): Uint8Array | null {
    const { table } = process.space;
    const flags = table.flagsAt(page);
    const kind = flags & KIND;
    if (kind === EMPTY || kind === LOST || kind === MOVING || (flags & ZERO) !== 0) return null;
    const frame = table.frameAt(page);
    if (kind === SWAP) this.#host.swap.load(frame, this.#bytes);
    else if (isDeviceFrame(frame)) return this.#deviceBytes(frame);
    else this.#host.ram.read(frame, 0, this.#bytes);
    return this.#bytes;
  }

  #deviceBytes(frame: FrameNumber): Uint8Array {
    const memory = this.#memory(frame);
    if (!(memory.ops instanceof TestDevice)) throw new Error("a memory of no test device");
    return memory.ops.bytes(frame - memory.base, 1);
  }
}
