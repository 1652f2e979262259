/**
 * Shapes of JSON values, each tied to the TypeScript type that it describes: the writer takes the order of fields
 * from them, the reader checks by them, and the published schema is made of them, so the three cannot drift apart.
 * Data only, without any library: the writer is part of the start of a command.
 */
import { IndexSet } from "../../model/index-set.ts";

/** What a value looks like. */
export type Kind =
  | { readonly is: "string" }
  | {
      readonly is: "number";
      readonly integer: boolean;
      readonly min: number | null;
      readonly above: number | null;
      readonly max: number | null;
    }
  | { readonly is: "boolean" }
  | { readonly is: "one-of"; readonly values: readonly (string | number)[] }
  /** A set of indexes, as its list form. */
  | { readonly is: "indexes" }
  | { readonly is: "nullable"; readonly of: Shape<never> }
  /** A field that may be missing. */
  | { readonly is: "optional"; readonly of: Shape<never> }
  | { readonly is: "list"; readonly of: Shape<never>; readonly length: number | null }
  /** Names and texts. */
  | { readonly is: "texts" }
  | { readonly is: "object"; readonly name: string; readonly entries: Readonly<Record<string, Shape<never>>> }
  | { readonly is: "same-as"; readonly name: string; readonly of: () => Shape<never> };

/** A shape of values of type T. */
export interface Shape<T> {
  readonly kind: Kind;
  /** Units and meaning, for people. */
  readonly note?: string;
  /** Never there; it makes the compiler hold the shape to T, neither wider nor narrower. */
  readonly exactly?: (value: T) => T;
}

function shape<T>(kind: Kind, note?: string): Shape<T> {
  return note === undefined ? { kind } : { kind, note };
}

/** Forgets the type, for shapes inside of shapes. */
function inner<T>(of: Shape<T>): Shape<never> {
  return of as unknown as Shape<never>;
}

export const string: Shape<string> = shape({ is: "string" });
export const boolean: Shape<boolean> = shape({ is: "boolean" });
export const number: Shape<number> = shape({
  is: "number",
  integer: false,
  min: null,
  above: null,
  max: null,
});
export const positive: Shape<number> = shape({
  is: "number",
  integer: false,
  min: null,
  above: 0,
  max: null,
});
export const integer: Shape<number> = shape({
  is: "number",
  integer: true,
  min: null,
  above: null,
  max: null,
});
/** A whole number from 0. */
export const count: Shape<number> = shape({ is: "number", integer: true, min: 0, above: null, max: null });
/** The kernel's number of a CPU or a node: what a set of them can hold. */
export const index: Shape<number> = shape({
  is: "number",
  integer: true,
  min: 0,
  above: null,
  max: IndexSet.INDEX_MAX,
});
export const indexes: Shape<IndexSet> = shape(
  { is: "indexes" },
  "A set of numbers in the kernel's list form, such as 0-3,8; empty text for none.",
);
export const texts: Shape<Readonly<Record<string, string>>> = shape({ is: "texts" });

export function oneOf<const T extends string | number>(values: readonly T[]): Shape<T> {
  return shape({ is: "one-of", values });
}

export function nullable<T>(of: Shape<T>): Shape<T | null> {
  return shape({ is: "nullable", of: inner(of) });
}

export function optional<T>(of: Shape<T>): Shape<T | undefined> {
  return shape({ is: "optional", of: inner(of) });
}

export function list<T>(of: Shape<T>): Shape<readonly T[]> {
  return shape({ is: "list", of: inner(of), length: null });
}

export function pair<T>(of: Shape<T>): Shape<readonly [T, T]> {
  return shape({ is: "list", of: inner(of), length: 2 });
}

/** A shape that is described elsewhere, such as one that holds itself. */
export function sameAs<T>(name: string, of: () => Shape<T>): Shape<T> {
  return shape({ is: "same-as", name, of: () => inner(of()) });
}

/** An object with exactly the fields of T, written in this order. */
export function object<T>(
  name: string,
  entries: { readonly [K in keyof T]-?: Shape<T[K]> },
  note?: string,
): Shape<T> {
  return shape(
    { is: "object", name, entries: entries as unknown as Readonly<Record<string, Shape<never>>> },
    note,
  );
}

/** The same shape with words for people. */
export function noted<T>(of: Shape<T>, note: string): Shape<T> {
  return { ...of, note };
}
