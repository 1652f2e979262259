import type { EnumType, FieldSpec, ItemSpec, NamedType, Registry, StructType, TypeSpec } from "./spec.ts";

const UNITS = { bytes: " bytes", pages: " pages", ns: " ns" } as const;
/** What numbers can be without bounds of their own. */
export const RANGES: Readonly<Record<"u32" | "u64" | "s64", readonly [number, number]>> = {
  u32: [0, 0xffff_ffff],
  u64: [0, Number.MAX_SAFE_INTEGER],
  s64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

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
