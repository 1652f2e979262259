import { MADV_DONTFORK, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "./abi.generated.ts";
import { orThrow } from "./errno.ts";
import { bufferAt, detach, failed, madvise, mmap, munmap } from "./libc.ts";
import { type Address, type ByteCount, PAGE_BYTES } from "./units.ts";

const HIGH = 2 ** 32;

/**
 * Memory for the arguments of system calls: mapped by us and never moved or collected, since the kernel is handed its
 * address. Offsets are bytes; 64-bit fields are written as two halves, so that no bigint is made.
 */
export class Scratch implements Disposable {
  readonly address: Address;
  readonly bytes: ByteCount;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly signed: Int32Array<ArrayBuffer>;
  readonly octets: Uint8Array<ArrayBuffer>;
  #open = true;

  constructor(bytes: ByteCount = PAGE_BYTES) {
    this.bytes = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    const at = mmap(0, this.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const what = `Mapping ${this.bytes} bytes for the arguments of system calls failed`;
    this.address = orThrow(
      at === -1 ? failed() : at,
      "OUT_OF_MEMORY",
      what,
      "free memory or raise its limit",
    );
    madvise(this.address, this.bytes, MADV_DONTFORK);
    const buffer = bufferAt(this.address, this.bytes);
    this.words = new Uint32Array(buffer);
    this.signed = new Int32Array(buffer);
    this.octets = new Uint8Array(buffer);
  }

  /** Writes an unsigned 64-bit field. */
  put(offset: ByteCount, value: number): void {
    const word = offset >>> 2;
    this.words[word] = value;
    this.words[word + 1] = value / HIGH;
  }

  /** Reads an unsigned 64-bit field: exact below 2^53. */
  get(offset: ByteCount): number {
    const word = offset >>> 2;
    return (this.words[word] as number) + (this.words[word + 1] as number) * HIGH;
  }

  /** Reads a signed 64-bit field. */
  getSigned(offset: ByteCount): number {
    const word = offset >>> 2;
    return (this.words[word] as number) + (this.signed[word + 1] as number) * HIGH;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    // Detached, so that a late access finds nothing instead of what was mapped there since.
    detach(this.words.buffer);
    munmap(this.address, this.bytes);
  }
}
