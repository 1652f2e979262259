import { HmsError } from "@hms/topology";
import { type ElementName, elementBytes, elementNumber } from "./elements.ts";
import {
  A_LENGTH,
  A_OFFSET,
  A_REGION,
  A_VALUE,
  A_WHAT,
  ACCESS_READ,
  ACCESS_WRITE,
  ARGUMENT_BYTES,
  INDEX_LIMIT,
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

/** What a kernel does with an array. `update`: reads and writes it. */
export type Access = "read" | "write" | "update";

/** An array of a region that the queue reaches. */
export interface ArrayArgument {
  /** The region's id. */
  readonly region: number;
  readonly type: ElementName;
  /** Where it begins in the region, bytes; a multiple of the element's size. Default 0. */
  readonly byteOffset?: number;
  /** Elements. */
  readonly length: number;
  /** What the kernel will do with it: by this the device decides how it gets the pages. Default `update`. */
  readonly access?: Access;
}

/** An argument of a kernel: an array, or a value. */
export type Argument = ArrayArgument | number | bigint;

/** A piece of work for a queue. */
export interface Request {
  /** The kernel's handle (`AccelDriver.kernel`); 0 does nothing. */
  readonly kernel: number;
  /** In the order of the parameters that the handle was made for. */
  readonly args?: readonly Argument[];
  /** The range of indices, first to end − 1; default: as many as the first array has elements. */
  readonly range?: { readonly first: number; readonly end: number };
  /** The kernel wants its range in one call, and cannot be cancelled while it runs. Default false. */
  readonly whole?: boolean;
}

/** What a request was refused for. */
function refuse(what: string): never {
  throw new HmsError("BAD_REQUEST", "EINVAL", `Submitting a request failed: ${what}.`);
}

const TWO_32 = 2 ** 32;
/** Bigints that a submission can say: 64 bits with a sign. */
export const BIGINT_MIN: bigint = -(2n ** 63n);
export const BIGINT_MAX: bigint = 2n ** 63n - 1n;
const scratch = new DataView(new ArrayBuffer(8));
const ACCESS_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, update: ACCESS_READ | ACCESS_WRITE } as const;

/** Writes requests into the slots of a submission ring. */
export class Encoder {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #argumentsMax: number;

  constructor(memory: SharedArrayBuffer, argumentsMax: number) {
    this.#words = new Int32Array(memory);
    this.#floats = new Float64Array(memory, 0, memory.byteLength >>> 3);
    this.#argumentsMax = argumentsMax;
  }

  /** Writes all but the state. Throws EINVAL for what cannot be said in a submission. */
  encode(slotByte: number, id: number, request: Request, now: number): void {
    const words = this.#words;
    const args = request.args ?? [];
    if (args.length > this.#argumentsMax)
      refuse(`it has ${args.length} arguments, and the queue takes ${this.#argumentsMax} at most`);
    const at = slotByte >> 2;
    let length = 0;
    for (let i = args.length - 1; i >= 0; i--) {
      const argument = args[i];
      const word = (slotByte + SUBMISSION_HEADER_BYTES + i * ARGUMENT_BYTES) >> 2;
      if (typeof argument === "object") {
        this.#array(word, i, argument);
        length = argument.length;
      } else this.#value(word, i, argument);
    }
    const first = request.range?.first ?? 0;
    const end = request.range?.end ?? length;
    if (!isIndex(first) || !isIndex(end) || first > end)
      refuse(`its range must be two whole numbers from 0 on in order, not ${first} to ${end}`);
    if (!Number.isInteger(request.kernel) || request.kernel < 0 || request.kernel >= TWO_32)
      refuse(`${request.kernel} is not a kernel's handle`);
    words[at + S_ID] = id;
    words[at + S_KERNEL] = request.kernel;
    words[at + S_ARGUMENTS] = args.length;
    words[at + S_FLAGS] = request.whole === true ? WHOLE_RANGE : 0;
    words[at + S_RESERVED] = 0;
    this.#wide(at + S_FIRST, first);
    this.#wide(at + S_END, end);
    this.#floats[(at + S_TIME) >> 1] = now;
    for (let i = S_RESERVED_TAIL; i < SUBMISSION_HEADER_BYTES / 4; i++) words[at + i] = 0;
  }

  #array(word: number, i: number, argument: ArrayArgument): void {
    const words = this.#words;
    const type = elementNumber(argument.type);
    const { region, length } = argument;
    const offset = argument.byteOffset ?? 0;
    const access = ACCESS_BITS[argument.access ?? "update"] as number | undefined;
    if (type === 0) refuse(`argument ${i} has the unknown element type ${argument.type}`);
    if (access === undefined)
      refuse(`the access of argument ${i} must be read, write or update, not ${argument.access}`);
    if (!Number.isInteger(region) || region < 0 || region >= TWO_32)
      refuse(`argument ${i} names region ${region}, which is no region's id`);
    if (!isIndex(offset) || offset % elementBytes(type) !== 0)
      refuse(
        `argument ${i} must begin at a multiple of ${elementBytes(type)} bytes from 0 on, not at ${offset}`,
      );
    if (!isIndex(length))
      refuse(`the length of argument ${i} must be a whole number from 0 on, not ${length}`);
    words[word + A_WHAT] = KIND_ARRAY | (type << 8) | (access << 16);
    words[word + A_REGION] = region;
    this.#wide(word + A_OFFSET, offset);
    this.#wide(word + A_LENGTH, length);
    this.#wide(word + A_VALUE, 0);
  }

  #value(word: number, i: number, value: number | bigint | undefined): void {
    const words = this.#words;
    if (typeof value === "bigint") {
      if (value < BIGINT_MIN || value > BIGINT_MAX)
        refuse(`argument ${i} must be a bigint from -2^63 to 2^63 - 1, not ${value}`);
      scratch.setBigInt64(0, value, true);
    } else if (typeof value === "number") scratch.setFloat64(0, value, true);
    else refuse(`argument ${i} must be an array of a region, a number or a bigint, not ${typeof value}`);
    words[word + A_WHAT] = typeof value === "bigint" ? KIND_BIGINT : KIND_NUMBER;
    words[word + A_REGION] = 0;
    this.#wide(word + A_OFFSET, 0);
    this.#wide(word + A_LENGTH, 0);
    words[word + A_VALUE] = scratch.getInt32(0, true);
    words[word + A_VALUE + 1] = scratch.getInt32(4, true);
  }

  /** A whole number below 2^53, low word first. */
  #wide(word: number, value: number): void {
    this.#words[word] = value % TWO_32;
    this.#words[word + 1] = Math.floor(value / TWO_32);
  }
}

function isIndex(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < INDEX_LIMIT;
}
