import { decimalAt, hexAt, LineReader, past, until } from "./proc-lines.ts";

const SPACE = 0x20;
const DASH = 0x2d;
const COLON = 0x3a;
const LETTER_R = 0x72;
const LETTER_S = 0x73;
const LETTER_W = 0x77;
const LETTER_X = 0x78;

/**
 * The mappings of `/proc/PID/maps`, lowest address first, one at a time. After `next()` answered true the fields are
 * those of one mapping, until the next call.
 */
export class MapsReader implements Disposable {
  /** Addresses in bytes. */
  start = 0;
  end = 0;
  /** Bits: 1 read, 2 write, 4 execute, 8 shared (else what is written is the process's own). */
  rights = 0;
  /** Device of the file's file system and the file's number in it; 0 for what is no file. */
  major = 0;
  minor = 0;
  inode = 0;
  readonly #lines: LineReader;
  #nameStart = 0;

  constructor(path: string) {
    this.#lines = new LineReader(path);
  }

  /** Goes to the next mapping; false at the end. Lines that are none are passed over. */
  next(): boolean {
    while (this.#lines.next()) if (this.#parse()) return true;
    return false;
  }

  /**
   * What the kernel calls it: a path (` (deleted)` behind it when the file is gone, a line feed in it as `\012`),
   * `[heap]`, `[anon:NAME]`, …; empty for anonymous memory without a name.
   */
  name(): string {
    const { bytes, end } = this.#lines;
    if (this.#nameStart >= end) return "";
    return bytes.toString("utf8", this.#nameStart, end);
  }

  close(): void {
    this.#lines.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** `start-end rwxp offset major:minor inode   name`. */
  #parse(): boolean {
    const { bytes, start, end } = this.#lines;
    const dash = until(bytes, DASH, start, end);
    const rights = until(bytes, SPACE, dash, end) + 1;
    if (dash === start || rights + 4 > end) return false;
    this.start = hexAt(bytes, start, dash);
    this.end = hexAt(bytes, dash + 1, rights);
    this.rights =
      (bytes[rights] === LETTER_R ? 1 : 0) |
      (bytes[rights + 1] === LETTER_W ? 2 : 0) |
      (bytes[rights + 2] === LETTER_X ? 4 : 0) |
      (bytes[rights + 3] === LETTER_S ? 8 : 0);
    const device = until(bytes, SPACE, rights + 5, end) + 1;
    const colon = until(bytes, COLON, device, end);
    const inode = until(bytes, SPACE, colon, end) + 1;
    this.major = hexAt(bytes, device, colon);
    this.minor = hexAt(bytes, colon + 1, inode);
    this.inode = decimalAt(bytes, inode, end);
    this.#nameStart = past(bytes, SPACE, until(bytes, SPACE, inode, end), end);
    return this.end > this.start;
  }
}
