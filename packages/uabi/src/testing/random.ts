// Random values for the attributes of a registry, and the check that a value is one: written apart from the decoder.
import { namedType } from "../describe.ts";
import type { AttributesSpec, FieldSpec, ItemSpec, Registry, StructType, TypeSpec } from "../spec.ts";

/** Random numbers from a seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number below `limit`, which is at most 2^32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }

  one<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** Whether something happens that does once in so many times. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }
}

type Values = Record<string, unknown>;

const ITEMS_MAX = 5;
const TEXT_MAX = 24;

/** Random inputs or outputs; what is optional is there every other time. */
export function randomValues(registry: Registry, specs: AttributesSpec, random: Random): Values {
  const values: Values = {};
  for (const [name, spec] of Object.entries(specs))
    if (spec.required === true || random.once(2)) values[name] = randomValue(registry, spec, random);
  return values;
}

function randomValue(registry: Registry, spec: TypeSpec | ItemSpec, random: Random): unknown {
  switch (spec.type) {
    case "u32":
    case "u64":
    case "s64":
      return randomNumber(spec.type, spec.min, spec.max, random);
    case "bool":
      return random.once(2);
    case "string":
      return randomText(Math.max(spec.minBytes ?? 0, 0), spec.maxBytes, random);
    case "bytes": {
      const length = Math.max(spec.minBytes ?? 0, random.below(Math.min(spec.maxBytes, 64) + 1));
      return Uint8Array.from({ length }, () => random.below(256));
    }
    case "handle":
      return 1 + random.below(4);
    case "enum":
      return random.one(Object.keys(namedType(registry, spec.of, "enum").values));
    case "flags":
      return Object.values(namedType(registry, spec.of, "flags").values).reduce(
        (all, { value }) => (random.once(2) ? all | value : all),
        0,
      );
    case "struct":
      return randomStruct(registry, namedType(registry, spec.of, "struct"), random);
    case "nested":
      return randomValues(registry, namedType(registry, spec.of, "nested").attributes, random);
    case "array": {
      const length = random.below(Math.min(ITEMS_MAX, spec.maxCount + 1));
      return Array.from({ length }, () => randomValue(registry, spec.item, random));
    }
  }
}

function randomNumber(
  type: "u32" | "u64" | "s64",
  min: number | undefined,
  max: number | undefined,
  random: Random,
): number {
  const [low, high] = range(type, min, max);
  if (random.once(4)) return random.one([low, high]);
  const span = Math.min(high - low, 0xffff_ffff);
  return low + random.below(span) + (random.once(2) ? 0 : Math.floor((high - low - span) * 0.5));
}

function range(
  type: "u32" | "u64" | "s64",
  min: number | undefined,
  max: number | undefined,
): readonly [number, number] {
  const low = min ?? (type === "s64" ? Number.MIN_SAFE_INTEGER : 0);
  return [low, max ?? (type === "u32" ? 0xffff_ffff : Number.MAX_SAFE_INTEGER)];
}

function randomText(min: number, max: number, random: Random): string {
  const letters = random.once(4) ? ["a", "é", "界", "🜚"] : ["a", "b", "/", "0"];
  const length = min + random.below(TEXT_MAX);
  let text = "";
  while (text.length < length) {
    const longer = text + random.one(letters);
    if (Buffer.byteLength(longer) > max) break;
    text = longer;
  }
  return text;
}

function randomStruct(registry: Registry, type: StructType, random: Random): Values {
  const values: Values = {};
  for (const [name, field] of Object.entries(type.fields))
    if (field.reserved !== true) values[name] = randomField(registry, field, random);
  return values;
}

function randomField(registry: Registry, field: FieldSpec, random: Random): unknown {
  if (field.type === "enum")
    return random.one(Object.keys(namedType(registry, field.of ?? "", "enum").values));
  return randomNumber(field.type, undefined, undefined, random);
}

/** What is wrong with values that a decoder let through; nothing when all is right. */
export function faultOf(registry: Registry, specs: AttributesSpec, values: Values): string | null {
  for (const name of Object.keys(values)) if (specs[name] === undefined) return `${name} is there`;
  for (const [name, spec] of Object.entries(specs)) {
    const value = values[name];
    if (value === undefined) {
      if (spec.required === true) return `${name} is missing`;
    } else if (!conforms(registry, spec, value)) return `${name} is ${JSON.stringify(value)}`;
  }
  return null;
}

function conforms(registry: Registry, spec: TypeSpec | ItemSpec, value: unknown): boolean {
  switch (spec.type) {
    case "u32":
    case "u64":
    case "s64": {
      const [low, high] = range(spec.type, spec.min, spec.max);
      return Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high;
    }
    case "bool":
      return typeof value === "boolean";
    case "string": {
      if (typeof value !== "string" || value.includes("\0")) return false;
      const bytes = Buffer.byteLength(value);
      return bytes >= (spec.minBytes ?? 0) && bytes <= spec.maxBytes && value.isWellFormed();
    }
    case "bytes":
      return (
        value instanceof Uint8Array && value.length >= (spec.minBytes ?? 0) && value.length <= spec.maxBytes
      );
    case "handle":
      return Number.isSafeInteger(value) && (value as number) > 0;
    case "enum":
      return Object.hasOwn(namedType(registry, spec.of, "enum").values, String(value));
    case "flags": {
      const all = Object.values(namedType(registry, spec.of, "flags").values).reduce(
        (a, b) => a | b.value,
        0,
      );
      return Number.isInteger(value) && ((value as number) & ~all) === 0;
    }
    case "struct":
      return Object.entries(namedType(registry, spec.of, "struct").fields).every(
        ([name, field]) => field.reserved === true || fieldConforms(registry, field, (value as Values)[name]),
      );
    case "nested":
      return faultOf(registry, namedType(registry, spec.of, "nested").attributes, value as Values) === null;
    case "array":
      return (
        Array.isArray(value) &&
        value.length <= spec.maxCount &&
        value.every((item) => conforms(registry, spec.item, item))
      );
  }
}

function fieldConforms(registry: Registry, field: FieldSpec, value: unknown): boolean {
  if (field.type === "enum") return conforms(registry, { type: "enum", of: field.of ?? "" }, value);
  return conforms(registry, { type: field.type }, value);
}
