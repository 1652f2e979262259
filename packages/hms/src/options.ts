// What programs hand over is checked before anything is done with it: types are gone when a program runs.
import { HmsError, nearest } from "@hms/topology";

/** The longest path that the interface carries. Bytes of UTF-8. */
export const PATH_BYTES = 4096;
/** The longest name: of a region, a device, a target, a program, a kernel or its argument. Bytes of UTF-8. */
export const NAME_BYTES = 256;

/** Numbers that are allowed. */
export interface Within {
  readonly least: number;
  readonly most: number;
  /** Fractions too. */
  readonly fractions?: boolean;
}

/** A type (`text`: without zeros, which end it for the kernel), or `any` for what is checked elsewhere. */
type Plain = "string" | "text" | "number" | "boolean" | "function" | "object" | "array" | "any";
/** What the value of an option has to be: of a type, one of some words, or a number within bounds. */
type Check = Plain | readonly string[] | Within;

/** All options of a kind, and what their values have to be. */
export type Known<O> = Readonly<Record<keyof O, Check>>;

const EXPECTED: Readonly<Record<Plain, string>> = {
  string: "text",
  text: "text without a zero character",
  number: "a number",
  boolean: "true or false",
  function: "a function",
  object: "an object",
  array: "an array",
  any: "something",
};

/**
 * Throws BAD_OPTION (EINVAL) for options that are no object, a name that is not known, and a value that is none.
 * `undefined` counts as not given.
 */
export function expectOptions<O extends object>(action: string, options: O, known: Known<O>): void {
  if (typeof options !== "object" || options === null)
    throw badOption(action, `its options must be an object, not ${kindOf(options)}`);
  for (const name of Object.keys(options)) {
    const check: Check | undefined = Object.hasOwn(known, name) ? known[name as keyof O] : undefined;
    if (check === undefined) throw badOption(action, unknownName("option", name, Object.keys(known)));
    const value: unknown = options[name as keyof O];
    if (value === undefined || meets(value, check)) continue;
    if (isWords(check)) throw badOption(action, unknownName(name, value, check));
    throw badOption(action, `its option ${name} must be ${expected(check, value)}, not ${kindOf(value)}`);
  }
}

/** Throws BAD_OPTION (EINVAL) for a word that is not one of some. */
export function expectWord(action: string, what: string, word: unknown, words: readonly string[]): void {
  if (!meets(word, words)) throw badOption(action, unknownName(what, word, words));
}

/** Throws BAD_OPTION (EINVAL) for what is no number within bounds. */
export function expectNumber(action: string, what: string, value: unknown, within: Within): void {
  if (!meets(value, within))
    throw badOption(action, `${what} must be ${numbers(within)}, not ${kindOf(value)}`);
}

/** Throws BAD_OPTION (EINVAL) for what is no text that the interface can carry: of 1 to `most` bytes of UTF-8. */
export function expectText(action: string, what: string, value: unknown, most: number): void {
  const carried =
    meets(value, "text") && (value as string).isWellFormed() && Buffer.byteLength(value as string) <= most;
  if (carried && value !== "") return;
  throw badOption(
    action,
    `${what} must be text of 1 to ${most} bytes of UTF-8 without a zero character, not ${kindOf(value)}`,
  );
}

function isWords(check: Check): check is readonly string[] {
  return Array.isArray(check);
}

function meets(value: unknown, check: Check): boolean {
  if (isWords(check)) return typeof value === "string" && check.includes(value);
  if (typeof check === "object") return isWithin(value, check as Within);
  if (check === "any") return true;
  if (check === "array") return Array.isArray(value);
  if (check === "text") return typeof value === "string" && !value.includes("\0");
  return typeof value === check && value !== null;
}

function expected(check: Exclude<Check, readonly string[]>, value: unknown): string {
  if (typeof check === "object") return numbers(check);
  return check === "text" && typeof value !== "string" ? EXPECTED.string : EXPECTED[check];
}

function isWithin(value: unknown, { least, most, fractions = false }: Within): boolean {
  return (
    typeof value === "number" && value >= least && value <= most && (fractions || Number.isInteger(value))
  );
}

function numbers({ least, most, fractions = false }: Within): string {
  return `a ${fractions ? "" : "whole "}number from ${least} to ${most}`;
}

function unknownName(what: string, given: unknown, words: readonly string[]): string {
  const text = typeof given === "string" ? JSON.stringify(given.slice(0, 64)) : kindOf(given);
  const [near] = typeof given === "string" ? nearest(given, words) : [];
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
  return `there is no ${what} ${text}${hint}; allowed are ${words.join(", ")}`;
}

function badOption(action: string, why: string): HmsError {
  return new HmsError("BAD_OPTION", "EINVAL", `${action} failed: ${why}.`);
}

/** What something is, in a word or a few. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return JSON.stringify(value.slice(0, 64));
  const { name } = (value as { readonly constructor?: { readonly name?: unknown } }).constructor ?? {};
  return typeof value === "object" && typeof name === "string" && name !== "" ? name : typeof value;
}
