import { IndexSet } from "../../model/index-set.ts";
import type { Machine } from "../../model/machine.ts";
import { JSON_SCHEMA_ID, JSON_VERSION, MACHINE } from "./machine-shape.ts";
import type { Kind, Shape } from "./shape.ts";

/** What fits into this many characters is written on one line. */
const LINE_MAX = 160;
const INDENT = "  ";

/**
 * Writes a machine as JSON (docs/reference/json.md, `schema/topology-1.schema.json`): all of it, fields always in the
 * same order, an object a line where that is legible. `readJson` gives the same machine back.
 */
export function writeJson(machine: Machine): string {
  const { kind } = MACHINE;
  const fields = [
    `"schema": ${JSON.stringify(JSON_SCHEMA_ID)}`,
    `"version": ${JSON_VERSION}`,
    ...(kind.is === "object" ? writeFields(machine, kind.entries, INDENT) : []),
  ];
  return `{\n${INDENT}${fields.join(`,\n${INDENT}`)}\n}\n`;
}

function writeFields(
  value: object,
  entries: Readonly<Record<string, Shape<never>>>,
  indent: string,
): string[] {
  const fields: string[] = [];
  const values = value as Readonly<Record<string, unknown>>;
  for (const name in entries) {
    const entry = entries[name];
    const inner = values[name];
    if (entry === undefined || inner === undefined) continue;
    fields.push(`"${name}": ${write(inner, entry.kind, indent)}`);
  }
  return fields;
}

function write(value: unknown, kind: Kind, indent: string): string {
  if (value === null) return "null";
  switch (kind.is) {
    case "nullable":
    case "optional":
      return write(value, kind.of.kind, indent);
    case "same-as":
      return write(value, kind.of().kind, indent);
    case "indexes":
      return `"${value instanceof IndexSet ? value.toList() : ""}"`;
    case "list": {
      const items = (value as readonly unknown[]).map((item) => write(item, kind.of.kind, indent + INDENT));
      const of = kind.of.kind.is;
      // Numbers stay in a line, however long it is: nobody reads a number a line. Objects have a line each.
      const fit = of === "number" ? "always" : of === "object" && items.length > 1 ? "never" : "if-short";
      return join("[", items, "]", indent, fit);
    }
    case "texts": {
      const texts = Object.entries(value as Readonly<Record<string, string>>);
      const fields = texts.map(([name, text]) => `${JSON.stringify(name)}: ${JSON.stringify(text)}`);
      return join("{", fields, "}", indent, "if-short");
    }
    case "object":
      return join("{", writeFields(value as object, kind.entries, indent + INDENT), "}", indent, "if-short");
    default:
      return JSON.stringify(value) ?? "null";
  }
}

function join(
  open: string,
  items: readonly string[],
  close: string,
  indent: string,
  inOneLine: "always" | "if-short" | "never",
): string {
  if (items.length === 0) return open + close;
  const blank = open === "{" ? " " : "";
  const length = items.reduce((sum, item) => sum + item.length + 2, indent.length);
  const short = inOneLine === "if-short" && length <= LINE_MAX && !items.some((item) => item.includes("\n"));
  if (short || inOneLine === "always") return `${open}${blank}${items.join(", ")}${blank}${close}`;
  const inner = `\n${indent}${INDENT}`;
  return `${open}${inner}${items.join(`,${inner}`)}\n${indent}${close}`;
}
