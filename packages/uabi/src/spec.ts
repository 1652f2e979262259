/**
 * What a registry is made of: data, so that the encoder, the decoder, the types, the reference page and the golden
 * file all follow from it. `since` is the revision of the interface that something came with; where it is left out,
 * it came with what it belongs to.
 */
export interface Since {
  readonly since?: number;
  /** One or more sentences for the reference page. */
  readonly doc: string;
}

/** What a number counts. */
export type Unit = "bytes" | "pages" | "ns";

export interface NumberSpec {
  /** u32: 4 bytes. u64, s64: 8 bytes, of which JavaScript takes whole numbers up to 2^53 - 1 in size. */
  readonly type: "u32" | "u64" | "s64";
  readonly min?: number;
  readonly max?: number;
  readonly unit?: Unit;
}

export interface BoolSpec {
  readonly type: "bool";
}

export interface TextSpec {
  /** string: UTF-8 without zero bytes. */
  readonly type: "string" | "bytes";
  readonly minBytes?: number;
  readonly maxBytes: number;
}

export interface HandleSpec {
  readonly type: "handle";
  /** Name of the object that it stands for. */
  readonly of: string;
}

export interface NamedSpec {
  readonly type: "enum" | "flags" | "struct" | "nested";
  /** Name of the type. */
  readonly of: string;
}

/** What an array may hold. */
export type ItemSpec =
  | NumberSpec
  | TextSpec
  | HandleSpec
  | { readonly type: "enum" | "struct" | "nested"; readonly of: string };

export interface ArraySpec {
  readonly type: "array";
  readonly item: ItemSpec;
  readonly maxCount: number;
}

export type TypeSpec = NumberSpec | BoolSpec | TextSpec | HandleSpec | NamedSpec | ArraySpec;

export type AttributeSpec = Since &
  TypeSpec & {
    /** Bits 8 to 15: the namespace, 0 for the core. */
    readonly id: number;
    /** An input that must be there; an output that is always written. */
    readonly required?: true;
    /** An input that a service may leave aside when it does not know it: clients do not mark it mandatory. */
    readonly hint?: true;
  };

export type AttributesSpec = Readonly<Record<string, AttributeSpec>>;

export interface MethodSpec extends Since {
  readonly id: number;
  readonly inputs: AttributesSpec;
  readonly outputs: AttributesSpec;
}

export interface ObjectSpec extends Since {
  readonly id: number;
  readonly methods: Readonly<Record<string, MethodSpec>>;
}

export interface ValueSpec extends Since {
  readonly value: number;
}

/** One of several values, 0 to 255; 4 bytes. */
export interface EnumType extends Since {
  readonly kind: "enum";
  readonly values: Readonly<Record<string, ValueSpec>>;
}

/** Any of several bits, 0 to 30; 4 or 8 bytes. */
export interface FlagsType extends Since {
  readonly kind: "flags";
  readonly values: Readonly<Record<string, ValueSpec>>;
}

export interface FieldSpec extends Since {
  readonly type: "u32" | "u64" | "s64" | "enum";
  /** Name of the enum. */
  readonly of?: string;
  readonly unit?: Unit;
  /** Room that must be zero. */
  readonly reserved?: true;
}

/** Fields that follow each other, each aligned to its size; it grows at its end only. */
export interface StructType extends Since {
  readonly kind: "struct";
  readonly fields: Readonly<Record<string, FieldSpec>>;
}

/** Attributes inside of an attribute. */
export interface NestedType extends Since {
  readonly kind: "nested";
  readonly attributes: AttributesSpec;
}

export type NamedType = EnumType | FlagsType | StructType | NestedType;

export interface Registry {
  /** The newest revision that something in it came with. */
  readonly revision: number;
  /** Who owns which namespace; the core owns 0. */
  readonly namespaces: Readonly<Record<string, number>>;
  readonly types: Readonly<Record<string, NamedType>>;
  readonly objects: Readonly<Record<string, ObjectSpec>>;
}

/** Attributes that a driver adds to a method of the core. */
export interface AddedAttributes {
  readonly inputs?: AttributesSpec;
  readonly outputs?: AttributesSpec;
}

/** What a driver adds, all in its own namespace. */
export interface DriverPart {
  readonly name: string;
  /** 1 to 254. */
  readonly namespace: number;
  readonly types?: Readonly<Record<string, NamedType>>;
  /** Objects of its own. */
  readonly objects?: Readonly<Record<string, ObjectSpec>>;
  /** Methods of its own on objects of the core. */
  readonly methods?: Readonly<Record<string, Readonly<Record<string, MethodSpec>>>>;
  /** Attributes of its own in methods of the core. */
  readonly attributes?: Readonly<Record<string, Readonly<Record<string, AddedAttributes>>>>;
}
