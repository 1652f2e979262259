import type { Token } from "./tokens.ts";

/** An integer with its C type: what shifts, comparisons and wrapping depend on. */
export interface Integer {
  readonly value: bigint;
  readonly bits: 32 | 64;
  readonly signed: boolean;
}

/** What names and types mean where the expression stands. */
export interface Meaning {
  /** The value of a name, or undefined if it has none. */
  valueOf(name: string): Integer | undefined;
  /** Bytes of a type written in tokens, or undefined if that is not known. */
  sizeOf(type: readonly Token[]): number | undefined;
  /** What __alignof__ says of a type. */
  alignOf(type: readonly Token[]): number | undefined;
  /** Whether an integer type has a sign; null of what is no integer. */
  isSigned(type: readonly Token[]): boolean | null;
  /** Whether a name names a type here. */
  isType(name: string): boolean;
  /** The value of `name(arguments)`, for names that are no macro. */
  call?(name: string, values: readonly (readonly Token[])[]): Integer | undefined;
  /** Bits of `long`. */
  readonly longBits: 32 | 64;
}

/** Why an expression has no value: a name that is not known, or something that is no integer expression. */
export class NoValue extends Error {
  override readonly name = "NoValue";
}

/** Deeper nesting than any header has. */
const DEPTH_MAX = 200;

const BINARY: Readonly<Record<string, number>> = {
  "||": 1,
  "&&": 2,
  "|": 3,
  "^": 4,
  "&": 5,
  "==": 6,
  "!=": 6,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};
const TYPE_WORDS: ReadonlySet<string> = new Set(
  "char short int long signed unsigned float double void struct union enum const volatile _Bool __int128".split(
    " ",
  ),
);

export const int = (value: bigint | number): Integer => ({ value: BigInt(value), bits: 32, signed: true });

/** The value of an expanded expression. Throws NoValue with the reason. */
export function evaluate(tokens: readonly Token[], meaning: Meaning): Integer {
  const reader = new Reader(tokens, meaning);
  const value = reader.conditional(0);
  reader.end();
  return value;
}

/** Brings a value into the range of its type, as C does. */
export function wrapped(value: bigint, bits: 32 | 64, signed: boolean): Integer {
  return { value: signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value), bits, signed };
}

class Reader {
  readonly #tokens: readonly Token[];
  readonly #meaning: Meaning;
  #at = 0;

  constructor(tokens: readonly Token[], meaning: Meaning) {
    this.#tokens = tokens;
    this.#meaning = meaning;
  }

  end(): void {
    const token = this.#peek();
    if (token !== undefined) throw new NoValue(`${token.text} is no part of an integer expression`);
  }

  conditional(depth: number): Integer {
    if (depth > DEPTH_MAX) throw new NoValue(`it is nested more than ${DEPTH_MAX} deep`);
    const condition = this.#binary(1, depth);
    if (!this.#take("?")) return condition;
    const yes = this.conditional(depth + 1);
    if (!this.#take(":")) throw new NoValue("a : is missing after ?");
    const no = this.conditional(depth + 1);
    const type = commonType(yes, no);
    return wrapped(condition.value !== 0n ? yes.value : no.value, type.bits, type.signed);
  }

  #binary(level: number, depth: number): Integer {
    let left = this.#unary(depth);
    for (;;) {
      const mark = this.#peek();
      const strength = mark?.kind === "mark" ? BINARY[mark.text] : undefined;
      if (mark === undefined || strength === undefined || strength < level) return left;
      this.#at++;
      const right = this.#binary(strength + 1, depth + 1);
      left = combine(mark.text, left, right);
    }
  }

  #unary(depth: number): Integer {
    if (depth > DEPTH_MAX) throw new NoValue(`it is nested more than ${DEPTH_MAX} deep`);
    const token = this.#peek();
    if (token === undefined) throw new NoValue("it ends where a value should be");
    this.#at++;
    if (token.kind === "number") return number(token.text, this.#meaning.longBits);
    if (token.kind === "character") return character(token.text);
    if (token.kind === "name") return this.#name(token);
    if (token.kind === "string") throw new NoValue("it has a text in it");
    if (token.text === "(") return this.#parenthesis(depth);
    const operand = (): Integer => this.#unary(depth + 1);
    switch (token.text) {
      case "+":
        return operand();
      case "-": {
        const { value, bits, signed } = operand();
        return wrapped(-value, bits, signed);
      }
      case "~": {
        const { value, bits, signed } = operand();
        return wrapped(~value, bits, signed);
      }
      case "!":
        return int(operand().value === 0n ? 1 : 0);
      default:
        throw new NoValue(`${token.text} is no part of an integer expression`);
    }
  }

  #parenthesis(depth: number): Integer {
    if (!this.#startsType()) {
      const value = this.conditional(depth + 1);
      if (!this.#take(")")) throw new NoValue("a ) is missing");
      return value;
    }
    const type = this.#until(")");
    const following = this.#peek();
    if (following === undefined || following.text === "{") throw new NoValue("a type stands for a value");
    if (type.some((one) => one.text === "*")) throw new NoValue("it is cast to a pointer");
    return this.#cast(type, this.#unary(depth + 1));
  }

  #cast(type: readonly Token[], value: Integer): Integer {
    const bytes = this.#meaning.sizeOf(type);
    if (bytes === undefined || bytes > 8)
      throw new NoValue(`the size of ${type.map((one) => one.text).join(" ")} is not known`);
    const signed = this.#meaning.isSigned(type);
    if (signed === null) throw new NoValue("it is cast to what is no integer");
    const bits = bytes * 8;
    const cut = signed ? BigInt.asIntN(bits, value.value) : BigInt.asUintN(bits, value.value);
    // Below int everything is int.
    return bits < 32
      ? { value: cut, bits: 32, signed: true }
      : { value: cut, bits: bits === 64 ? 64 : 32, signed };
  }

  #name(token: Token): Integer {
    const name = token.text;
    if (name === "sizeof" || /^_?_?_[Aa]lignof(__)?$/.test(name)) return this.#sizeof(name);
    if (this.#peek()?.text === "(" && this.#meaning.call !== undefined) {
      this.#at++;
      const inner = this.#until(")");
      const value = this.#meaning.call(name, commaSplit(inner));
      if (value === undefined) throw new NoValue(`${name}() has no value that is known here`);
      return value;
    }
    const value = this.#meaning.valueOf(name);
    if (value === undefined) throw new NoValue(`${name} is not known`);
    return value;
  }

  #sizeof(name: string): Integer {
    if (!this.#take("(")) throw new NoValue(`${name} stands without ( )`);
    const type = this.#until(")");
    const bytes = name === "sizeof" ? this.#meaning.sizeOf(type) : this.#meaning.alignOf(type);
    if (bytes === undefined)
      throw new NoValue(`${name}(${type.map((one) => one.text).join(" ")}) is not known`);
    return wrapped(BigInt(bytes), this.#meaning.longBits, false);
  }

  /** Tokens up to the mark that ends this level; takes the mark too. */
  #until(end: string): readonly Token[] {
    const start = this.#at;
    let depth = 0;
    for (; this.#at < this.#tokens.length; this.#at++) {
      const { text, kind } = this.#tokens[this.#at] as Token;
      if (kind !== "mark") continue;
      if (text === end && depth === 0) return this.#tokens.slice(start, this.#at++);
      if (text === "(") depth++;
      else if (text === ")") depth--;
    }
    throw new NoValue(`a ${end} is missing`);
  }

  #startsType(): boolean {
    const token = this.#peek();
    if (token?.kind !== "name") return false;
    return TYPE_WORDS.has(token.text) || this.#meaning.isType(token.text);
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #take(text: string): boolean {
    const token = this.#peek();
    if (token === undefined || token.kind !== "mark" || token.text !== text) return false;
    this.#at++;
    return true;
  }
}

/** Arguments of a call: what stands between commas on the outermost level. */
export function commaSplit(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.text === "(") depth++;
    else if (token.text === ")") depth--;
    if (token.text === "," && depth === 0) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

function combine(mark: string, left: Integer, right: Integer): Integer {
  const truth = (yes: boolean): Integer => int(yes ? 1 : 0);
  if (mark === "&&") return truth(left.value !== 0n && right.value !== 0n);
  if (mark === "||") return truth(left.value !== 0n || right.value !== 0n);
  if (mark === "<<" || mark === ">>") {
    if (right.value < 0n || right.value >= BigInt(left.bits))
      throw new NoValue(`it shifts ${left.bits} bits by ${right.value}`);
    return wrapped(
      mark === "<<" ? left.value << right.value : left.value >> right.value,
      left.bits,
      left.signed,
    );
  }
  const { bits, signed } = commonType(left, right);
  const a = wrapped(left.value, bits, signed).value;
  const b = wrapped(right.value, bits, signed).value;
  switch (mark) {
    case "==":
      return truth(a === b);
    case "!=":
      return truth(a !== b);
    case "<":
      return truth(a < b);
    case ">":
      return truth(a > b);
    case "<=":
      return truth(a <= b);
    case ">=":
      return truth(a >= b);
    case "|":
      return wrapped(a | b, bits, signed);
    case "^":
      return wrapped(a ^ b, bits, signed);
    case "&":
      return wrapped(a & b, bits, signed);
    case "+":
      return wrapped(a + b, bits, signed);
    case "-":
      return wrapped(a - b, bits, signed);
    case "*":
      return wrapped(a * b, bits, signed);
    default:
      if (b === 0n) throw new NoValue("it divides by 0");
      return wrapped(mark === "/" ? a / b : a % b, bits, signed);
  }
}

function commonType(left: Integer, right: Integer): { readonly bits: 32 | 64; readonly signed: boolean } {
  if (left.bits === right.bits) return { bits: left.bits, signed: left.signed && right.signed };
  return left.bits > right.bits ? left : right;
}

function number(text: string, longBits: 32 | 64): Integer {
  const parts = /^(0[xX][\da-fA-F]+|0[bB][01]+|\d+)([uUlL]*)$/.exec(text);
  const digits = parts?.[1];
  if (digits === undefined) throw new NoValue(`${text} is no integer`);
  const suffix = (parts?.[2] ?? "").toLowerCase();
  const octal = /^0\d+$/.test(digits);
  if (octal && /[89]/.test(digits)) throw new NoValue(`${text} is no integer`);
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (value >= 1n << 64n) throw new NoValue(`${text} does not fit 64 bits`);
  const unsigned = suffix.includes("u");
  const start = suffix.includes("ll") ? 64 : suffix.includes("l") ? longBits : 32;
  const decimal = /^[1-9]/.test(digits);
  for (const bits of [start, 64] as const) {
    if (!unsigned && value < 1n << BigInt(bits - 1)) return { value, bits, signed: true };
    if ((unsigned || !decimal) && value < 1n << BigInt(bits)) return { value, bits, signed: false };
  }
  return { value, bits: 64, signed: false };
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, 0: 0, a: 7, b: 8, f: 12, v: 11 };

function character(text: string): Integer {
  const inner = text.replace(/^[uUL]?'|'$/g, "");
  if (inner.length === 1) return int(inner.charCodeAt(0));
  const escaped = /^\\(x[\da-fA-F]+|[0-7]{1,3}|[\s\S])$/.exec(inner)?.[1];
  if (escaped === undefined) return several(inner);
  if (/^x/.test(escaped)) return int(Number.parseInt(escaped.slice(1), 16));
  if (/^[0-7]+$/.test(escaped)) return int(Number.parseInt(escaped, 8));
  return int(ESCAPES[escaped] ?? escaped.charCodeAt(0));
}

/** `'ABCD'`, as gcc reads it: the first is the highest byte. */
function several(inner: string): Integer {
  if (inner.length === 0 || inner.length > 4 || /\\/.test(inner))
    throw new NoValue(`'${inner}' is no character`);
  let value = 0n;
  for (const one of inner) value = (value << 8n) | BigInt(one.charCodeAt(0) & 0xff);
  return wrapped(value, 32, true);
}
