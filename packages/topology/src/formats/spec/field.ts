import { HmsError } from "../../model/error.ts";
import { IndexSet } from "../../model/index-set.ts";
import { NAME_MAX, PROSE_MAX } from "./limits.ts";
import { offer } from "./suggest.ts";
import type { MapValue, Position, Value } from "./value.ts";

/** How a spec is called in errors, and whether its text has lines worth naming. */
export interface SpecOrigin {
  readonly name: string;
  readonly form: "yaml" | "short";
}

/** Which of the `count` objects of an entry is being made. */
export interface Instance {
  readonly index: number;
  readonly count: number;
}

/** The error of everything that is wrong with a spec's text: one sentence that names the place. */
export function specError(origin: SpecOrigin, path: string, at: Position, problem: string): HmsError {
  const place = origin.form === "yaml" ? `line ${at.line}, column ${at.column}` : `column ${at.column}`;
  const where = path === "" ? place : `${path} (${place})`;
  const end = /[.?]$/.test(problem) ? "" : ".";
  return new HmsError("SPEC_INVALID", "EINVAL", `Read spec ${origin.name}: ${where}: ${problem}${end}`);
}

const SHOWN_MAX = 40;

/** A value as an error shows it. */
export function shown(text: string): string {
  return text === ""
    ? "nothing"
    : JSON.stringify(text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);
}

/** `<i>`, `<i+8>`, `<i/4>`, `<i%4>`: the number of the instance, or whole-number arithmetic on it. */
const PLACEHOLDER = /<i(?:([-+*/%])(\d{1,6}))?>/g;

function fill(text: string, index: number): string | null {
  let wrong = false;
  const filled = text.replace(PLACEHOLDER, (_, operator: string | undefined, digits: string | undefined) => {
    const value = arithmetic(index, operator, Number(digits));
    if (value === null) wrong = true;
    return String(value);
  });
  return wrong ? null : filled;
}

function arithmetic(index: number, operator: string | undefined, operand: number): number | null {
  switch (operator) {
    case undefined:
      return index;
    case "+":
      return index + operand;
    case "-":
      return index >= operand ? index - operand : null;
    case "*":
      return index * operand;
    case "/":
      return operand === 0 ? null : Math.floor(index / operand);
    default:
      return operand === 0 ? null : index % operand;
  }
}

/** A value of a spec with the place that it stands at: everything is read through one of these. */
export class Field {
  readonly value: Value;
  readonly path: string;
  readonly origin: SpecOrigin;
  readonly instance: Instance | null;

  constructor(value: Value, path: string, origin: SpecOrigin, instance: Instance | null = null) {
    this.value = value;
    this.path = path;
    this.origin = origin;
    this.instance = instance;
  }

  /** Ends the reading: `problem` is the end of a sentence. */
  fail(problem: string, at: Position = this.value.at): never {
    throw specError(this.origin, this.path, at, problem);
  }

  /** The same field, for one of several objects made of it. */
  withInstance(instance: Instance): Field {
    return new Field(this.value, this.path, this.origin, instance);
  }

  /** What it is, for errors. */
  describe(): string {
    return this.value.kind === "scalar" ? shown(this.value.text) : `a ${this.value.kind}`;
  }

  /** The text of a scalar, placeholders filled in. */
  raw(expected: string): string {
    if (this.value.kind !== "scalar") return this.fail(`expected ${expected}, but got ${this.describe()}`);
    const { text } = this.value;
    if (this.instance === null || !text.includes("<i")) return text;
    const filled = fill(text, this.instance.index);
    if (filled === null) return this.fail(`${shown(text)} has no value for instance ${this.instance.index}`);
    return filled;
  }

  /** Text of one line or several. */
  prose(): string {
    const text = this.raw("text");
    if (text.trim() === "") this.fail("expected text, but got nothing");
    if (text.length > PROSE_MAX)
      this.fail(`expected at most ${PROSE_MAX} characters, but got ${text.length}`);
    return text;
  }

  /** A name: short, on one line. */
  name(): string {
    const text = this.raw("a name");
    if (text === "" || text.length > NAME_MAX || /\p{Cc}/u.test(text)) {
      this.fail(`expected a name of 1 to ${NAME_MAX} characters on one line, but got ${shown(text)}`);
    }
    return text;
  }

  choice<T extends string>(names: readonly T[]): T {
    const text = this.raw(`one of ${names.join(", ")}`);
    const found = names.find((name) => name === text);
    return found ?? this.fail(`expected one of ${names.join(", ")}, but got ${shown(text)}`);
  }

  flag(): boolean {
    const text = this.raw("true or false");
    if (text === "true" || text === "yes") return true;
    if (text === "false" || text === "no") return false;
    return this.fail(`expected true or false, but got ${shown(text)}`);
  }

  integer(bounds: { readonly min: number; readonly max: number }): number {
    const expected = `a whole number from ${bounds.min} to ${bounds.max}`;
    const text = this.raw(expected);
    const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= bounds.min && number <= bounds.max))
      this.fail(`expected ${expected}, but got ${shown(text)}`);
    return number;
  }

  indexes(): IndexSet {
    const text = this.raw("a list such as 0-3,8");
    const set = text.trim() === "none" ? IndexSet.EMPTY : IndexSet.tryParseList(text);
    if (set === undefined || (set.isEmpty && text.trim() !== "none")) {
      return this.fail(
        `expected a list of numbers up to ${IndexSet.INDEX_MAX} such as 0-3,8 (or none), but got ${shown(text)}`,
      );
    }
    return set;
  }

  list(): Field[] {
    if (this.value.kind !== "list") return this.fail(`expected a list, but got ${this.describe()}`);
    return this.value.items.map(
      (item, i) => new Field(item, `${this.path}[${i}]`, this.origin, this.instance),
    );
  }

  /** A list, or one item that stands for a list of one. */
  oneOrMore(): Field[] {
    return this.value.kind === "list" ? this.list() : [this];
  }

  /** A mapping with these fields only. */
  fields(names: readonly string[]): Fields {
    const { value } = this;
    if (value.kind !== "map") {
      return this.fail(
        `expected a mapping (of ${names.slice(0, 4).join(", ")}, …), but got ${this.describe()}`,
      );
    }
    for (const [key, { keyAt }] of value.entries) {
      if (!names.includes(key)) this.fail(`there is no field ${shown(key)} here${offer(key, names)}`, keyAt);
    }
    return new Fields(this, value);
  }

  /** A mapping with any names, such as `sources`. */
  entries(): [name: string, field: Field][] {
    const { value } = this;
    if (value.kind !== "map") return this.fail(`expected a mapping, but got ${this.describe()}`);
    return [...value.entries].map(([name, entry]) => {
      if (name === "" || name.length > NAME_MAX) {
        this.fail(`expected a name of 1 to ${NAME_MAX} characters, but got ${shown(name)}`, entry.keyAt);
      }
      return [name, this.#inside(name, entry.value)];
    });
  }

  #inside(name: string, value: Value): Field {
    return new Field(value, this.path === "" ? name : `${this.path}.${name}`, this.origin, this.instance);
  }

  /** The field of a mapping, whatever else it has; undefined when it is not there. */
  peek(name: string): Field | undefined {
    const entry = this.value.kind === "map" ? this.value.entries.get(name) : undefined;
    return entry === undefined ? undefined : this.#inside(name, entry.value);
  }
}

/** The fields of a mapping that has been checked for unknown ones. */
export class Fields {
  readonly place: Field;
  readonly #map: MapValue;

  constructor(place: Field, map: MapValue) {
    this.place = place;
    this.#map = map;
  }

  has(name: string): boolean {
    return this.#map.entries.has(name);
  }

  get(name: string): Field | undefined {
    return this.place.peek(name);
  }

  require(name: string, meaning: string): Field {
    return this.get(name) ?? this.place.fail(`${name} is missing: ${meaning}`);
  }

  /** Ends the reading when two fields contradict each other. */
  exclude(a: string, b: string): void {
    if (this.has(a) && this.has(b)) this.get(b)?.fail(`${b} cannot stand beside ${a}; leave one out`);
  }
}
