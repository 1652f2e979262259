/** Input that is no bzip2 data, is damaged, or is cut short. */
export class Bzip2Error extends Error {
  override readonly name = "Bzip2Error";
}

const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;
const TABLES_MAX = 6;
/** Symbols that are coded with one table before the next selector. */
const GROUP_SYMBOLS = 50;
const CODE_BITS_MAX = 20;
const RUN_A = 0;
const RUN_B = 1;
const CHUNK_BYTES = 65_536;

/**
 * Unpacks bzip2 data, several streams one after another too (as parallel compressors write). Yields a block's
 * bytes once its checksum is right, so what was yielded before an error is good. Throws Bzip2Error.
 */
export function* bunzip2(input: Uint8Array): Generator<Uint8Array, void, void> {
  const reader = new BitReader(input);
  let streams = 0;
  while (reader.startsStream()) {
    streams++;
    const level = reader.header();
    yield* unpackStream(reader, level * 100_000);
    reader.toByte();
  }
  if (streams === 0) throw new Bzip2Error("it does not start as bzip2 data does");
}

function* unpackStream(reader: BitReader, blockBytesMax: number): Generator<Uint8Array, void, void> {
  const symbols = new Uint32Array(blockBytesMax);
  let streamCrc = 0;
  for (;;) {
    const magic = [reader.bits(24), reader.bits(24)];
    const crc = ((reader.bits(16) << 16) | reader.bits(16)) >>> 0;
    if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) {
      if (crc !== streamCrc) throw new Bzip2Error("the checksum of the whole does not fit");
      return;
    }
    if (magic[0] !== BLOCK_MAGIC[0] || magic[1] !== BLOCK_MAGIC[1])
      throw new Bzip2Error("a block does not start as it must");
    const block = readBlock(reader, symbols);
    const output = new Output();
    unwind(symbols, block, output);
    if (output.crc !== crc) throw new Bzip2Error("the checksum of a block does not fit");
    streamCrc = (((streamCrc << 1) | (streamCrc >>> 31)) ^ crc) >>> 0;
    yield* output.chunks();
  }
}

interface Block {
  /** Bytes of the block, in the low 8 bits of the symbols. */
  readonly length: number;
  /** Where the block starts in its sorted rotations. */
  readonly origin: number;
  /** How often each byte occurs. */
  readonly counts: Uint32Array;
}

/** Undoes the Huffman coding, the run lengths and move-to-front of one block; the bytes go to `symbols`. */
function readBlock(reader: BitReader, symbols: Uint32Array): Block {
  if (reader.bits(1) === 1) throw new Bzip2Error("it is of an obsolete, randomised form");
  const origin = reader.bits(24);
  const used = readUsedBytes(reader);
  const tableCount = reader.bits(3);
  if (tableCount < 2 || tableCount > TABLES_MAX)
    throw new Bzip2Error("a block has an impossible number of tables");
  const selectors = readSelectors(reader, tableCount);
  const tables = Array.from({ length: tableCount }, () => new CodeTable(reader, used.length + 2));
  const counts = new Uint32Array(256);
  const end = used.length + 1;
  let length = 0;
  let run = 0;
  let runBit = 1;
  let left = 0;
  let group = 0;
  let table: CodeTable | undefined;
  for (;;) {
    if (left === 0) {
      table = tables[selectors[group++] ?? TABLES_MAX];
      left = GROUP_SYMBOLS;
    }
    if (table === undefined) throw new Bzip2Error("a block has more symbols than it says");
    left--;
    const symbol = table.next(reader);
    if (symbol === RUN_A || symbol === RUN_B) {
      run += symbol === RUN_A ? runBit : 2 * runBit;
      runBit *= 2;
      // Checked at each step: a run grows twofold, and one that could never end must not be followed.
      if (run > symbols.length - length) throw new Bzip2Error("a block is longer than it says");
      continue;
    }
    if (run > 0) {
      const byte = used[0] ?? 0;
      symbols.fill(byte, length, length + run);
      counts[byte] = (counts[byte] ?? 0) + run;
      length += run;
      run = 0;
      runBit = 1;
    }
    if (symbol === end) break;
    if (length >= symbols.length) throw new Bzip2Error("a block is longer than it says");
    const byte = toFront(used, symbol - 1);
    counts[byte] = (counts[byte] ?? 0) + 1;
    symbols[length++] = byte;
  }
  if (origin >= length) throw new Bzip2Error("a block starts outside of itself");
  return { length, origin, counts };
}

/** The byte values that occur in a block, ascending. */
function readUsedBytes(reader: BitReader): Uint8Array {
  const used: number[] = [];
  const ranges = reader.bits(16);
  for (let high = 0; high < 16; high++) {
    if (((ranges >>> (15 - high)) & 1) === 0) continue;
    const values = reader.bits(16);
    for (let low = 0; low < 16; low++) if (((values >>> (15 - low)) & 1) === 1) used.push(high * 16 + low);
  }
  if (used.length === 0) throw new Bzip2Error("a block uses no byte at all");
  return Uint8Array.from(used);
}

/** Which table each group of symbols is coded with. */
function readSelectors(reader: BitReader, tableCount: number): Uint8Array {
  const count = reader.bits(15);
  if (count === 0) throw new Bzip2Error("a block has no selectors");
  const order = Uint8Array.from({ length: tableCount }, (_, i) => i);
  const selectors = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    let position = 0;
    while (reader.bits(1) === 1)
      if (++position >= tableCount) throw new Bzip2Error("a selector names no table");
    selectors[i] = toFront(order, position);
  }
  return selectors;
}

/** Takes the value at a position and moves it to the front. */
function toFront(order: Uint8Array, position: number): number {
  const value = order[position] ?? 0;
  order.copyWithin(1, 0, position);
  order[0] = value;
  return value;
}

/** A canonical Huffman code of up to 20 bits. */
class CodeTable {
  /** By code length: the largest code of it, moved up to CODE_BITS_MAX bits; −1 for none. */
  readonly #limits = new Int32Array(CODE_BITS_MAX + 1).fill(-1);
  /** By code length: what to take from a code to get its place in `#symbols`. */
  readonly #bases = new Int32Array(CODE_BITS_MAX + 1);
  readonly #symbols: Uint16Array;

  constructor(reader: BitReader, symbolCount: number) {
    const lengths = new Uint8Array(symbolCount);
    let length = reader.bits(5);
    for (let i = 0; i < symbolCount; i++) {
      for (;;) {
        if (length < 1 || length > CODE_BITS_MAX) throw new Bzip2Error("a code has an impossible length");
        if (reader.bits(1) === 0) break;
        length += reader.bits(1) === 0 ? 1 : -1;
      }
      lengths[i] = length;
    }
    this.#symbols = new Uint16Array(symbolCount);
    let place = 0;
    let code = 0;
    for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
      const first = place;
      this.#bases[bits] = code - place;
      for (let i = 0; i < symbolCount; i++) if (lengths[i] === bits) this.#symbols[place++] = i;
      code += place - first;
      if (place > first) this.#limits[bits] = (code << (CODE_BITS_MAX - bits)) - 1;
      code *= 2;
    }
  }

  next(reader: BitReader): number {
    const ahead = reader.peek(CODE_BITS_MAX);
    for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
      if (ahead > (this.#limits[bits] ?? -1)) continue;
      reader.skip(bits);
      return this.#symbols[(ahead >>> (CODE_BITS_MAX - bits)) - (this.#bases[bits] ?? 0)] ?? 0;
    }
    throw new Bzip2Error("a code is none of its table");
  }
}

/** Undoes the sorting of a block, then its first run-length coding (four equal bytes, then how many more). */
function unwind(symbols: Uint32Array, block: Block, output: Output): void {
  const { length, origin, counts } = block;
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte] ?? 0;
    counts[byte] = sum;
    sum += count;
  }
  for (let i = 0; i < length; i++) {
    const byte = (symbols[i] ?? 0) & 0xff;
    const place = counts[byte] ?? 0;
    counts[byte] = place + 1;
    symbols[place] = (symbols[place] ?? 0) | (i << 8);
  }
  let position = (symbols[origin] ?? 0) >>> 8;
  let previous = -1;
  let equal = 0;
  for (let i = 0; i < length; i++) {
    const entry = symbols[position] ?? 0;
    const byte = entry & 0xff;
    position = entry >>> 8;
    if (equal === 4) {
      output.write(previous, byte);
      equal = 0;
      previous = -1;
      continue;
    }
    equal = byte === previous ? equal + 1 : 1;
    previous = byte;
    output.write(byte, 1);
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});

/** Bytes of a block as they come out, with their checksum. */
class Output {
  readonly #full: Uint8Array[] = [];
  #chunk = new Uint8Array(CHUNK_BYTES);
  #used = 0;
  #crc = -1;

  write(byte: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#crc = (this.#crc << 8) ^ (CRC_TABLE[(this.#crc >>> 24) ^ byte] ?? 0);
      if (this.#used === CHUNK_BYTES) {
        this.#full.push(this.#chunk);
        this.#chunk = new Uint8Array(CHUNK_BYTES);
        this.#used = 0;
      }
      this.#chunk[this.#used++] = byte;
    }
  }

  get crc(): number {
    return ~this.#crc >>> 0;
  }

  *chunks(): Generator<Uint8Array, void, void> {
    yield* this.#full;
    if (this.#used > 0) yield this.#chunk.subarray(0, this.#used);
  }
}

class BitReader {
  readonly #input: Uint8Array;
  #next = 0;
  /** The lowest `#held` bits are read and not yet used. */
  #hold = 0;
  #held = 0;

  constructor(input: Uint8Array) {
    this.#input = input;
  }

  /** Whether another stream starts here (at a byte's edge); what else follows a stream is no part of it. */
  startsStream(): boolean {
    const at = this.#next;
    return this.#input[at] === 0x42 && this.#input[at + 1] === 0x5a && this.#input[at + 2] === 0x68;
  }

  /** Reads a stream's header; returns its level, 1 to 9. */
  header(): number {
    const level = (this.#input[this.#next + 3] ?? 0) - 0x30;
    if (level < 1 || level > 9) throw new Bzip2Error("its block size is impossible");
    this.#next += 4;
    return level;
  }

  /** The next bits, at most 24, used up. */
  bits(count: number): number {
    const value = this.peek(count);
    this.skip(count);
    return value;
  }

  /** The next bits, at most 24, not used up; zeros after the end. */
  peek(count: number): number {
    while (this.#held < count) {
      this.#hold = (this.#hold << 8) | (this.#input[this.#next++] ?? 0);
      this.#held += 8;
    }
    return (this.#hold >>> (this.#held - count)) & ((1 << count) - 1);
  }

  skip(count: number): void {
    this.#held -= count;
    if (this.#next - (this.#held >>> 3) > this.#input.length) throw new Bzip2Error("it is cut short");
  }

  /** Goes on at the next byte's edge, giving back whole bytes that were only looked at. */
  toByte(): void {
    this.#next -= this.#held >>> 3;
    this.#held = 0;
    this.#hold = 0;
  }
}
