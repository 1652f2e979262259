/// <reference lib="es2025.float16" />
/** A typed array, as kernels get them. */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float16Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray;
}

/** Element types by their number in a submission; the numbers stay. */
const TYPES: readonly (TypedArrayConstructor | null)[] = [
  null,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  Float16Array,
];

/** Names of the element types, by the same numbers. */
export const ELEMENT_NAMES = [
  "",
  "int8",
  "uint8",
  "uint8-clamped",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "float32",
  "float64",
  "int64",
  "uint64",
  "float16",
] as const;
export type ElementName = Exclude<(typeof ELEMENT_NAMES)[number], "">;

/** The number of an element type; 0 for a name that is none. */
export function elementNumber(name: ElementName): number {
  return Math.max(0, ELEMENT_NAMES.indexOf(name));
}

/** Bytes of an element; 0 for a number that is no type. */
export function elementBytes(number: number): number {
  return TYPES[number]?.BYTES_PER_ELEMENT ?? 0;
}

/** A view of memory; the type, alignment and bounds have been checked. */
export function makeArray(
  number: number,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): TypedArray {
  const type = TYPES[number];
  if (type === null || type === undefined) throw new Error(`element type ${number} has not been checked`);
  return new type(buffer, byteOffset, length);
}
