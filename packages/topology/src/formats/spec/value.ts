/** A spec as text: what YAML and the short form both are before anything is made of it. */

/** Where something stands in the text; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** All scalars are text here: what a number or a flag is, the field that it stands in decides. */
export interface ScalarValue {
  readonly kind: "scalar";
  readonly text: string;
  readonly at: Position;
}

export interface ListValue {
  readonly kind: "list";
  readonly items: readonly Value[];
  readonly at: Position;
}

export interface MapEntry {
  readonly keyAt: Position;
  readonly value: Value;
}

export interface MapValue {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
  readonly at: Position;
}

export type Value = ScalarValue | ListValue | MapValue;
