import { HEADER_BYTES, MESSAGE_BYTES_MAX } from "../wire.ts";

/**
 * Messages out of a stream of bytes: each begins with its length. It holds what has come, and never makes room for
 * what was only promised.
 */
export class Frames {
  #parts: Buffer[] = [];
  #bytes = 0;

  /** Adds what has come. */
  push(part: Buffer): void {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  /** A copy of the next whole message; null: it is not there yet. Undefined: what comes can be no message. */
  next(): Uint8Array | null | undefined {
    if (this.#bytes < 4) return null;
    const length = this.#length();
    if (length < HEADER_BYTES || length > MESSAGE_BYTES_MAX || length % 8 !== 0) return undefined;
    if (this.#bytes < length) return null;
    const all = this.#joined();
    this.#bytes -= length;
    const rest = all.subarray(length);
    this.#parts = rest.length === 0 ? [] : [rest];
    return new Uint8Array(all.subarray(0, length));
  }

  #length(): number {
    if ((this.#parts[0]?.length ?? 0) < 4) this.#joined();
    return this.#parts[0]?.readUInt32LE(0) ?? 0;
  }

  #joined(): Buffer {
    const all = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [all];
    return all;
  }
}
