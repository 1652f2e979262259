import { EFAULT, EINVAL, EOVERFLOW, EPERM, WHY } from "./code.ts";
import { ELEMENT_NAMES, elementBytes, makeArray, type TypedArray } from "./elements.ts";
import { Failure } from "./engine-failure.ts";
import {
  A_LENGTH,
  A_OFFSET,
  A_REGION,
  A_VALUE,
  A_WHAT,
  ACCESS_READ,
  ACCESS_WRITE,
  ARGUMENT_BYTES,
  ARGUMENTS_LIMIT,
  KIND_ARRAY,
  KIND_BIGINT,
  KIND_NUMBER,
  S_ARGUMENTS,
  S_END,
  S_FIRST,
  S_FLAGS,
  S_ID,
  S_KERNEL,
  S_RESERVED,
  S_RESERVED_TAIL,
  S_TIME,
  SUBMISSION_HEADER_BYTES,
  WHOLE_RANGE,
} from "./layout.ts";

/** A region as a queue reaches it. */
export interface RegionView {
  readonly region: number;
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly bytes: number;
  /** What may be done with it. */
  readonly access: number;
}

const TWO_32 = 2 ** 32;
const HIGH_LIMIT = 2 ** 21;

function bad(code: number, what: string): never {
  throw new Failure(code, WHY.badRequest, what);
}

/**
 * A whole number as the engine keeps whole numbers. What is read from a Float64Array is a double to it, and a kernel
 * that counts with doubles takes two to three times as long as one that counts with integers.
 */
function plain(value: number): number {
  const whole = value | 0;
  return whole === value && (whole !== 0 || 1 / value > 0) ? whole : value;
}

/**
 * A submission, copied out of the ring before it is looked at: its client can write to the ring while the device reads.
 * Every word is read once.
 */
export class Submission {
  readonly #words: Int32Array;
  readonly #copy: Int32Array = new Int32Array(
    (SUBMISSION_HEADER_BYTES + ARGUMENTS_LIMIT * ARGUMENT_BYTES) / 4,
  );
  readonly #floats: Float64Array = new Float64Array(this.#copy.buffer);
  readonly #argumentsMax: number;
  id = 0;
  kernel = 0;
  count = 0;
  whole = false;
  first = 0;
  end = 0;
  submittedAt = 0;

  constructor(memory: SharedArrayBuffer, argumentsMax: number) {
    this.#words = new Int32Array(memory);
    this.#argumentsMax = argumentsMax;
  }

  /** The request in a slot; throws a `Failure` for one that makes no sense. */
  read(slotByte: number): void {
    const copy = this.#copy;
    const from = slotByte >> 2;
    const headerWords = SUBMISSION_HEADER_BYTES / 4;
    for (let i = 0; i < headerWords; i++) copy[i] = this.#words[from + i] ?? 0;
    this.id = (copy[S_ID] ?? 0) >>> 0;
    this.submittedAt = this.#floats[S_TIME >> 1] ?? 0;
    this.count = (copy[S_ARGUMENTS] ?? 0) >>> 0;
    if (this.count > this.#argumentsMax)
      bad(EINVAL, `it has ${this.count} arguments, and the queue takes ${this.#argumentsMax} at most`);
    const words = headerWords + (this.count * ARGUMENT_BYTES) / 4;
    for (let i = headerWords; i < words; i++) copy[i] = this.#words[from + i] ?? 0;
    this.kernel = (copy[S_KERNEL] ?? 0) >>> 0;
    const flags = copy[S_FLAGS] ?? 0;
    if ((flags & ~WHOLE_RANGE) !== 0)
      bad(EINVAL, `its flags 0x${(flags >>> 0).toString(16)} have unknown bits`);
    this.whole = (flags & WHOLE_RANGE) !== 0;
    let reserved = copy[S_RESERVED] ?? 0;
    for (let i = S_RESERVED_TAIL; i < headerWords; i++) reserved |= copy[i] ?? 0;
    if (reserved !== 0) bad(EINVAL, "its reserved words must be 0");
    this.first = this.#wide(S_FIRST, "the beginning of its range");
    this.end = this.#wide(S_END, "the end of its range");
    if (this.first > this.end) bad(EINVAL, `its range ends (${this.end}) before it begins (${this.first})`);
  }

  #wide(at: number, what: string): number {
    const high = (this.#copy[at + 1] ?? 0) >>> 0;
    if (high >= HIGH_LIMIT) bad(EOVERFLOW, `${what} must be below 2^53`);
    return high * TWO_32 + ((this.#copy[at] ?? 0) >>> 0);
  }

  #at(i: number): number {
    return (SUBMISSION_HEADER_BYTES + i * ARGUMENT_BYTES) >> 2;
  }

  /** The kind of argument `i`. */
  kind(i: number): number {
    return (this.#copy[this.#at(i) + A_WHAT] ?? 0) & 0xff;
  }

  /** The region that argument `i`, an array, names. */
  region(i: number): number {
    return (this.#copy[this.#at(i) + A_REGION] ?? 0) >>> 0;
  }

  /** What is to be done with argument `i`, an array. */
  access(i: number): number {
    return ((this.#copy[this.#at(i) + A_WHAT] ?? 0) >>> 16) & 0xff;
  }

  /** The value of argument `i`, which is none of a region. */
  value(i: number): number | bigint {
    const at = this.#at(i);
    const what = this.#copy[at + A_WHAT] ?? 0;
    this.#expectZero(i, at + A_REGION, at + A_VALUE);
    if (what === KIND_NUMBER) return plain(this.#floats[(at + A_VALUE) >> 1] ?? 0);
    if (what !== KIND_BIGINT)
      bad(EINVAL, `argument ${i} is of the unknown kind 0x${(what >>> 0).toString(16)}`);
    return (BigInt(this.#copy[at + A_VALUE + 1] ?? 0) << 32n) | BigInt((this.#copy[at + A_VALUE] ?? 0) >>> 0);
  }

  #expectZero(i: number, from: number, to: number): void {
    for (let at = from; at < to; at++)
      if (this.#copy[at] !== 0) bad(EINVAL, `the reserved words of argument ${i} must be 0`);
  }

  /** Checks argument `i`, an array, against what the queue may reach of its region; returns its first byte there. */
  locate(i: number, view: RegionView | undefined): number {
    const at = this.#at(i);
    const what = this.#copy[at + A_WHAT] ?? 0;
    const type = (what >>> 8) & 0xff;
    const size = elementBytes(type);
    if (what >>> 24 !== 0) bad(EINVAL, `the reserved byte of argument ${i} must be 0`);
    if (size === 0) bad(EINVAL, `argument ${i} has the unknown element type ${type}`);
    this.#expectZero(i, at + A_VALUE, at + A_VALUE + 2);
    const access = (what >>> 16) & 0xff;
    if (access === 0 || (access & ~(ACCESS_READ | ACCESS_WRITE)) !== 0)
      bad(EINVAL, `the access ${access} of argument ${i} is none`);
    if (view === undefined)
      bad(EFAULT, `argument ${i} names region ${this.region(i)}, which the queue does not reach`);
    if ((access & ~view.access) !== 0)
      bad(EPERM, `argument ${i} is to be written, and the queue may only read region ${view.region}`);
    const offset = this.#wide(at + A_OFFSET, `the offset of argument ${i}`);
    const length = this.#wide(at + A_LENGTH, `the length of argument ${i}`);
    if (offset % size !== 0) bad(EINVAL, `argument ${i} (${ELEMENT_NAMES[type]}) begins at byte ${offset}`);
    if (offset > view.bytes || length > (view.bytes - offset) / size)
      bad(
        EFAULT,
        `argument ${i} reaches to byte ${offset + length * size} of region ${view.region}, which has ${view.bytes}`,
      );
    return view.byteOffset + offset;
  }

  /** The array of argument `i`, which has been located. */
  array(i: number, view: RegionView, byte: number): TypedArray {
    const at = this.#at(i);
    const type = ((this.#copy[at + A_WHAT] ?? 0) >>> 8) & 0xff;
    return makeArray(type, view.buffer, byte, this.#wide(at + A_LENGTH, "its length"));
  }

  isArray(i: number): boolean {
    return this.kind(i) === KIND_ARRAY;
  }
}
