import { CHARACTER, SORT } from "./characters.ts";

// Questions about bytes that need no memory of what was read before.

export function firstOfLine(bytes: Uint8Array, pos: number, lineStart: number): boolean {
  for (let at = lineStart; at < pos; at++) if (SORT[bytes[at] as number] !== CHARACTER.blank) return false;
  return true;
}

export function closeOfComment(bytes: Uint8Array, length: number, pos: number): number {
  let at = pos;
  while (at < length && !(bytes[at] === 42 && bytes[at + 1] === 47)) at++;
  return Math.min(length, at + 2);
}

/** The end of a directive: the end of its line, with the lines that continue it and comments that span lines. */
export function endOfDirective(bytes: Uint8Array, length: number, pos: number): number {
  let at = pos;
  while (at < length) {
    const c = bytes[at];
    if (c === 10) return at;
    if (c === 92) {
      at += bytes[at + 1] === 13 ? 3 : 2;
      continue;
    }
    if (c === 47 && bytes[at + 1] === 42) {
      const close = closeOfComment(bytes, length, at + 2);
      at = close;
      continue;
    }
    if (c === 47 && bytes[at + 1] === 47) {
      while (at < length && bytes[at] !== 10) at++;
      return at;
    }
    at++;
  }
  return length;
}

/** 1: if, ifdef, ifndef. 2: else, elif. 3: endif. 4: define. 5: include. 0: others. */
export function directiveWord(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && SORT[bytes[at] as number] === CHARACTER.blank) at++;
  const c = bytes[at];
  const d = bytes[at + 1];
  if (c === 105) return d === 102 ? 1 : d === 110 ? 5 : 0;
  if (c === 101) return d === 108 ? 2 : d === 110 ? 3 : 0;
  return c === 100 && d === 101 ? 4 : 0;
}

/** Whether a directive is `#if 0`. */
export function isIfZero(bytes: Uint8Array, pos: number, end: number): boolean {
  return /^#\s*if\s+0\s*(\/|$)/.test(
    Buffer.from(bytes.subarray(pos, Math.min(end, pos + 40))).toString("latin1"),
  );
}

/** Whether a name is followed by `==`. */
export function isComparison(bytes: Uint8Array, pos: number): boolean {
  let at = pos;
  while (bytes[at] !== 61) at++;
  return bytes[at + 1] === 61;
}

/** Whether `(…)` at `pos` is followed by a body, so that what stands before is a definition. */
export function bodyFollows(bytes: Uint8Array, length: number, pos: number): boolean {
  let depth = 0;
  const limit = Math.min(length, pos + 4096);
  for (let at = pos; at < limit; at++) {
    const c = bytes[at];
    if (c === 40) depth++;
    else if (c === 41) depth--;
    else if (depth === 0 && (c === 59 || c === 44 || c === 61)) return false;
    else if (depth === 0 && c === 123) return true;
  }
  return false;
}

/** Instructions with a name behind them, as strings hold them for ALTERNATIVE in headers that assembler includes. */
const INSTRUCTION = /^(\\t|\s)*(call|jmp|verw|bl|jal|brasl)\s/;

export function isInstruction(bytes: Uint8Array, start: number): boolean {
  const c = bytes[start];
  // Most strings are none, and are told by their first letter: b, c, j, v or a blank.
  if (c !== 98 && c !== 99 && c !== 106 && c !== 118 && c !== 32 && c !== 9 && c !== 92) return false;
  return INSTRUCTION.test(Buffer.from(bytes.subarray(start, start + 16)).toString("latin1"));
}

const latin = (text: string): Uint8Array => Buffer.from(text, "latin1");
export const DEFINE: Uint8Array = latin("DEFINE_");
export const DECLARE: Uint8Array = latin("DECLARE_");
export const EXPORT: Uint8Array = latin("EXPORT_");
export const PER_CPU: Uint8Array = latin("PER_CPU");
/** Macros of include/linux/cleanup.h and what is built on them: their first argument is what code uses later. */
export const CLASS_MAKERS: RegExp = /^(DEFINE|EXTEND|DECLARE)_(\w*GUARD\w*|FREE|CLASS\w*)$|^EXTEND_CLASS$/;
/** Stands before the name of a class, which is in a space of its own. */
export const CLASS_PREFIX = "@class ";
export const DIRECTIVES_OF_NAMES: ReadonlySet<string> = new Set([
  ".globl",
  ".global",
  ".type",
  ".size",
  ".weak",
  ".hidden",
  ".set",
  ".equ",
  ".extern",
  ".ent",
  ".end",
  ".import",
  ".export",
  ".proc",
  ".local",
  ".protected",
  ".internal",
]);

export function startsWith(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false;
  return true;
}

export function includes(bytes: Uint8Array, start: number, end: number, part: Uint8Array): boolean {
  for (let at = start; at + part.length <= end; at++) if (startsWith(bytes, at, end, part)) return true;
  return false;
}

export function indexOf(bytes: Uint8Array, byte: number, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== byte) at++;
  return at;
}

export function isParameter(
  bytes: Uint8Array,
  start: number,
  end: number,
  parameters: readonly number[],
): boolean {
  for (let i = 0; i < parameters.length; i += 2) {
    const from = parameters[i] as number;
    if ((parameters[i + 1] as number) - from !== end - start) continue;
    let at = 0;
    while (at < end - start && bytes[from + at] === bytes[start + at]) at++;
    if (at === end - start) return true;
  }
  return false;
}
