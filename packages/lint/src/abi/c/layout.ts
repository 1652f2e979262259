import type { Architecture } from "./architecture.ts";
import type { Attributes, FieldDeclaration, RecordDeclaration, TypeRef } from "./declarations.ts";

/** Bytes and alignment of a type. */
export interface Extent {
  readonly bytes: number;
  readonly align: number;
  /** The alignment was asked for by an attribute of a typedef: it holds on every machine. */
  readonly alignStated?: boolean;
}

/** What of a field programs depend on. */
export interface FieldLayout {
  /** `a`, `b.c` of a struct inside, `d[].e` of an array of structs. */
  readonly name: string;
  readonly bitOffset: number;
  readonly bitSize: number;
  readonly type: string;
  readonly nature: Nature;
  readonly line: number;
  /** The last, `x[]` or `x[0]`: as long as the program makes it. */
  readonly flexible: boolean;
}

/** How the bits of a field are read. */
export interface Nature {
  readonly kind: "integer" | "float" | "pointer" | "record" | "other";
  readonly signed: boolean;
  /** Stated by the type's name, as in __be32. */
  readonly order: "little" | "big" | null;
  /** Elements, of an array; null of one element. */
  readonly count: number | null;
}

export interface RecordLayout extends Extent {
  readonly fields: readonly FieldLayout[];
  /** Bytes between fields and after the last that no field names. */
  readonly holeBytes: number;
}

/** Why there is no layout. */
export class NoLayout extends Error {
  override readonly name = "NoLayout";
}

/** What layouts need to know of types and numbers around them. */
export interface Surroundings {
  readonly architecture: Architecture;
  extentOf(type: TypeRef): Extent;
  natureOf(type: TypeRef): Nature;
  textOf(type: TypeRef): string;
  numberOf(expression: string): number;
}

/** Lays a struct or union out as GCC does. Throws NoLayout. */
export function layoutOf(record: RecordDeclaration, around: Surroundings): RecordLayout {
  if (record.fault !== null) throw new NoLayout(record.fault);
  const unknown = record.attributes.unknown[0];
  if (unknown !== undefined) throw new NoLayout(`what the attribute ${unknown} does is not known here`);
  const layout = new Layout(record, around);
  for (const field of record.fields) layout.add(field);
  return layout.done();
}

class Layout {
  readonly #record: RecordDeclaration;
  readonly #around: Surroundings;
  readonly #fields: FieldLayout[] = [];
  #bit = 0;
  #maxBits = 0;
  #usedBits = 0;
  #align = 1;

  constructor(record: RecordDeclaration, around: Surroundings) {
    this.#record = record;
    this.#around = around;
  }

  add(field: FieldDeclaration): void {
    const unknown = field.attributes.unknown[0];
    if (unknown !== undefined) throw new NoLayout(`what the attribute ${unknown} does is not known here`);
    if (this.#record.kind === "union") this.#bit = 0;
    if (field.bits === null) this.#plain(field);
    else this.#bits(field, this.#around.numberOf(field.bits));
    this.#maxBits = Math.max(this.#maxBits, this.#bit);
  }

  #plain(field: FieldDeclaration): void {
    const { bytes, align: natural, alignStated = false } = this.#around.extentOf(field.type);
    const align = this.#alignOf(field.attributes, natural, alignStated);
    this.#align = Math.max(this.#align, align);
    this.#bit = roundUp(this.#bit, align * 8);
    const at = this.#bit;
    this.#bit += bytes * 8;
    this.#usedBits += bytes * 8;
    this.#name(field, at, bytes * 8);
  }

  #bits(field: FieldDeclaration, width: number): void {
    const { bytes, align: natural, alignStated = false } = this.#around.extentOf(field.type);
    if (width > bytes * 8) throw new NoLayout(`a bit-field of ${width} bits is wider than its type`);
    const align = this.#alignOf(field.attributes, natural, alignStated);
    if (width === 0) {
      this.#bit = roundUp(this.#bit, natural * 8);
      return;
    }
    const packed = this.#record.attributes.packed || field.attributes.packed;
    // It does not cross the boundary of its type.
    const unit = Math.min(natural, this.#record.pack ?? natural) * 8;
    if (!packed && (this.#bit % unit) + width > bytes * 8) this.#bit = roundUp(this.#bit, unit);
    if (field.attributes.aligned.length > 0) this.#bit = roundUp(this.#bit, align * 8);
    if (field.name !== null || /^arm/.test(this.#around.architecture.name))
      this.#align = Math.max(this.#align, align);
    const at = this.#bit;
    this.#bit += width;
    this.#usedBits += width;
    if (field.name !== null) this.#name(field, at, width);
  }

  #alignOf(attributes: Attributes, natural: number, stated: boolean): number {
    const { pack, attributes: own } = this.#record;
    const packed = own.packed || attributes.packed;
    let align = packed ? 1 : natural;
    if (pack !== null && !(stated && !packed)) align = Math.min(align, pack);
    for (const text of attributes.aligned)
      align = Math.max(
        align,
        text === "" ? this.#around.architecture.biggestAlign : this.#around.numberOf(text),
      );
    return align;
  }

  #name(field: FieldDeclaration, bitOffset: number, bitSize: number): void {
    const { type, line } = field;
    const element = elementOf(type);
    const inner = element.kind === "record" ? element.record : null;
    if (field.name !== null)
      this.#fields.push({
        name: field.name,
        bitOffset,
        bitSize,
        type: this.#around.textOf(type),
        nature: this.#around.natureOf(type),
        line,
        flexible: type.kind === "array" && bitSize === 0,
      });
    if (inner === null) return;
    const prefix = field.name === null ? "" : `${field.name}${type.kind === "array" ? "[]" : ""}.`;
    const { fields, holeBytes } = layoutOf(inner, this.#around);
    this.#usedBits -= type.kind === "array" ? 0 : holeBytes * 8;
    for (const one of fields)
      this.#fields.push({
        ...one,
        name: `${prefix}${one.name}`,
        bitOffset: one.bitOffset + bitOffset,
      });
  }

  done(): RecordLayout {
    let align = this.#align;
    for (const text of this.#record.attributes.aligned)
      align = Math.max(
        align,
        text === "" ? this.#around.architecture.biggestAlign : this.#around.numberOf(text),
      );
    const bits = roundUp(this.#record.kind === "union" ? this.#maxBits : this.#bit, align * 8);
    const holeBits = this.#record.kind === "union" ? 0 : bits - this.#usedBits;
    return { bytes: bits / 8, align, fields: this.#fields, holeBytes: Math.max(0, holeBits / 8) };
  }
}

function elementOf(type: TypeRef): TypeRef {
  return type.kind === "array" ? elementOf(type.of) : type;
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** Sizes of the words that C and its library have for types. Null: not a type of a known size. */
export function baseExtent(name: string, machine: Architecture): Extent | null {
  const words = name.split(" ").filter((word) => !/^(const|volatile|signed|unsigned|register)$/.test(word));
  const plain = words.join(" ");
  const long = machine.longBits / 8;
  const longs = words.filter((word) => word === "long").length;
  if (longs === 2) return { bytes: 8, align: machine.longLongAlign };
  if (plain === "long double")
    return { bytes: machine.longDoubleBytes, align: machine.longBits === 32 ? 4 : machine.longDoubleBytes };
  if (longs === 1) return { bytes: long, align: long };
  if (words.includes("short")) return { bytes: 2, align: 2 };
  if (words.includes("__int128")) return { bytes: 16, align: 16 };
  if (plain === "" || plain === "int" || plain === "float") return { bytes: 4, align: 4 };
  if (plain === "char" || plain === "_Bool" || plain === "bool" || plain === "void")
    return { bytes: 1, align: 1 };
  if (plain === "double") return { bytes: 8, align: machine.longLongAlign };
  const fixed = /^(?:u?int|u_int)(8|16|32|64)_t$|^__[us](8|16|32|64)$/.exec(plain)?.slice(1).find(Boolean);
  if (fixed !== undefined) {
    const bytes = Number(fixed) / 8;
    return { bytes, align: bytes === 8 ? machine.longLongAlign : bytes };
  }
  const old = /^u_?(char|short|int|long)$/.exec(plain)?.[1];
  if (old !== undefined) return baseExtent(old, machine);
  // The C library's, where a header leaves them to it.
  if (/^(size_t|ssize_t|u?intptr_t|ptrdiff_t|time_t|off_t|ino_t|suseconds_t|clock_t)$/.test(plain))
    return { bytes: long, align: long };
  if (/^(uid_t|gid_t|pid_t|mode_t|socklen_t|wchar_t|char32_t|id_t|key_t)$/.test(plain))
    return { bytes: 4, align: 4 };
  if (/^(sa_family_t|in_port_t|char16_t)$/.test(plain)) return { bytes: 2, align: 2 };
  if (plain === "caddr_t") return { bytes: long, align: long };
  return null;
}

/** Structs of the C library that headers use and do not have. */
export function libraryExtent(of: string, tag: string, machine: Architecture): Extent | null {
  const long = machine.longBits / 8;
  if (of !== "struct") return null;
  if (tag === "sockaddr") return { bytes: 16, align: 2 };
  if (tag === "sockaddr_storage") return { bytes: 128, align: long };
  if (tag === "sockaddr_in") return { bytes: 16, align: 4 };
  if (tag === "sockaddr_in6") return { bytes: 28, align: 4 };
  if (tag === "in_addr") return { bytes: 4, align: 4 };
  if (tag === "in6_addr") return { bytes: 16, align: 4 };
  if (tag === "timeval" || tag === "timespec" || tag === "iovec") return { bytes: 2 * long, align: long };
  return null;
}
