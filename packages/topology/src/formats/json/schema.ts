import { JSON_SCHEMA_ID, JSON_VERSION, MACHINE } from "./machine-shape.ts";
import type { Kind, Shape } from "./shape.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };

/** What a document in JSON says of itself, and what it holds. */
export interface DocumentKind {
  readonly id: string;
  readonly version: number;
  readonly title: string;
  readonly description: string;
  readonly shape: Shape<never>;
}

/**
 * The JSON Schema (2020-12) of what writeJson writes; published as `schema/topology-1.schema.json`. Fields that it
 * does not name are allowed: a later hms may add some without a new version of the format.
 */
export function topologySchema(): JsonObject {
  return documentSchema({
    id: JSON_SCHEMA_ID,
    version: JSON_VERSION,
    title: "hms topology",
    description:
      "The memories of a machine, what reaches them, and what each costs, as `hms topo --format json` writes it.",
    shape: MACHINE as unknown as Shape<never>,
  });
}

/** The schema of any document that shapes describe. */
export function documentSchema(of: DocumentKind): JsonObject {
  const definitions: Record<string, JsonObject> = {};
  const { kind } = of.shape;
  if (kind.is !== "object") throw new Error("a document is an object");
  const { properties, required } = objectSchema(kind.entries, definitions);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: of.id,
    title: of.title,
    description: of.description,
    type: "object",
    properties: {
      schema: { const: of.id },
      version: { const: of.version, description: "Version of the format." },
      ...properties,
    },
    required: ["schema", "version", ...required],
    $defs: Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function objectSchema(
  entries: Readonly<Record<string, Shape<never>>>,
  definitions: Record<string, JsonObject>,
): { properties: JsonObject; required: string[] } {
  const properties = Object.entries(entries).map(([name, entry]): [string, JsonObject] => [
    name,
    described(schemaOf(entry, definitions), entry.kind.is === "object" ? undefined : entry.note),
  ]);
  const required = Object.entries(entries)
    .filter(([, entry]) => entry.kind.is !== "optional")
    .map(([name]) => name);
  return { properties: Object.fromEntries(properties), required };
}

function described(schema: JsonObject, note: string | undefined): JsonObject {
  return note === undefined ? schema : { ...schema, description: note };
}

function schemaOf(shape: Shape<never>, definitions: Record<string, JsonObject>): JsonObject {
  const kind: Kind = shape.kind;
  switch (kind.is) {
    case "string":
    case "boolean":
      return { type: kind.is };
    case "number":
      return {
        type: kind.integer ? "integer" : "number",
        ...(kind.min === null ? {} : { minimum: kind.min }),
        ...(kind.above === null ? {} : { exclusiveMinimum: kind.above }),
        ...(kind.max === null ? {} : { maximum: kind.max }),
      };
    case "one-of":
      return kind.values.length === 1 ? { const: kind.values[0] ?? null } : { enum: kind.values };
    case "indexes":
      return { type: "string", pattern: "^(\\d+(-\\d+)?(,\\d+(-\\d+)?)*)?$" };
    case "nullable": {
      const of = schemaOf(kind.of, definitions);
      return typeof of.type === "string"
        ? { ...of, type: [of.type, "null"] }
        : { anyOf: [of, { type: "null" }] };
    }
    case "optional":
      return schemaOf(kind.of, definitions);
    case "list":
      return {
        type: "array",
        items: schemaOf(kind.of, definitions),
        ...(kind.length === null ? {} : { minItems: kind.length, maxItems: kind.length }),
      };
    case "texts":
      return { type: "object", additionalProperties: { type: "string" } };
    case "same-as":
      return { $ref: `#/$defs/${kind.name}` };
    case "object": {
      if (!Object.hasOwn(definitions, kind.name)) {
        // Named before its fields are looked at: they may hold the same shape.
        definitions[kind.name] = {};
        const { properties, required } = objectSchema(kind.entries, definitions);
        definitions[kind.name] = described({ type: "object", properties, required }, shape.note);
      }
      return { $ref: `#/$defs/${kind.name}` };
    }
  }
}
