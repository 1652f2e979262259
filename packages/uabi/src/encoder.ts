import { HmsError } from "@hms/topology";
import { strideOf } from "./decoder.ts";
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
import { ATTRIBUTE_BYTES, HEADER_BYTES, MANDATORY, MESSAGE_BYTES_MAX, padded, WRITTEN } from "./wire.ts";

const TWO_32 = 0x1_0000_0000;
const SMALLEST_BYTES = 4096;

type Values = Readonly<Record<string, unknown>>;

/** Encodes messages into a buffer of its own: what it returns holds until it encodes the next one. */
export class Encoder {
  #bytes: Buffer = Buffer.from(new ArrayBuffer(SMALLEST_BYTES));
  #words: Uint32Array = new Uint32Array(this.#bytes.buffer);
  #at = 0;
  #count = 0;

  /** Begins a message; the request's id in two words, as it came. */
  begin(object: number, method: number, kind: number, idLow: number, idHigh: number): void {
    const words = this.#words;
    words[1] = object | (method << 16);
    words[2] = idLow;
    words[3] = idHigh;
    words[4] = kind << 16;
    words[5] = 0;
    this.#at = HEADER_BYTES;
    this.#count = 0;
  }

  /** Ends the message, and gives it: a plain view, since `slice` of a Buffer makes no copy. */
  end(): Uint8Array {
    this.#words[0] = this.#at;
    this.#words[4] = ((this.#words[4] ?? 0) & 0xffff_0000) | this.#count;
    return new Uint8Array(this.#bytes.buffer, 0, this.#at);
  }

  /**
   * Inputs of a request, of which what is no hint is marked as mandatory, and the outputs that the sender cannot live
   * without. Throws HmsError.
   */
  request(set: SetPlan, values: Values, needed: readonly string[]): void {
    for (const attribute of set.attributes) {
      if (attribute.type === WANTED) {
        if (needed.length === 0 || !needed.includes(attribute.name)) continue;
        this.#header(attribute.id, MANDATORY);
        this.#count++;
      } else this.#attribute(attribute, values, attribute.hint ? 0 : MANDATORY, true);
    }
  }

  /** The outputs of an answer that the service wrote, and headers alone of those that it did not. Throws HmsError. */
  outputs(set: SetPlan, values: Values): void {
    for (const attribute of set.attributes) {
      if (values[attribute.name] === undefined && !attribute.required) {
        this.#header(attribute.id, 0);
        this.#count++;
      } else this.#attribute(attribute, values, WRITTEN, true);
    }
  }

  /** What of a set there is; what it lacks is left out. Throws HmsError. */
  some(attributes: readonly AttributePlan[], values: Values): void {
    for (const attribute of attributes) this.#attribute(attribute, values, WRITTEN, true);
  }

  #header(id: number, flags: number): number {
    const at = this.#at;
    this.#need(ATTRIBUTE_BYTES);
    this.#words[at >> 2] = id | (flags << 16);
    this.#words[(at >> 2) + 1] = 0;
    this.#at = at + ATTRIBUTE_BYTES;
    return at;
  }

  #attribute(attribute: AttributePlan, values: Values, flags: number, counted: boolean): void {
    const value = values[attribute.name];
    if (value === undefined) {
      if (attribute.required) wrong(attribute, "it is missing");
      return;
    }
    const head = this.#header(attribute.id, flags);
    const from = this.#at;
    this.#value(attribute, attribute.name, value, flags & MANDATORY);
    this.#close(head + 4, from);
    if (counted) this.#count++;
  }

  /** Writes the length of what has been written since `from`, and its padding. */
  #close(lengthAt: number, from: number): void {
    const bytes = this.#at - from;
    this.#words[lengthAt >> 2] = bytes;
    const rest = padded(bytes) - bytes;
    if (rest > 0) {
      this.#need(rest);
      this.#bytes.fill(0, this.#at, this.#at + rest);
      this.#at += rest;
    }
  }

  #value(plan: ValuePlan, name: string, value: unknown, mandatory: number): void {
    switch (plan.type) {
      case U32:
        this.#u32(number(plan, name, value));
        break;
      case U64:
      case S64:
      case HANDLE:
        this.#u64(number(plan, name, value));
        break;
      case ENUM:
        this.#u32(element(plan, name, value));
        break;
      case FLAGS: {
        const bits = Number.isInteger(value) ? (value as number) : -1;
        if (bits < 0 || bits > 0x7fff_ffff) wrong(plan, `it is ${String(value)}`, name);
        this.#u64(bits);
        break;
      }
      case BOOL:
        if (typeof value !== "boolean") wrong(plan, `it is ${String(value)}`, name);
        this.#u32(value ? 1 : 0);
        break;
      case STRING:
        this.#string(plan, name, value);
        break;
      case BYTES: {
        if (!(value instanceof Uint8Array)) wrong(plan, "it is no Uint8Array", name);
        sized(plan, name, value.length);
        this.#need(value.length);
        this.#bytes.set(value, this.#at);
        this.#at += value.length;
        break;
      }
      case STRUCT:
        this.#struct(plan, plan.struct as StructPlan, name, value as Values);
        break;
      case NESTED:
        for (const inner of (plan.set as SetPlan).attributes)
          this.#attribute(inner, value as Values, inner.hint ? 0 : mandatory, false);
        break;
      case ARRAY:
        this.#array(plan, plan.item as ValuePlan, name, value, mandatory);
        break;
      default:
        throw new Error(`A plan has the unknown type ${plan.type}.`);
    }
  }

  #u32(value: number): void {
    this.#need(4);
    this.#words[this.#at >> 2] = value;
    this.#at += 4;
  }

  #u64(value: number): void {
    this.#need(8);
    this.#words[this.#at >> 2] = value;
    this.#words[(this.#at >> 2) + 1] = Math.floor(value / TWO_32);
    this.#at += 8;
  }

  #string(plan: ValuePlan, name: string, value: unknown): void {
    if (typeof value !== "string") wrong(plan, "it is no string", name);
    if (value.includes("\0") || !value.isWellFormed())
      wrong(plan, "it has a zero or half a character in it", name);
    const bytes = Buffer.byteLength(value);
    sized(plan, name, bytes);
    this.#need(bytes);
    this.#bytes.write(value, this.#at, "utf8");
    this.#at += bytes;
  }

  #struct(plan: ValuePlan, struct: StructPlan, name: string, value: Values): void {
    this.#need(struct.bytes);
    const start = this.#at;
    const words = this.#words;
    for (const field of struct.fields) {
      const at = (start + field.offset) >> 2;
      if (field.reserved) {
        words[at] = 0;
        if (field.type !== U32) words[at + 1] = 0;
      } else if (field.values !== null) {
        const found = field.values.values.get(value[field.name] as string);
        if (found === undefined) wrong(plan, `its field ${field.name} is ${String(value[field.name])}`, name);
        words[at] = found;
      } else {
        const given = value[field.name];
        const wide = field.type !== U32;
        const low = field.type === S64 ? Number.MIN_SAFE_INTEGER : 0;
        const high = wide ? Number.MAX_SAFE_INTEGER : 0xffff_ffff;
        if (!Number.isInteger(given) || (given as number) < low || (given as number) > high)
          wrong(plan, `its field ${field.name} is ${String(given)}`, name);
        words[at] = given as number;
        if (wide) words[at + 1] = Math.floor((given as number) / TWO_32);
      }
    }
    this.#at = start + struct.bytes;
  }

  #array(plan: ValuePlan, item: ValuePlan, name: string, value: unknown, mandatory: number): void {
    if (!Array.isArray(value)) wrong(plan, "it is no array", name);
    if (value.length > plan.max) wrong(plan, `it has ${value.length} items`, name);
    const stride = strideOf(item);
    this.#u32(value.length);
    this.#u32(stride);
    for (const one of value) {
      if (stride !== 0) this.#value(item, name, one, mandatory);
      else {
        const lengthAt = this.#at;
        this.#u64(0);
        const from = this.#at;
        this.#value(item, name, one, mandatory);
        this.#close(lengthAt, from);
      }
    }
  }

  #need(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    if (needed > MESSAGE_BYTES_MAX) {
      throw new HmsError(
        "MESSAGE_TOO_LARGE",
        "EFBIG",
        `Encoding a message failed: it may have at most ${MESSAGE_BYTES_MAX} bytes. Split what it carries, or ask for less.`,
      );
    }
    const grown = Buffer.from(
      new ArrayBuffer(Math.min(MESSAGE_BYTES_MAX, 2 ** Math.ceil(Math.log2(needed)))),
    );
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#words = new Uint32Array(grown.buffer);
  }
}

function number(plan: ValuePlan, name: string, value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < plan.min || (value as number) > plan.max)
    wrong(plan, `it is ${String(value)}`, name);
  return value as number;
}

function element(plan: ValuePlan, name: string, value: unknown): number {
  const found = plan.values?.values.get(value as string);
  if (found === undefined) wrong(plan, `it is ${String(value)}`, name);
  return found;
}

function sized(plan: ValuePlan, name: string, bytes: number): void {
  if (bytes < plan.min || bytes > plan.max) wrong(plan, `it has ${bytes} bytes`, name);
}

function wrong(plan: ValuePlan, why: string, name: string = (plan as AttributePlan).name): never {
  throw new HmsError("BAD_VALUE", "EINVAL", `Encoding ${name} failed: ${why}; expected is ${plan.expected}.`);
}
