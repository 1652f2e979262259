import { checkRegistry } from "./check-registry.ts";
import { describeType, layoutOf, namedType, RANGES } from "./describe.ts";
import { REFUSAL } from "./refusal.ts";
import type {
  AttributeSpec,
  AttributesSpec,
  ItemSpec,
  MethodSpec,
  NamedType,
  Registry,
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

const NUMBERS = { u32: U32, u64: U64, s64: S64 } as const;

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

const made = new WeakMap<Registry, Plans>();

/** The plans of a registry, which all of its clients and services share. Throws BAD_REGISTRY (EINVAL) for one with faults. */
export function plansOf(registry: Registry): Plans {
  let plans = made.get(registry);
  if (plans === undefined) {
    checkRegistry(registry);
    plans = new Plans(registry);
    made.set(registry, plans);
  }
  return plans;
}

/** Compiles the parts of one registry when they are first needed; each method and each named type once. */
export class Plans {
  readonly #registry: Registry;
  readonly #methods = new Map<MethodSpec, MethodPlan>();
  readonly #structs = new Map<string, StructPlan>();
  readonly #enums = new Map<string, EnumPlan>();
  readonly #nested = new Map<string, SetPlan>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  method(object: string, method: string): MethodPlan {
    const objectSpec = this.#registry.objects[object];
    const spec = objectSpec?.methods[method];
    if (objectSpec === undefined || spec === undefined)
      throw new Error(`The registry has no method ${object}.${method}.`);
    return once(this.#methods, spec, () => this.#method(object, objectSpec.id, method, spec));
  }

  #method(object: string, objectId: number, method: string, spec: MethodSpec): MethodPlan {
    const inputs = this.set(spec.inputs);
    const outputs = this.set(spec.outputs);
    const wanted = outputs.attributes.map(
      ({ id, name }): AttributePlan => ({ ...NONE, id, name, required: false, hint: false }),
    );
    const written = outputs.attributes.map((one) => ({ ...one, required: false }));
    return {
      object,
      objectId,
      method,
      methodId: spec.id,
      inputs,
      outputs,
      request: { attributes: sorted([...inputs.attributes, ...wanted]), blank: inputs.blank },
      answer: setOf([...written, ...protocolAttributes()]),
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

function once<K, T>(known: Map<K, T>, key: K, make: () => T): T {
  const found = known.get(key);
  if (found !== undefined) return found;
  const value = make();
  known.set(key, value);
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
