// What programs hand over is checked before anything is done with it: types are gone when a program runs.
import { HmsError, nearest } from "@hms/topology";

/** What the value of an option has to be: a type, `any` for what is checked elsewhere, or one of some words. */
type Check = "string" | "number" | "boolean" | "function" | "object" | "array" | "any" | readonly string[];

/** All options of a kind, and what their values have to be. */
export type Known<O> = Readonly<Record<keyof O, Check>>;

const EXPECTED: Readonly<Record<Exclude<Check, readonly string[]>, string>> = {
  string: "text",
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
    throw badOption(action, `its option ${name} must be ${EXPECTED[check]}, not ${kindOf(value)}`);
  }
}

/** Throws BAD_OPTION (EINVAL) for a word that is not one of some. */
export function expectWord(action: string, what: string, word: unknown, words: readonly string[]): void {
  if (!meets(word, words)) throw badOption(action, unknownName(what, word, words));
}

function isWords(check: Check): check is readonly string[] {
  return typeof check !== "string";
}

function meets(value: unknown, check: Check): boolean {
  if (isWords(check)) return typeof value === "string" && check.includes(value);
  if (check === "any") return true;
  if (check === "array") return Array.isArray(value);
  return typeof value === check && value !== null;
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
