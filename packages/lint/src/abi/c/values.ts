import type { Architecture } from "./architecture.ts";
import type { EnumDeclaration, RecordDeclaration, TypedefDeclaration, TypeRef } from "./declarations.ts";
import { ExpansionFault, expand, type Macro } from "./expand.ts";
import { evaluate, type Integer, type Meaning, NoValue, wrapped } from "./expression.ts";
import {
  baseExtent,
  type Extent,
  layoutOf,
  libraryExtent,
  type Nature,
  NoLayout,
  type RecordLayout,
  type Surroundings,
} from "./layout.ts";
import type { Placed, Scope } from "./scope.ts";
import { type Token, textOf, tokenize } from "./tokens.ts";

/** An ioctl number, taken apart. */
export interface IoctlNumber {
  readonly direction: number;
  readonly type: number;
  readonly number: number;
  readonly bytes: number;
  /** The type whose size is in the number, as written; null if a number is. */
  readonly argument: string | null;
}

/** Names that a header uses without including what declares them, as its users must have done. */
export interface Elsewhere {
  macro(name: string): Macro | undefined;
  record(name: string): Placed<RecordDeclaration> | undefined;
  typedef(name: string): Placed<TypedefDeclaration> | undefined;
  enumeration(name: string): Placed<EnumDeclaration> | undefined;
  enumerator(name: string): { readonly of: Placed<EnumDeclaration>; readonly index: number } | undefined;
}

const NATURE: Nature = { kind: "other", signed: false, order: null, count: null };
/** Typedefs of typedefs. */
const DEPTH_MAX = 64;

/** Numbers and layouts as they are for who includes one header, on one machine. */
export class Values implements Surroundings, Meaning {
  readonly architecture: Architecture;
  readonly #scope: Scope;
  readonly #elsewhere: Elsewhere;
  readonly #layouts: Map<RecordDeclaration, RecordLayout | NoLayout>;
  readonly #enums: Map<EnumDeclaration, readonly (Integer | string)[]>;
  readonly #inWork = new Set<unknown>();
  #ioctl: IoctlNumber | null = null;
  #depth = 0;

  /** The caches may be shared by headers that see the same declarations. */
  constructor(
    scope: Scope,
    elsewhere: Elsewhere,
    architecture: Architecture,
    caches: {
      readonly layouts: Map<RecordDeclaration, RecordLayout | NoLayout>;
      readonly enums: Map<EnumDeclaration, readonly (Integer | string)[]>;
    },
  ) {
    this.#scope = scope;
    this.#elsewhere = elsewhere;
    this.architecture = architecture;
    this.#layouts = caches.layouts;
    this.#enums = caches.enums;
  }

  get longBits(): 32 | 64 {
    return this.architecture.longBits;
  }

  /** The layout of a struct or union. Throws NoLayout. */
  layout(record: RecordDeclaration): RecordLayout {
    const known = this.#layouts.get(record);
    if (known instanceof NoLayout) throw known;
    if (known !== undefined) return known;
    try {
      const layout = this.#once(record, () => layoutOf(record, this));
      this.#layouts.set(record, layout);
      return layout;
    } catch (error) {
      const why =
        error instanceof NoLayout
          ? error
          : error instanceof NoValue || error instanceof ExpansionFault
            ? new NoLayout(error.message)
            : undefined;
      if (why === undefined) throw error;
      this.#layouts.set(record, why);
      throw why;
    }
  }

  /** The values of an enum; texts say why there is none. */
  enumerators(one: EnumDeclaration): readonly (Integer | string)[] {
    const known = this.#enums.get(one);
    if (known !== undefined) return known;
    const values: (Integer | string)[] = [];
    let next: Integer | string = wrapped(0n, 32, true);
    // Later enumerators may name earlier ones.
    this.#enums.set(one, values);
    for (const { value } of one.enumerators) {
      const current: Integer | string = value === null ? next : this.#tried(value);
      values.push(typeof current === "string" ? current : fitted(current.value));
      next = typeof current === "string" ? current : fitted(current.value + 1n);
    }
    return values;
  }

  #tried(text: string): Integer | string {
    try {
      return this.integer(text);
    } catch (error) {
      if (error instanceof NoValue || error instanceof ExpansionFault) return error.message;
      throw error;
    }
  }

  /** The value of an expression as it is written. Throws NoValue. */
  integer(text: string): Integer {
    return this.value(tokenize(text).lines.flatMap((line) => line.tokens)).value;
  }

  /** The value of tokens, and the ioctl number that it is, if it is one. Throws NoValue or ExpansionFault. */
  value(tokens: readonly Token[]): { readonly value: Integer; readonly ioctl: IoctlNumber | null } {
    const outer = this.#ioctl;
    this.#ioctl = null;
    try {
      const value = evaluate(this.expanded(tokens), this);
      return { value, ioctl: this.#ioctl };
    } catch (error) {
      if (error instanceof NoLayout) throw new NoValue(error.message);
      throw error;
    } finally {
      this.#ioctl = outer;
    }
  }

  expanded(tokens: readonly Token[]): readonly Token[] {
    return expand(tokens, (name) => this.#macro(name));
  }

  #macro(name: string): Macro | undefined {
    // Taken apart by call().
    if (name === "_IOC") return undefined;
    const own = this.#scope.macros.get(name);
    if (own !== undefined) return own;
    if (this.#scope.enumerators.has(name) || this.#scope.typedefs.has(name)) return undefined;
    const other = this.#elsewhere.macro(name);
    return other !== undefined && (other.parameters !== null || other.body.length > 0) ? other : undefined;
  }

  valueOf(name: string): Integer | undefined {
    const found = this.#scope.enumerators.get(name) ?? this.#elsewhere.enumerator(name);
    if (found === undefined) return undefined;
    const value = this.enumerators(found.of.one)[found.index];
    if (typeof value === "string") throw new NoValue(value);
    return value;
  }

  call(name: string, values: readonly (readonly Token[])[]): Integer | undefined {
    if (name !== "_IOC" || values.length !== 4) return undefined;
    const number = (tokens: readonly Token[]): number => Number(evaluate(tokens, this).value);
    const [direction = 0, type = 0, nr = 0, bytes = 0] = values.map(number);
    const shift = (which: string, otherwise: number): bigint => {
      const macro = this.#macro(`_IOC_${which}SHIFT`);
      return macro === undefined ? BigInt(otherwise) : evaluate(this.expanded(macro.body), this).value;
    };
    this.#ioctl = { direction, type, number: nr, bytes, argument: argumentOf(values[3] ?? []) };
    const value =
      (BigInt(direction) << shift("DIR", 30)) |
      (BigInt(type) << shift("TYPE", 8)) |
      (BigInt(nr) << shift("NR", 0)) |
      (BigInt(bytes) << shift("SIZE", 16));
    return wrapped(value, 32, false);
  }

  isType(name: string): boolean {
    if (this.#scope.enumerators.has(name)) return false;
    return (
      this.#scope.typedefs.has(name) ||
      this.#elsewhere.typedef(name) !== undefined ||
      (/_t$/.test(name) && baseExtent(name, this.architecture) !== null)
    );
  }

  alignOf(type: readonly Token[]): number | undefined {
    const words = type.filter((one) => one.kind === "name").map((one) => one.text);
    if (type.some((one) => one.text === "*")) return this.longBits / 8;
    // By itself a long long is aligned to its size also where it is not inside of a struct.
    const { bytes, align } = this.extentOf(typeOfWords(words));
    return words[0] === "struct" || words[0] === "union" || bytes !== 8 ? align : 8;
  }

  isSigned(type: readonly Token[]): boolean | null {
    const words = type.filter((one) => one.kind === "name" && !/^(const|volatile)$/.test(one.text));
    const { kind, signed } = this.natureOf(typeOfWords(words.map((one) => one.text)));
    return kind === "integer" ? signed : null;
  }

  sizeOf(type: readonly Token[]): number | undefined {
    if (type.length === 1 && type[0]?.kind === "string") return bytesOfText(type[0].text);
    const words: string[] = [];
    let times = 1;
    for (let index = 0; index < type.length; index++) {
      const token = type[index] as Token;
      if (token.text === "[") {
        const end = type.findIndex((one, at) => at > index && one.text === "]");
        if (end < 0) return undefined;
        times *= end === index + 1 ? 0 : Number(evaluate(type.slice(index + 1, end), this).value);
        index = end;
      } else if (token.text === "*") return (times * this.longBits) / 8;
      else if (token.kind === "name") {
        if (token.text !== "const" && token.text !== "volatile") words.push(token.text);
      } else return undefined;
    }
    try {
      return times * this.extentOf(typeOfWords(words)).bytes;
    } catch (error) {
      if (error instanceof NoLayout) throw new NoValue(error.message);
      throw error;
    }
  }

  extentOf(type: TypeRef): Extent {
    const pointer = this.longBits / 8;
    switch (type.kind) {
      case "pointer":
        return { bytes: pointer, align: pointer };
      case "function":
        // A function type stands for a pointer to one in every place that has a layout.
        return { bytes: pointer, align: pointer };
      case "array": {
        const of = this.extentOf(type.of);
        const count = type.count === null ? 0 : this.numberOf(type.count);
        return { ...of, bytes: of.bytes * count };
      }
      case "record":
        return this.layout(type.record);
      case "enum":
        return this.#enumExtent(type.enumeration);
      case "base": {
        const extent = baseExtent(type.name, this.architecture);
        if (extent === null) throw new NoLayout(`the size of ${type.name} is not known`);
        return extent;
      }
      case "tagged":
        return this.#taggedExtent(type.of, type.tag);
      case "named":
        return this.#namedExtent(type.name);
    }
  }

  #taggedExtent(of: "struct" | "union" | "enum", tag: string): Extent {
    if (of === "enum") {
      const found = this.#scope.enums.get(tag) ?? this.#elsewhere.enumeration(tag);
      return found === undefined ? { bytes: 4, align: 4 } : this.#enumExtent(found.one);
    }
    const name = `${of} ${tag}`;
    const found = this.#scope.records.get(name) ?? this.#elsewhere.record(name);
    if (found !== undefined) return this.layout(found.one);
    const library = libraryExtent(of, tag, this.architecture);
    if (library === null) throw new NoLayout(`${name} is not in these headers`);
    return library;
  }

  #namedExtent(name: string): Extent {
    const found = this.#scope.typedefs.get(name) ?? this.#elsewhere.typedef(name);
    if (found === undefined) {
      const extent = baseExtent(name, this.architecture);
      if (extent === null) throw new NoLayout(`the type ${name} is not in these headers`);
      return extent;
    }
    return this.#deeper(name, () => {
      const { type, attributes } = found.one;
      const extent = this.extentOf(type);
      const stated = attributes.aligned.map((text) =>
        text === "" ? this.architecture.biggestAlign : this.numberOf(text),
      );
      // A typedef may lower an alignment too: what is written last counts.
      const align = stated.at(-1);
      return align === undefined ? extent : { ...extent, align, alignStated: true };
    });
  }

  #enumExtent(one: EnumDeclaration): Extent {
    let low = 0n;
    let high = 0n;
    for (const value of this.enumerators(one)) {
      if (typeof value === "string") {
        if (one.attributes.packed) throw new NoLayout(value);
        continue;
      }
      if (value.value < low) low = value.value;
      if (value.value > high) high = value.value;
    }
    const fits = (bits: bigint): boolean =>
      low < 0n ? low >= -(1n << (bits - 1n)) && high < 1n << (bits - 1n) : high < 1n << bits;
    const bytes =
      one.attributes.packed && fits(8n) ? 1 : one.attributes.packed && fits(16n) ? 2 : fits(32n) ? 4 : 8;
    return { bytes, align: bytes === 8 ? this.architecture.longLongAlign : bytes };
  }

  natureOf(type: TypeRef): Nature {
    switch (type.kind) {
      case "pointer":
      case "function":
        return { ...NATURE, kind: "pointer" };
      case "array": {
        const of = this.natureOf(type.of);
        const count = type.count === null ? 0 : this.numberOf(type.count);
        return { ...of, count: (of.count ?? 1) * count };
      }
      case "record":
        return { ...NATURE, kind: "record" };
      case "enum":
        return { ...NATURE, kind: "integer" };
      case "tagged":
        return { ...NATURE, kind: type.of === "enum" ? "integer" : "record" };
      case "base": {
        if (/float|double/.test(type.name)) return { ...NATURE, kind: "float" };
        const plainChar = type.name === "char" && this.architecture.charIsSigned;
        const signed =
          !/unsigned|^u|size_t|bool|_Bool/i.test(type.name) && (type.name !== "char" || plainChar);
        return { ...NATURE, kind: "integer", signed };
      }
      case "named": {
        const found = this.#scope.typedefs.get(type.name) ?? this.#elsewhere.typedef(type.name);
        if (found === undefined) return { ...NATURE, kind: "integer", signed: !/^u|size_t/.test(type.name) };
        const nature = this.#deeper(type.name, () => this.natureOf(found.one.type));
        const order = /^_*(be|le)\d+$/.exec(type.name)?.[1];
        return order === undefined ? nature : { ...nature, order: order === "be" ? "big" : "little" };
      }
    }
  }

  textOf(type: TypeRef): string {
    switch (type.kind) {
      case "base":
      case "named":
        return type.name;
      case "tagged":
        return `${type.of} ${type.tag}`;
      case "record":
        return type.record.tag === null ? type.record.kind : `${type.record.kind} ${type.record.tag}`;
      case "enum":
        return type.enumeration.tag === null ? "enum" : `enum ${type.enumeration.tag}`;
      case "pointer":
        return `${type.to} *`;
      case "array":
        return `${this.textOf(type.of)}[${type.count ?? ""}]`;
      case "function":
        return "function pointer";
    }
  }

  numberOf(expression: string): number {
    return Number(this.integer(expression).value);
  }

  #deeper<T>(name: string, work: () => T): T {
    if (++this.#depth > DEPTH_MAX) {
      this.#depth = 0;
      throw new NoLayout(`the type ${name} is made of itself`);
    }
    try {
      return work();
    } finally {
      this.#depth = Math.max(0, this.#depth - 1);
    }
  }

  #once<T>(key: unknown, work: () => T): T {
    if (this.#inWork.has(key)) throw new NoLayout("it contains itself");
    this.#inWork.add(key);
    try {
      return work();
    } finally {
      this.#inWork.delete(key);
    }
  }
}

/** As an enumerator has it: int where it fits. */
function fitted(value: bigint): Integer {
  if (value >= -(1n << 31n) && value < 1n << 31n) return { value, bits: 32, signed: true };
  if (value >= 0n && value < 1n << 32n) return { value, bits: 32, signed: false };
  return { value, bits: 64, signed: value < 1n << 63n };
}

/** Bytes of `"text"`, with the 0 at its end. */
function bytesOfText(text: string): number {
  const inner = text.slice(text.indexOf('"') + 1, -1);
  return Buffer.byteLength(inner.replace(/\\(x[\da-fA-F]+|[0-7]{1,3}|[\s\S])/g, "x")) + 1;
}

function typeOfWords(words: readonly string[]): TypeRef {
  const [first = "", second = ""] = words;
  if (first === "struct" || first === "union" || first === "enum")
    return { kind: "tagged", of: first, tag: second };
  const base = /^(char|short|int|long|signed|unsigned|float|double|void|_Bool|__int128)$/;
  return words.some((word) => base.test(word))
    ? { kind: "base", name: words.join(" ") }
    : { kind: "named", name: words.join(" ") };
}

/** `struct x` out of `(sizeof(struct x))`. */
function argumentOf(tokens: readonly Token[]): string | null {
  const start = tokens.findIndex((one) => one.text === "sizeof");
  if (start < 0) return null;
  let depth = 0;
  for (let index = start + 1; index < tokens.length; index++) {
    const { text } = tokens[index] as Token;
    if (text === "(") depth++;
    else if (text === ")" && --depth === 0) return textOf(tokens.slice(start + 2, index));
  }
  return null;
}
