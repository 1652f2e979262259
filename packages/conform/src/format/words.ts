/** Bytes of a page of a case: the format fixes it, whatever the machine below uses. */
export const PAGE_BYTES = 4096;
/** Words of a page: 32-bit, little-endian. */
export const WORDS_PER_PAGE: number = PAGE_BYTES / 4;

/** A pattern of words: word i of a region is `scale * i + base`, modulo 2^32. */
export interface Words {
  /** 1 for `index` and `index+K`, -1 for `negative`, 0 for `zero` and `constant:K`. */
  readonly scale: -1 | 0 | 1;
  /** The K of `index+K` and `constant:K`, as an unsigned 32-bit number. */
  readonly base: number;
}

/** What a pattern may be, for messages. */
export const WORDS_ALLOWED = "index, index+K, negative, zero, constant:K";

const NUMBER = /^[+-]?(?:0x[0-9a-f]{1,8}|[0-9]{1,10})$/i;

/** Reads a pattern such as `index+3`; null when it is none. */
export function parseWords(text: string): Words | null {
  if (text === "index") return { scale: 1, base: 0 };
  if (text === "negative") return { scale: -1, base: 0 };
  if (text === "zero") return { scale: 0, base: 0 };
  const plus = /^index\s*([+-].*)$/.exec(text);
  const constant = /^constant:\s*(.+)$/.exec(text);
  const digits = (plus ?? constant)?.[1]?.trim();
  if (digits === undefined) return null;
  const base = parseWord(plus !== null && digits.startsWith("+") ? digits.slice(1).trim() : digits);
  return base === null ? null : { scale: plus === null ? 0 : 1, base };
}

/** The shortest text that {@link parseWords} reads as this pattern. */
export function printWords(words: Words): string {
  if (words.scale === -1 && words.base === 0) return "negative";
  if (words.scale === 1) return words.base === 0 ? "index" : `index+${words.base}`;
  return words.base === 0 ? "zero" : `constant:${words.base}`;
}

function parseWord(text: string): number | null {
  if (!NUMBER.test(text)) return null;
  const negative = text.startsWith("-");
  const magnitude = Number(text.replace(/^[+-]/, ""));
  if (magnitude > (negative ? 0x8000_0000 : 0xffff_ffff)) return null;
  return (negative ? -magnitude : magnitude) >>> 0;
}

/** The value of word `index` of a region under a pattern, unsigned. */
export function wordAt(words: Words, index: number): number {
  return (words.scale * index + words.base) >>> 0;
}

/** Fills `into` with the pattern; its first element is word `firstWord` of the region. */
export function fillWords(into: Uint32Array, words: Words, firstWord: number): void {
  const { scale, base } = words;
  if (scale === 0) {
    into.fill(base);
    return;
  }
  for (let i = 0; i < into.length; i++) into[i] = scale * (firstWord + i) + base;
}

/** Where `found` first differs from the pattern (an index into `found`), or -1. */
export function firstMismatch(found: Uint32Array, words: Words, firstWord: number): number {
  const { scale, base } = words;
  for (let i = 0; i < found.length; i++) {
    if (found[i] !== (scale * (firstWord + i) + base) >>> 0) return i;
  }
  return -1;
}
