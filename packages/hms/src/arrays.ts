import type { ElementName, TypedArray } from "@hms/driver-accel";
import { HmsError } from "@hms/topology";

/** A constructor of typed arrays: `Float32Array`, `BigInt64Array`, … */
export interface ArrayType<T extends TypedArray = TypedArray> {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): T;
}

const NAMES: Readonly<Record<string, ElementName>> = {
  Int8Array: "int8",
  Uint8Array: "uint8",
  Uint8ClampedArray: "uint8-clamped",
  Int16Array: "int16",
  Uint16Array: "uint16",
  Int32Array: "int32",
  Uint32Array: "uint32",
  Float16Array: "float16",
  Float32Array: "float32",
  Float64Array: "float64",
  BigInt64Array: "int64",
  BigUint64Array: "uint64",
};

/** How devices call the element type. Throws BAD_TYPE (EINVAL) for what is no typed array's constructor. */
export function elementName(type: ArrayType): ElementName {
  // By name: a Buffer is a Uint8Array too, but not one to make views with.
  const name = typeof type === "function" ? NAMES[type.name] : undefined;
  if (name !== undefined) return name;
  throw new HmsError(
    "BAD_TYPE",
    "EINVAL",
    `Expected is a constructor of typed arrays such as Float32Array, not ${typeof type === "function" ? type.name : typeof type}.`,
  );
}

/** The constructor of typed arrays with that name. */
export function arrayType(name: string): ArrayType {
  const type = (globalThis as Readonly<Record<string, unknown>>)[name];
  elementName(type as ArrayType);
  return type as ArrayType;
}
