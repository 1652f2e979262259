import { isUtf8 } from "node:buffer";
import type { ErrnoName } from "@hms/topology";
import {
  ARRAY,
  type AttributePlan,
  BOOL,
  BYTES,
  ENUM,
  FLAGS,
  HANDLE,
  NESTED,
  S64,
  type SetPlan,
  STRING,
  STRUCT,
  type StructPlan,
  U32,
  U64,
  type ValuePlan,
  WANTED,
} from "./plan.ts";
import { type Place, pathText } from "./refusal.ts";
import {
  ATTRIBUTE_BYTES,
  HEADER_BYTES,
  IGNORED_WORDS_MAX,
  INDEX_BIT,
  MANDATORY,
  MESSAGE_BYTES_MAX,
  PATH_MAX,
  WRITTEN,
} from "./wire.ts";

/** Why decoding stopped. Thrown within the decoder's users only, without the cost of an Error's stack. */
export class Refusal {
  readonly code: string;
  readonly errno: ErrnoName;
  readonly message: string;
  readonly place: Place | null;

  constructor(code: string, errno: ErrnoName, message: string, place: Place | null) {
    this.code = code;
    this.errno = errno;
    this.message = message;
    this.place = place;
  }
}

/** Whether an object that a handle stands for is there; asked while a request is validated. */
export type HandleCheck = (kind: string, handle: number) => boolean;

const TWO_32 = 0x1_0000_0000;
const SMALLEST_BYTES = 4096;

/**
 * Decodes messages out of a buffer of its own: what the sender changes after it handed a message over is not seen, and
 * no value that it returns shares memory with the buffer.
 *
 * As a service it is strict. As a client it forgives what only a newer service would send: attributes it does not
 * know, structs longer than it knows, elements of an enum that it does not know.
 */
export class Decoder {
  readonly #strict: boolean;
  readonly #handles: HandleCheck | null;
  #bytes: Buffer = Buffer.from(new ArrayBuffer(SMALLEST_BYTES));
  #words: Uint32Array = new Uint32Array(this.#bytes.buffer);
  readonly #path = new Float64Array(PATH_MAX);
  readonly #names: string[] = new Array(PATH_MAX).fill("");
  #depth = 0;
  /** Offset of the attribute that is being read. */
  #offset = 0;
  #ignoredCount = 0;
  readonly #ignored: number[] = [];

  constructor(strict: boolean, handles: HandleCheck | null = null) {
    this.#strict = strict;
    this.#handles = handles;
  }

  /** Room for a message of so many bytes, for the caller to write it to. The message before is gone. */
  room(bytes: number): Uint8Array {
    if (bytes > this.#bytes.length) {
      if (bytes > MESSAGE_BYTES_MAX)
        throw new RangeError(`A message has at most ${MESSAGE_BYTES_MAX} bytes.`);
      const size = Math.min(MESSAGE_BYTES_MAX, 2 ** Math.ceil(Math.log2(bytes)));
      this.#bytes = Buffer.from(new ArrayBuffer(size));
      this.#words = new Uint32Array(this.#bytes.buffer);
    }
    return this.#bytes;
  }

  /** A word of the message's header, by its index. */
  word(index: number): number {
    return this.#words[index] ?? 0;
  }

  /** How many attributes the last message had that were left aside. */
  get ignoredCount(): number {
    return this.#ignoredCount;
  }

  /** Their paths: each its length, then its elements; as many as fit. */
  get ignored(): readonly number[] {
    return this.#ignored;
  }

  /** The attributes of the message that lies in the room, which is so long. Throws Refusal. */
  attributes(set: SetPlan, bytes: number, count: number): Record<string, unknown> {
    this.#depth = 0;
    this.#offset = 0;
    this.#ignoredCount = 0;
    if (this.#ignored.length > 0) this.#ignored.length = 0;
    return this.#set(set, HEADER_BYTES, bytes, count);
  }

  /** Attributes from `at` to `end`; `count` of them, or any number when it is -1. */
  #set(set: SetPlan, start: number, end: number, count: number): Record<string, unknown> {
    const words = this.#words;
    const list = set.attributes;
    const out = set.blank();
    const depth = this.#depth;
    const holder = this.#offset;
    let at = start;
    let next = 0;
    let last = -1;
    let found = 0;
    while (at < end) {
      this.#offset = at;
      if (end - at < ATTRIBUTE_BYTES) this.#cut("the header of an attribute needs 8 bytes", end - at);
      const head = words[at >> 2] ?? 0;
      const bytes = words[(at >> 2) + 1] ?? 0;
      const id = head & 0xffff;
      const flags = head >>> 16;
      this.#path[depth] = id;
      this.#names[depth] = "";
      this.#depth = depth + 1;
      let attribute = list[next];
      while (attribute !== undefined && attribute.id < id) {
        if (attribute.required) this.#missing(attribute, depth, holder);
        attribute = list[++next];
      }
      const known = attribute !== undefined && attribute.id === id;
      if (known) this.#names[depth] = (attribute as AttributePlan).name;
      if (id <= last) this.#disorder(id === last);
      last = id;
      if (flags > WRITTEN || (flags === WRITTEN && this.#strict)) this.#flags(flags);
      const body = at + ATTRIBUTE_BYTES;
      if (bytes > end - body) this.#cut(`${bytes} bytes were promised`, end - body);
      at = body + ((bytes + 7) & ~7);
      if (at > end) this.#cut(`${bytes} bytes need padding to a multiple of 8`, end - body);
      if ((bytes & 7) !== 0) this.#padding(body + bytes, at);
      if (known) {
        next++;
        const { name, type } = attribute as AttributePlan;
        // An output has the name of an input at times.
        if (type === WANTED) this.#wanted(bytes);
        else if (this.#strict || depth > 0 || flags === WRITTEN)
          out[name] = this.#value(attribute as AttributePlan, body, bytes);
      } else if ((flags & MANDATORY) !== 0) this.#notUnderstood();
      else this.#ignore();
      found++;
    }
    this.#depth = depth;
    for (; next < list.length; next++) {
      const attribute = list[next];
      if (attribute?.required === true) this.#missing(attribute, depth, holder);
    }
    if (count >= 0 && found !== count)
      this.#refuse(
        "BAD_MESSAGE",
        "EINVAL",
        `the header says ${count} attributes, but there are ${found}`,
        `${found}`,
      );
    return out;
  }

  #value(plan: ValuePlan, at: number, bytes: number): unknown {
    const words = this.#words;
    switch (plan.type) {
      case U32: {
        if (bytes !== 4) this.#length(plan, bytes, "4");
        const value = words[at >> 2] ?? 0;
        if (value < plan.min || value > plan.max) this.#range(plan, value);
        return value;
      }
      case U64:
      case S64:
        if (bytes !== 8) this.#length(plan, bytes, "8");
        return this.#number(plan, at);
      case HANDLE: {
        if (bytes !== 8) this.#length(plan, bytes, "8");
        const handle = this.#number(plan, at);
        if (this.#handles !== null && !this.#handles(plan.handle, handle)) this.#noObject(plan, handle);
        return handle;
      }
      case ENUM:
        if (bytes !== 4) this.#length(plan, bytes, "4");
        return this.#element(plan, words[at >> 2] ?? 0);
      case FLAGS:
        return this.#bits(plan, at, bytes);
      case BOOL: {
        if (bytes !== 4) this.#length(plan, bytes, "4");
        const value = words[at >> 2] ?? 0;
        if (value > 1) this.#bad(plan, `it is ${value}`);
        return value === 1;
      }
      case STRING:
        return this.#string(plan, at, bytes);
      case BYTES:
        if (bytes < plan.min || bytes > plan.max) this.#length(plan, bytes, `${plan.min} to ${plan.max}`);
        return new Uint8Array(this.#bytes.subarray(at, at + bytes));
      case STRUCT:
        return this.#struct(plan, plan.struct as StructPlan, at, bytes);
      case NESTED:
        return this.#set(plan.set as SetPlan, at, at + bytes, -1);
      case ARRAY:
        return this.#array(plan, plan.item as ValuePlan, at, bytes);
      default:
        throw new Error(`A plan has the unknown type ${plan.type}.`);
    }
  }

  #wanted(bytes: number): void {
    if (bytes === 0) return;
    this.#refuse(
      "BAD_ATTRIBUTE",
      "EINVAL",
      `it has ${bytes} bytes, and is an output`,
      "no bytes: an output in a request only says that it is wanted",
    );
  }

  #number(plan: ValuePlan, at: number): number {
    const words = this.#words;
    const low = words[at >> 2] ?? 0;
    const high = words[(at >> 2) + 1] ?? 0;
    const value = (plan.type === S64 ? high | 0 : high) * TWO_32 + low;
    if (value < plan.min || value > plan.max || !Number.isSafeInteger(value)) this.#range(plan, value);
    return value;
  }

  #element(plan: ValuePlan, value: number): string {
    const name = plan.values?.names[value];
    if (name !== undefined) return name;
    if (this.#strict) this.#unsupported(plan, `it is ${value}`);
    return "unknown";
  }

  #bits(plan: ValuePlan, at: number, bytes: number): number {
    if (bytes !== 8 && bytes !== 4) this.#length(plan, bytes, "4 or 8");
    const value = this.#words[at >> 2] ?? 0;
    const high = bytes === 8 ? (this.#words[(at >> 2) + 1] ?? 0) : 0;
    if (this.#strict && ((value & ~plan.mask) !== 0 || high !== 0))
      this.#bad(
        plan,
        `it has the unknown bits 0x${(high * TWO_32 + ((value & ~plan.mask) >>> 0)).toString(16)}`,
      );
    return value & 0x7fff_ffff;
  }

  #string(plan: ValuePlan, at: number, bytes: number): string {
    if (bytes < plan.min || bytes > plan.max) this.#length(plan, bytes, `${plan.min} to ${plan.max}`);
    const buffer = this.#bytes;
    const end = at + bytes;
    let all = 0;
    let zero = false;
    for (let i = at; i < end; i++) {
      const byte = buffer[i] ?? 0;
      all |= byte;
      if (byte === 0) zero = true;
    }
    if (zero) this.#bad(plan, "it has a byte of zero");
    if (all < 0x80) return buffer.toString("latin1", at, end);
    if (!isUtf8(buffer.subarray(at, end))) this.#bad(plan, "it is not UTF-8");
    return buffer.toString("utf8", at, end);
  }

  #struct(plan: ValuePlan, struct: StructPlan, at: number, bytes: number): Record<string, unknown> {
    const words = this.#words;
    const out = struct.blank();
    if (bytes < struct.minBytes) this.#length(plan, bytes, `${struct.minBytes} or more`);
    if ((bytes & 3) !== 0) this.#length(plan, bytes, "a multiple of 4");
    for (const field of struct.fields) {
      const from = at + field.offset;
      const low = words[from >> 2] ?? 0;
      const wide = field.type === U64 || field.type === S64;
      // A sender that knows less of it means zeros, but none knows half of a field.
      if (field.offset >= bytes) continue;
      if (wide && field.offset + 8 > bytes) this.#length(plan, bytes, "to end with a field");
      if (field.reserved) {
        if (this.#strict && (low !== 0 || (wide && words[(from >> 2) + 1] !== 0)))
          this.#bad(plan, `its field ${field.name} is not zero`);
      } else if (field.values !== null)
        out[field.name] = this.#field(plan, field.values.names[low], field.name, low);
      else out[field.name] = wide ? this.#wide(plan, field.type, from, field.name) : low;
    }
    if (this.#strict) {
      for (let tail = at + struct.bytes; tail < at + bytes; tail += 4)
        if (words[tail >> 2] !== 0)
          this.#unsupported(plan, `it is longer than known and not zero at byte ${tail - at}`);
    }
    return out;
  }

  #field(plan: ValuePlan, name: string | undefined, field: string, value: number): string {
    if (name !== undefined) return name;
    if (this.#strict) this.#unsupported(plan, `its field ${field} is ${value}`);
    return "unknown";
  }

  #wide(plan: ValuePlan, type: number, at: number, field: string): number {
    const words = this.#words;
    const high = words[(at >> 2) + 1] ?? 0;
    const value = (type === S64 ? high | 0 : high) * TWO_32 + (words[at >> 2] ?? 0);
    if (!Number.isSafeInteger(value)) this.#bad(plan, `its field ${field} is not within 2^53`);
    return value;
  }

  /** Count and stride, then items: of that stride, or with stride 0 each with its length before it. */
  #array(plan: ValuePlan, item: ValuePlan, at: number, bytes: number): unknown[] {
    const words = this.#words;
    if (bytes < 8) this.#length(plan, bytes, "8 or more");
    const count = words[at >> 2] ?? 0;
    const stride = words[(at >> 2) + 1] ?? 0;
    if (count > plan.max) this.#bad(plan, `it has ${count} items`);
    const out: unknown[] = [];
    const depth = this.#depth;
    const end = at + bytes;
    const fixed = strideOf(item);
    if (fixed === 0) {
      if (stride !== 0) this.#bad(plan, `its items of varying length have a stride of ${stride}`);
    } else if (stride !== fixed && !(item.type === STRUCT && stride % 8 === 0 && stride > 0))
      this.#bad(plan, `its stride is ${stride} instead of ${fixed}`);
    else if (count * stride !== bytes - 8)
      this.#length(plan, bytes, `${8 + count * stride} for its ${count} items`);
    let from = at + 8;
    for (let i = 0; i < count; i++) {
      this.#path[depth] = INDEX_BIT + i;
      this.#depth = depth + 1;
      let length = stride;
      if (fixed === 0) {
        if (end - from < 8) this.#cut("the length of an item needs 8 bytes", end - from);
        length = words[from >> 2] ?? 0;
        if (words[(from >> 2) + 1] !== 0) this.#bad(plan, "the word after an item's length is not zero");
        from += 8;
        const next = from + ((length + 7) & ~7);
        if (length > end - from || next > end)
          this.#cut(`an item of ${length} bytes was promised`, end - from);
        if ((length & 7) !== 0) this.#padding(from + length, next);
        out.push(this.#value(item, from, length));
        from = next;
      } else {
        out.push(this.#value(item, from, length));
        from += length;
      }
    }
    this.#depth = depth;
    if (from !== end) this.#length(plan, bytes, `${from - at} for its ${count} items`);
    return out;
  }

  #padding(from: number, to: number): void {
    for (let i = from; i < to; i++)
      if (this.#bytes[i] !== 0)
        this.#refuse("BAD_ATTRIBUTE", "EINVAL", "its padding is not zero", "zeros after it");
  }

  #ignore(): void {
    this.#ignoredCount++;
    if (this.#ignored.length + this.#depth + 1 > IGNORED_WORDS_MAX) return;
    this.#ignored.push(this.#depth);
    for (let i = 0; i < this.#depth; i++) this.#ignored.push(this.#path[i] ?? 0);
  }

  #cut(why: string, left: number): never {
    this.#refuse(
      "BAD_MESSAGE",
      "EINVAL",
      `${why}, but ${left} are left`,
      "lengths that fit into the message",
    );
  }

  #disorder(same: boolean): never {
    if (same) this.#refuse("DUPLICATE_ATTRIBUTE", "EINVAL", "it is there twice", "each attribute once");
    this.#refuse(
      "BAD_MESSAGE",
      "EINVAL",
      "it comes after a higher id",
      "attributes in the order of their ids",
    );
  }

  #flags(flags: number): never {
    this.#refuse(
      "BAD_ATTRIBUTE",
      "EINVAL",
      `its flags are 0x${flags.toString(16)}`,
      this.#strict ? "flags of 0 or 1 (mandatory)" : "flags of 0 or 2 (written)",
    );
  }

  #missing(attribute: AttributePlan, depth: number, holder: number): never {
    this.#path[depth] = attribute.id;
    this.#names[depth] = attribute.name;
    this.#depth = depth + 1;
    this.#offset = holder;
    this.#refuse("MISSING_ATTRIBUTE", "EINVAL", "it is missing", attribute.expected);
  }

  #notUnderstood(): never {
    this.#refuse(
      "NOT_UNDERSTOOD",
      "EPROTONOSUPPORT",
      "it is mandatory but not known here",
      "attributes that context.query lists",
    );
  }

  #length(plan: ValuePlan, bytes: number, wanted: string): never {
    this.#bad(plan, `it has ${bytes} bytes instead of ${wanted}`);
  }

  #range(plan: ValuePlan, value: number): never {
    this.#bad(plan, `it is ${value}`);
  }

  #noObject(plan: ValuePlan, handle: number): never {
    this.#refuse("BAD_HANDLE", "ENOENT", `there is no ${plan.handle} ${handle}`, plan.expected);
  }

  #bad(plan: ValuePlan, why: string): never {
    this.#refuse("BAD_ATTRIBUTE", "EINVAL", why, plan.expected);
  }

  #unsupported(plan: ValuePlan, why: string): never {
    this.#refuse("NOT_SUPPORTED", "EOPNOTSUPP", why, plan.expected);
  }

  #refuse(code: string, errno: ErrnoName, why: string, expected: string): never {
    const path = Array.from(this.#path.subarray(0, this.#depth));
    const subject =
      path.length === 0
        ? "the message"
        : `attribute ${pathText(
            path,
            this.#names.map((name) => (name === "" ? undefined : name)),
          )}`;
    const message = `${subject} was refused: ${why}; expected is ${expected}.`;
    throw new Refusal(code, errno, message, { path, offset: this.#offset, expected });
  }
}

/** Bytes from one item of an array to the next; 0 when they vary. */
export function strideOf(item: ValuePlan): number {
  switch (item.type) {
    case U32:
    case ENUM:
      return 4;
    case U64:
    case S64:
    case HANDLE:
      return 8;
    case STRUCT:
      return item.struct?.bytes ?? 0;
    default:
      return 0;
  }
}
