import { REFUSAL } from "./refusal.ts";
import type {
  AttributeSpec,
  AttributesSpec,
  EnumType,
  FieldSpec,
  ItemSpec,
  MethodSpec,
  NamedType,
  Registry,
  StructType,
  TypeSpec,
} from "./spec.ts";

// A registry compiled to what the encoder and the decoder walk along: tables in the order of the ids, no look-ups by name.

/** How a value lies in a message. */
export const U32 = 0;
export const U64 = 1;
export const S64 = 2;
export const BOOL = 3;
export const STRING = 4;
export const BYTES = 5;
export const HANDLE = 6;
export const ENUM = 7;
export const FLAGS = 8;
export const STRUCT = 9;
export const NESTED = 10;
export const ARRAY = 11;
/** An output named in a request: the sender wants it, and may be unable to live without it. */
export const WANTED = 12;

export interface FieldPlan {
  readonly name: string;
  readonly type: typeof U32 | typeof U64 | typeof S64 | typeof ENUM;
  readonly offset: number;
  readonly reserved: boolean;
  readonly values: EnumPlan | null;
}

export interface StructPlan {
  readonly name: string;
  readonly bytes: number;
  /** Its size when it first came: no sender can know less of it. */
  readonly minBytes: number;
  readonly fields: readonly FieldPlan[];
  readonly blank: () => Record<string, unknown>;
}

export interface EnumPlan {
  readonly name: string;
  /** Names by value. */
  readonly names: readonly (string | undefined)[];
  readonly values: ReadonlyMap<string, number>;
}

export interface ValuePlan {
  readonly type: number;
  readonly min: number;
  readonly max: number;
  readonly handle: string;
  readonly values: EnumPlan | null;
  readonly mask: number;
  readonly struct: StructPlan | null;
  readonly set: SetPlan | null;
  readonly item: ValuePlan | null;
  /** What may stand here, in words. */
  readonly expected: string;
}

export interface AttributePlan extends ValuePlan {
  readonly id: number;
  readonly name: string;
  readonly required: boolean;
  readonly hint: boolean;
}

/** Attributes that may stand beside each other, in the order of their ids. */
export interface SetPlan {
  readonly attributes: readonly AttributePlan[];
  /** A new object with every name, so that all have one shape. */
  readonly blank: () => Record<string, unknown>;
}

export interface MethodPlan {
  readonly object: string;
  readonly objectId: number;
  readonly method: string;
  readonly methodId: number;
  readonly inputs: SetPlan;
  readonly outputs: SetPlan;
  /** What a request may hold: the inputs, and outputs that are asked for. */
  readonly request: SetPlan;
  /** What an answer or a failure may hold: the outputs, and what the protocol says. */
  readonly answer: SetPlan;
}

const UNITS = { bytes: " bytes", pages: " pages", ns: " ns" } as const;
const NUMBERS = { u32: U32, u64: U64, s64: S64 } as const;
const RANGES = {
  u32: [0, 0xffff_ffff],
  u64: [0, Number.MAX_SAFE_INTEGER],
  s64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} as const;

const NONE: ValuePlan = {
  type: WANTED,
  min: 0,
  max: 0,
  handle: "",
  values: null,
  mask: 0,
  struct: null,
  set: null,
  item: null,
  expected: "",
};

const EMPTY: Registry = { revision: 1, namespaces: { core: 0 }, types: {}, objects: {} };

/** Compiles the parts of one registry; each named type once. */
export class Plans {
  readonly #registry: Registry;
  readonly #structs = new Map<string, StructPlan>();
  readonly #enums = new Map<string, EnumPlan>();
  readonly #nested = new Map<string, SetPlan>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  method(object: string, objectId: number, method: string, spec: MethodSpec): MethodPlan {
    const inputs = this.set(spec.inputs);
    const outputs = this.set(spec.outputs);
    const wanted = outputs.attributes.map(
      ({ id, name }): AttributePlan => ({ ...NONE, id, name, required: false, hint: false }),
    );
    return {
      object,
      objectId,
      method,
      methodId: spec.id,
      inputs,
      outputs,
      request: { attributes: sorted([...inputs.attributes, ...wanted]), blank: inputs.blank },
      answer: setOf([
        ...outputs.attributes.map((one) => ({ ...one, required: false })),
        ...protocolAttributes(),
      ]),
    };
  }

  set(specs: AttributesSpec): SetPlan {
    return setOf(Object.entries(specs).map(([name, spec]) => this.#attribute(name, spec)));
  }

  #attribute(name: string, spec: AttributeSpec): AttributePlan {
    return {
      ...this.#value(spec),
      id: spec.id,
      name,
      required: spec.required === true,
      hint: spec.hint === true,
    };
  }

  #value(spec: TypeSpec | ItemSpec): ValuePlan {
    const expected = describeType(this.#registry, spec);
    switch (spec.type) {
      case "u32":
      case "u64":
      case "s64": {
        const [low, high] = RANGES[spec.type];
        const min = spec.min ?? low;
        return { ...NONE, type: NUMBERS[spec.type], min, max: spec.max ?? high, expected };
      }
      case "bool":
        return { ...NONE, type: BOOL, expected };
      case "string":
      case "bytes": {
        const type = spec.type === "string" ? STRING : BYTES;
        return { ...NONE, type, min: spec.minBytes ?? 0, max: spec.maxBytes, expected };
      }
      case "handle":
        return { ...NONE, type: HANDLE, min: 1, max: Number.MAX_SAFE_INTEGER, handle: spec.of, expected };
      case "enum":
        return { ...NONE, type: ENUM, values: this.#enum(spec.of), expected };
      case "flags": {
        const mask = Object.values(this.#type(spec.of, "flags").values).reduce(
          (all, { value }) => all | value,
          0,
        );
        return { ...NONE, type: FLAGS, mask, expected };
      }
      case "struct":
        return { ...NONE, type: STRUCT, struct: this.#struct(spec.of), expected };
      case "nested":
        return { ...NONE, type: NESTED, set: this.#nestedSet(spec.of), expected };
      case "array":
        return { ...NONE, type: ARRAY, max: spec.maxCount, item: this.#value(spec.item), expected };
    }
  }

  #type<K extends NamedType["kind"]>(name: string, kind: K): Extract<NamedType, { kind: K }> {
    return namedType(this.#registry, name, kind);
  }

  #enum(name: string): EnumPlan {
    return once(this.#enums, name, () => {
      const names: (string | undefined)[] = [];
      const values = new Map<string, number>();
      for (const [key, { value }] of Object.entries(this.#type(name, "enum").values)) {
        names[value] = key;
        values.set(key, value);
      }
      // Without holes, a look-up never leaves the fast path.
      return { name, names: Array.from(names), values };
    });
  }

  #struct(name: string): StructPlan {
    return once(this.#structs, name, () => {
      const type = this.#type(name, "struct");
      const layout = layoutOf(type);
      const fields = Object.entries(type.fields).map(
        ([key, field], i): FieldPlan => ({
          name: key,
          type: field.type === "enum" ? ENUM : NUMBERS[field.type],
          offset: layout.offsets[i] ?? 0,
          reserved: field.reserved === true,
          values: field.type === "enum" ? this.#enum(field.of ?? "") : null,
        }),
      );
      const shown = fields.filter((field) => !field.reserved);
      const blank = blankOf(
        shown.map((field) => [field.name, field.values === null ? 0 : (field.values.names[0] ?? "unknown")]),
      );
      return { name, bytes: layout.bytes, minBytes: layout.minBytes, fields, blank };
    });
  }

  #nestedSet(name: string): SetPlan {
    return once(this.#nested, name, () => this.set(this.#type(name, "nested").attributes));
  }
}

/** What the protocol itself puts into answers and failures. */
export function protocolAttributes(): readonly AttributePlan[] {
  protocol ??= new Plans(EMPTY).set(REFUSAL).attributes;
  return protocol;
}
let protocol: readonly AttributePlan[] | undefined;

function once<T>(made: Map<string, T>, name: string, make: () => T): T {
  const found = made.get(name);
  if (found !== undefined) return found;
  const value = make();
  made.set(name, value);
  return value;
}

function sorted(attributes: readonly AttributePlan[]): readonly AttributePlan[] {
  return [...attributes].sort((a, b) => a.id - b.id);
}

function setOf(attributes: readonly AttributePlan[]): SetPlan {
  return { attributes: sorted(attributes), blank: blankOf(attributes.map(({ name }) => [name, undefined])) };
}

function blankOf(entries: readonly (readonly [string, unknown])[]): () => Record<string, unknown> {
  const template: Record<string, unknown> = Object.fromEntries(entries);
  return () => ({ ...template });
}

/** A named type of a registry that must be of a kind: the check of registries has seen to that. */
export function namedType<K extends NamedType["kind"]>(
  registry: Registry,
  name: string,
  kind: K,
): Extract<NamedType, { kind: K }> {
  const type = registry.types[name];
  if (type?.kind !== kind) throw new Error(`The registry has no ${kind} ${name}.`);
  return type as Extract<NamedType, { kind: K }>;
}

export interface Layout {
  readonly offsets: readonly number[];
  readonly bytes: number;
  /** Bytes of the fields that came with the struct itself. */
  readonly minBytes: number;
}

/** Where the fields of a struct lie: each after the one before, aligned to its size. */
export function layoutOf(type: StructType): Layout {
  const offsets: number[] = [];
  let bytes = 0;
  let minBytes = 0;
  for (const field of Object.values(type.fields)) {
    const size = fieldBytes(field);
    bytes = Math.ceil(bytes / size) * size;
    offsets.push(bytes);
    bytes += size;
    if ((field.since ?? type.since) === type.since) minBytes = bytes;
  }
  return { offsets, bytes, minBytes };
}

export function fieldBytes(field: FieldSpec): number {
  return field.type === "u32" || field.type === "enum" ? 4 : 8;
}

/** A type with its bounds, as text: what people and failures read. */
export function describeType(registry: Registry, spec: TypeSpec | ItemSpec): string {
  switch (spec.type) {
    case "u32":
    case "u64":
    case "s64": {
      const [low, high] = RANGES[spec.type];
      const unit = spec.unit === undefined ? "" : UNITS[spec.unit];
      if (spec.min === undefined && spec.max === undefined) return `${spec.type}${unit}`;
      return `${spec.type}${unit}, ${spec.min ?? low} to ${spec.max ?? (high === 0xffff_ffff ? "2^32-1" : "2^53-1")}`;
    }
    case "bool":
      return "bool";
    case "string":
    case "bytes":
      return `${spec.type}, ${spec.minBytes ?? 0} to ${spec.maxBytes} bytes`;
    case "handle":
      return `handle of ${article(spec.of)}`;
    case "enum": {
      const type: EnumType = namedType(registry, spec.of, "enum");
      const names = Object.keys(type.values);
      return `enum ${spec.of}${names.length <= 8 ? ` (${names.join(", ")})` : ""}`;
    }
    case "flags":
      return `flags ${spec.of} (${Object.keys(namedType(registry, spec.of, "flags").values).join(", ")})`;
    case "struct":
      return `struct ${spec.of}`;
    case "nested":
      return `nested ${spec.of}`;
    case "array":
      return `array of at most ${spec.maxCount}: ${describeType(registry, spec.item)}`;
  }
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
}
