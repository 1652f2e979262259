// What a WebAssembly module says about the memory that it imports. `WebAssembly.Module.imports` gives names only.

/** The memory that a module wants. */
export interface MemoryImport {
  readonly module: string;
  readonly name: string;
  /** Pages of 64 KiB that must be there at least: the module's own data, stack and heap begin in them. */
  readonly initial: number;
  /** Pages that may be there at most; null: not said. */
  readonly maximum: number | null;
  readonly shared: boolean;
}

const IMPORT_SECTION = 2;
const KIND_FUNCTION = 0;
const KIND_TABLE = 1;
const KIND_MEMORY = 2;
const KIND_GLOBAL = 3;
const KIND_TAG = 4;
const HAS_MAXIMUM = 1;
const IS_SHARED = 2;
const IS_64 = 4;

class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.#bytes[this.at++];
    if (value === undefined) throw new Error("the module ends in the middle of a section");
    return value;
  }

  /** An unsigned LEB128 number. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw new Error("a number of the module is too long");
  }

  name(): string {
    const length = this.number();
    const from = this.at;
    this.at += length;
    return new TextDecoder().decode(this.#bytes.subarray(from, this.at));
  }

  limits(): { readonly flags: number; readonly initial: number; readonly maximum: number | null } {
    const flags = this.byte();
    const initial = this.number();
    return { flags, initial, maximum: (flags & HAS_MAXIMUM) !== 0 ? this.number() : null };
  }
}

/** The memory that a module (already found valid) imports; null when it imports none. */
export function memoryImport(bytes: Uint8Array): MemoryImport | null {
  const reader = new Reader(bytes, 8);
  while (reader.at < bytes.length) {
    const section = reader.byte();
    const length = reader.number();
    if (section === IMPORT_SECTION) return findMemory(reader);
    reader.at += length;
  }
  return null;
}

function findMemory(reader: Reader): MemoryImport | null {
  for (let left = reader.number(); left > 0; left--) {
    const module = reader.name();
    const name = reader.name();
    const kind = reader.byte();
    if (kind === KIND_MEMORY) {
      const { flags, initial, maximum } = reader.limits();
      if ((flags & IS_64) !== 0) throw new Error("its memory has 64-bit addresses, which are not supported");
      return { module, name, initial, maximum, shared: (flags & IS_SHARED) !== 0 };
    }
    skipImport(reader, kind);
  }
  return null;
}

function skipImport(reader: Reader, kind: number): void {
  if (kind === KIND_FUNCTION) reader.number();
  else if (kind === KIND_TABLE) {
    skipType(reader);
    reader.limits();
  } else if (kind === KIND_GLOBAL) {
    skipType(reader);
    reader.byte();
  } else if (kind === KIND_TAG) {
    reader.byte();
    reader.number();
  } else throw new Error(`its imports are of the unknown kind ${kind}`);
}

/** A value type: one byte, or a reference type with a heap type behind it. */
function skipType(reader: Reader): void {
  const type = reader.byte();
  if (type === 0x63 || type === 0x64) reader.number();
}
