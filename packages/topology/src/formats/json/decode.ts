import { HmsError } from "../../model/error.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Kind, Shape } from "./shape.ts";

/** Objects inside each other, at most: the deepest of a machine are a fraction of it. */
const DEPTH_MAX = 32;
/** Bytes of all sets of indexes together, at most; equal ones are one set. */
const INDEX_SET_BYTES_MAX: number = 256 * 2 ** 20;
const SHOWN_MAX = 40;

/** The error of JSON that is not as it has to be: one sentence that names the place. */
export function jsonError(name: string, path: string, problem: string): HmsError {
  const where = path === "" ? "" : `${path}: `;
  return new HmsError("JSON_INVALID", "EINVAL", `Read JSON ${name}: ${where}${problem}.`);
}

/** A value as an error shows it. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Checks values against shapes and makes frozen copies of them, without what the shapes do not name. */
export class Decoder {
  readonly #name: string;
  readonly #sets = new Map<string, IndexSet>();
  #setBytes = 0;

  constructor(name: string) {
    this.#name = name;
  }

  decode<T>(value: unknown, shape: Shape<T>, path: string): T {
    return this.#value(value, shape.kind, path, 0) as T;
  }

  #fail(path: string, expected: string, value: unknown): never {
    throw jsonError(this.#name, path, `expected ${expected}, but got ${shown(value)}`);
  }

  #value(value: unknown, kind: Kind, path: string, depth: number): unknown {
    if (depth > DEPTH_MAX) this.#fail(path, `at most ${DEPTH_MAX} levels`, "more");
    switch (kind.is) {
      case "string":
        return typeof value === "string" ? value : this.#fail(path, "text", value);
      case "boolean":
        return typeof value === "boolean" ? value : this.#fail(path, "true or false", value);
      case "number":
        return this.#number(value, kind, path);
      case "one-of":
        if (kind.values.some((known) => known === value)) return value;
        return this.#fail(
          path,
          `${kind.values.length === 1 ? "" : "one of "}${kind.values.join(", ")}`,
          value,
        );
      case "indexes":
        return this.#indexes(value, path);
      case "nullable":
        return value === null ? null : this.#value(value, kind.of.kind, path, depth);
      case "optional":
        return value === undefined ? undefined : this.#value(value, kind.of.kind, path, depth);
      case "same-as":
        return this.#value(value, kind.of().kind, path, depth);
      case "list":
        return this.#list(value, kind, path, depth);
      case "texts":
        return this.#texts(value, path);
      case "object":
        return this.#object(value, kind.entries, path, depth);
    }
  }

  #number(value: unknown, kind: Extract<Kind, { is: "number" }>, path: string): number {
    const { integer, min, above, max } = kind;
    const right =
      typeof value === "number" &&
      (integer ? Number.isInteger(value) : Number.isFinite(value)) &&
      (min === null || value >= min) &&
      (above === null || value > above) &&
      (max === null || value <= max);
    if (right) return value;
    const what = integer ? "a whole number" : "a number";
    const least = min !== null ? ` from ${min}` : above !== null ? ` greater than ${above}` : "";
    const bound = max === null ? least : `${least} to ${max}`;
    return this.#fail(path, `${what}${bound}`, value);
  }

  #indexes(value: unknown, path: string): IndexSet {
    if (typeof value !== "string") return this.#fail(path, 'a list of numbers such as "0-3,8"', value);
    const known = this.#sets.get(value);
    if (known !== undefined) return known;
    const set = IndexSet.tryParseList(value);
    if (set === undefined) return this.#fail(path, 'a list of numbers such as "0-3,8"', value);
    this.#setBytes += Math.max(0, set.last) / 8;
    if (this.#setBytes > INDEX_SET_BYTES_MAX) {
      throw jsonError(
        this.#name,
        path,
        `expected sets of at most ${INDEX_SET_BYTES_MAX} bytes, but there are more`,
      );
    }
    this.#sets.set(value, set);
    return set;
  }

  #list(
    value: unknown,
    kind: Extract<Kind, { is: "list" }>,
    path: string,
    depth: number,
  ): readonly unknown[] {
    if (!Array.isArray(value)) return this.#fail(path, "a list", value);
    if (kind.length !== null && value.length !== kind.length) {
      throw jsonError(this.#name, path, `expected ${kind.length} items, but got ${value.length}`);
    }
    const item = kind.of.kind;
    return Object.freeze(value.map((inner, i) => this.#value(inner, item, `${path}[${i}]`, depth + 1)));
  }

  #texts(value: unknown, path: string): Readonly<Record<string, string>> {
    if (!isRecord(value)) return this.#fail(path, "an object", value);
    for (const [name, text] of Object.entries(value)) {
      if (typeof text !== "string") this.#fail(`${path}.${name.slice(0, SHOWN_MAX)}`, "text", text);
    }
    return Object.freeze(Object.fromEntries(Object.entries(value))) as Readonly<Record<string, string>>;
  }

  #object(
    value: unknown,
    entries: Readonly<Record<string, Shape<never>>>,
    path: string,
    depth: number,
  ): object {
    if (!isRecord(value)) return this.#fail(path, "an object", value);
    const made: Record<string, unknown> = {};
    for (const [name, entry] of Object.entries(entries)) {
      const inside = path === "" ? name : `${path}.${name}`;
      // What an object inherits is not in the document.
      const given = Object.hasOwn(value, name) ? value[name] : undefined;
      const inner = this.#value(given, entry.kind, inside, depth + 1);
      if (inner !== undefined) made[name] = inner;
    }
    return Object.freeze(made);
  }
}
