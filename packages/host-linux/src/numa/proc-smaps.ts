import type { ByteCount } from "../sys/units.ts";
import { decimalAt, hexAt, LineReader, past, until } from "./proc-lines.ts";

const SPACE = 0x20;
const COLON = 0x3a;
const DASH = 0x2d;
const LETTER_A = 0x41;
const LETTER_Z = 0x5a;
const KIB = 1024;

/** What is taken of `smaps`, by the kernel's names; all are kB there. */
const FIELDS = [
  "Rss",
  "Pss",
  "Anonymous",
  "Swap",
  "AnonHugePages",
  "ShmemPmdMapped",
  "FilePmdMapped",
  "Shared_Hugetlb",
  "Private_Hugetlb",
] as const;
type Field = (typeof FIELDS)[number];
const FIELD_BYTES: readonly Buffer[] = FIELDS.map((name) => Buffer.from(name));
const PLACE: Readonly<Record<Field, number>> = Object.fromEntries(
  FIELDS.map((name, i) => [name, i]),
) as Record<Field, number>;

/**
 * The mappings of `/proc/PID/smaps`, or the one of `smaps_rollup`, which is the whole process: what is swapped out and
 * what is in huge pages. After `next()` answered true the fields are those of one mapping, until the next call; bytes,
 * and 0 for what the kernel does not say.
 *
 * `smaps` is a kilobyte of text a mapping: `smaps_rollup` first says whether there is anything in it.
 */
export class SmapsReader implements Disposable {
  /** Address in bytes. */
  start = 0;
  readonly #values: Float64Array = new Float64Array(FIELDS.length);
  readonly #lines: LineReader;
  /** Whether the line that the reader stands at is the first of a mapping. */
  #atHead = false;

  constructor(path: string) {
    this.#lines = new LineReader(path);
  }

  /** Goes to the next mapping; false at the end. */
  next(): boolean {
    const lines = this.#lines;
    while (!this.#atHead) {
      if (!lines.next()) return false;
      this.#atHead = isHead(lines);
    }
    this.start = hexAt(lines.bytes, lines.start, lines.end);
    this.#values.fill(0);
    this.#atHead = false;
    while (lines.next()) {
      if (isHead(lines)) {
        this.#atHead = true;
        break;
      }
      this.#parseField();
    }
    return true;
  }

  /** Pages in memory, those in the memory of devices among them; not those of hugetlbfs. */
  get resident(): ByteCount {
    return this.#get("Rss");
  }

  /** The process's share of them: a page that two map counts half. */
  get proportional(): ByteCount {
    return this.#get("Pss");
  }

  /** Of those in memory, anonymous ones. */
  get anonymous(): ByteCount {
    return this.#get("Anonymous");
  }

  get swapped(): ByteCount {
    return this.#get("Swap");
  }

  /** In huge pages that the kernel made by itself, mapped as such (THP). */
  get transparentHuge(): ByteCount {
    return this.#get("AnonHugePages") + this.#get("ShmemPmdMapped") + this.#get("FilePmdMapped");
  }

  get hugetlb(): ByteCount {
    return this.#get("Shared_Hugetlb") + this.#get("Private_Hugetlb");
  }

  close(): void {
    this.#lines.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #get(field: Field): ByteCount {
    return (this.#values[PLACE[field]] as number) * KIB;
  }

  /** `Name:    123 kB`. */
  #parseField(): void {
    const { bytes, start, end } = this.#lines;
    const colon = until(bytes, COLON, start, end);
    for (let i = 0; i < FIELD_BYTES.length; i++) {
      const name = FIELD_BYTES[i] as Buffer;
      if (name.length !== colon - start || bytes[start] !== name[0]) continue;
      if (bytes.compare(name, 0, name.length, start, colon) !== 0) continue;
      this.#values[i] = decimalAt(bytes, past(bytes, SPACE, colon + 1, end), end);
      return;
    }
  }
}

/** Names of fields start with a capital, addresses with a digit or a small letter. */
function isHead({ bytes, start, end }: LineReader): boolean {
  const first = bytes[start] ?? LETTER_A;
  if (start === end || (first >= LETTER_A && first <= LETTER_Z)) return false;
  return until(bytes, DASH, start, end) < end;
}
