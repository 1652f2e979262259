import type { ErrnoName } from "@hms/topology";
import type { Node } from "yaml";
import type { Backing, ErrorName } from "./case.ts";
import { CODE_NAMES, parseCode } from "./codes.ts";
import { CPU_SIGNALS, ERRNO_NAMES } from "./names.ts";
import type { CaseSource } from "./source.ts";
import type { FieldSpec, Fields } from "./vocabulary.ts";
import { parseWords, WORDS_ALLOWED, type Words } from "./words.ts";

/** What the reading of a field depends on. */
export interface Reading {
  readonly source: CaseSource;
  /** The capabilities that the case lists in `needs`. */
  readonly needs: ReadonlySet<string>;
  /** The round that `$n` stands for; null outside of a repeat. */
  readonly round: number | null;
}

/** A list of steps that is not read yet: a repeat reads it once a round. */
export interface Unread {
  readonly node: Node | null;
}

type ValueOf<S> = S extends { type: "choice"; among: infer A extends readonly string[] }
  ? A[number]
  : S extends { type: "fields"; fields: infer F extends Fields }
    ? Values<F>
    : S extends { type: "list"; fields: infer F extends Fields }
      ? readonly Values<F>[]
      : S extends { type: keyof Simple }
        ? Simple[S["type"]]
        : never;

interface Simple {
  name: string;
  count: number;
  flag: boolean;
  words: Words;
  backing: Backing;
  error: ErrnoName;
  signal: ErrorName;
  errors: readonly ErrnoName[];
  codes: readonly number[];
  steps: Unread;
}

/** The values of a mapping whose fields are described by F. */
export type Values<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends { required: true } ? ValueOf<F[K]> : ValueOf<F[K]> | undefined;
};

/** Reads a mapping; `what` names it in complaints (`step map`). Unknown and missing fields are refused. */
export function readFields<F extends Fields>(
  node: Node | null,
  what: string,
  fields: F,
  reading: Reading,
): Values<F> {
  const source: CaseSource = reading.source;
  const values: Record<string, unknown> = {};
  for (const entry of source.entries(node, what)) {
    const spec = Object.hasOwn(fields, entry.key) ? fields[entry.key] : undefined;
    if (spec === undefined) {
      source.failUnknown(entry.keyNode, `field of ${what}`, entry.key, Object.keys(fields));
    }
    requireExtension(entry.keyNode, `${what}: ${entry.key}`, spec.extension, reading);
    values[entry.key] = readValue(entry.value ?? null, entry.keyNode, `${what}: ${entry.key}`, spec, reading);
  }
  for (const [name, spec] of Object.entries(fields)) {
    if (spec.required === true && !(name in values)) {
      source.fail(node, `${what} lacks the field ${name}`);
    }
  }
  return values as Values<F>;
}

/** An extension's vocabulary may only be used by a case that says so, so that other hosts skip it by name. */
export function requireExtension(
  node: Node | null,
  what: string,
  extension: string | undefined,
  reading: Reading,
): void {
  const source: CaseSource = reading.source;
  if (extension !== undefined && !reading.needs.has(extension)) {
    source.fail(
      node,
      `${what} is of the extension "${extension}"; add ${extension} to the case's needs so that hosts without it skip the case`,
    );
  }
}

function readValue(
  node: Node | null,
  keyNode: Node | null,
  what: string,
  spec: FieldSpec,
  reading: Reading,
): unknown {
  const source: CaseSource = reading.source;
  switch (spec.type) {
    case "fields":
      return readFields(node, what, spec.fields, reading);
    case "list":
      return source
        .items(node, what)
        .map((item) => readFields(item, `an item of ${what}`, spec.fields, reading));
    case "steps":
      source.items(node, what);
      return { node };
    case "codes":
      return source.items(node, what).map((item) => readCode(item, what, reading));
    case "errors":
      return source.items(node, what).map((item) => readChoice(item, item, what, ERRNO_NAMES, reading));
    case "flag":
      return readFlag(node, keyNode, what, reading);
    case "count":
      return readCount(node, keyNode, what, spec, reading);
    case "words":
      return readWords(node, keyNode, what, reading);
    case "backing":
      return readBacking(node, keyNode, what, reading);
    case "error":
      return readChoice(node, keyNode, what, ERRNO_NAMES, reading);
    case "signal":
      return readChoice(node, keyNode, what, [...CPU_SIGNALS, ...ERRNO_NAMES], reading);
    case "choice": {
      const choice = readChoice(node, keyNode, what, spec.among, reading);
      requireExtension(node, `${what} ${choice}`, spec.extensions?.[choice], reading);
      return choice;
    }
    case "name":
      return readName(node, keyNode, what, reading);
  }
}

/** The text of a single value, with `$n` replaced by the round. */
function readText(
  node: Node | null,
  keyNode: Node | null,
  what: string,
  reading: Reading,
): { readonly text: string; readonly value: unknown; readonly replaced: boolean } {
  const source: CaseSource = reading.source;
  if (node === null) source.fail(keyNode, `${what} has no value`);
  const { text, value } = source.scalar(node, what);
  if (value === null) source.fail(keyNode, `${what} has no value`);
  if (!text.includes("$n")) return { text, value, replaced: false };
  if (reading.round === null) source.fail(node, `${what} uses $n, which only the steps of a repeat have`);
  const replaced = text.replaceAll("$n", String(reading.round));
  return { text: replaced, value: replaced, replaced: true };
}

function readFlag(node: Node | null, keyNode: Node | null, what: string, reading: Reading): boolean {
  const source: CaseSource = reading.source;
  const { value, text } = readText(node, keyNode, what, reading);
  if (typeof value !== "boolean") source.fail(node, `${what} must be true or false, but is "${text}"`);
  return value;
}

function readCount(
  node: Node | null,
  keyNode: Node | null,
  what: string,
  spec: { readonly min: number; readonly max: number },
  reading: Reading,
): number {
  const source: CaseSource = reading.source;
  const { value, text, replaced } = readText(node, keyNode, what, reading);
  const count = replaced && /^[0-9]+$/.test(text) ? Number(text) : value;
  if (typeof count !== "number" || !Number.isInteger(count) || count < spec.min || count > spec.max) {
    source.fail(
      node,
      `${what} must be a whole number from ${spec.min} to ${spec.max}, but is ${JSON.stringify(value)}`,
    );
  }
  return count;
}

function readWords(node: Node | null, keyNode: Node | null, what: string, reading: Reading): Words {
  const source: CaseSource = reading.source;
  const { text } = readText(node, keyNode, what, reading);
  const words = parseWords(text);
  if (words === null) {
    const head = text.split(/[:+]/)[0] ?? text;
    source.failUnknown(node, `pattern of ${what}`, head === "" ? text : head, WORDS_ALLOWED.split(", "));
  }
  return words;
}

const BACKINGS = ["anonymous", "file", "hugetlb", "dax"] as const;

function readBacking(node: Node | null, keyNode: Node | null, what: string, reading: Reading): Backing {
  const source: CaseSource = reading.source;
  const { text } = readText(node, keyNode, what, reading);
  const device = /^device:\s*(.+)$/.exec(text)?.[1];
  if (device !== undefined) return { kind: "device", device };
  const kind = BACKINGS.find((name) => name === text);
  if (kind === undefined) source.failUnknown(node, what, text, [...BACKINGS, "device:NAME"]);
  if (kind === "dax") requireExtension(node, `${what} dax`, "dax", reading);
  return { kind };
}

function readChoice(
  node: Node | null,
  keyNode: Node | null,
  what: string,
  among: readonly string[],
  reading: Reading,
): string {
  const source: CaseSource = reading.source;
  const { text } = readText(node, keyNode, what, reading);
  if (!among.includes(text)) source.failUnknown(node, what, text, among);
  return text;
}

const NAME = /^[\w.:@+-]{1,64}$/;

function readName(node: Node | null, keyNode: Node | null, what: string, reading: Reading): string {
  const source: CaseSource = reading.source;
  const { text } = readText(node, keyNode, what, reading);
  if (!NAME.test(text)) {
    source.fail(
      node,
      `${what} must be a name of 1 to 64 letters, digits or any of _ . : @ + -, but is ${JSON.stringify(text)}`,
    );
  }
  return text;
}

function readCode(node: Node | null, what: string, reading: Reading): number {
  const source: CaseSource = reading.source;
  const { text } = readText(node, node, what, reading);
  const code = parseCode(text);
  if (typeof code === "number") return code;
  if ("unknown" in code) source.failUnknown(node, `code of ${what}`, code.unknown, CODE_NAMES);
  source.fail(
    node,
    `${what}: "${code.clash}" names things that exclude each other; ERROR and NONE stand alone, and a code has at most one of READ and WRITE, one of PMD and PUD, one place`,
  );
}
