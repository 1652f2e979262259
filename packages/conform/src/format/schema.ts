import { CODE_NAMES } from "./codes.ts";
import { CPU_SIGNALS, ERRNO_NAMES } from "./names.ts";
import { type FieldSpec, type Fields, STEPS, type StepSpec } from "./vocabulary.ts";

type Json = { readonly [key: string]: unknown };

/**
 * The JSON Schema of the format, for editors; made of the table that the parser reads. What it cannot say (which
 * regions exist, which fields belong to which device command) the parser checks.
 */
export function caseSchema(): Json {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "hms conformance case",
    type: "object",
    additionalProperties: false,
    required: ["name", "steps"],
    properties: {
      name: { type: "string", minLength: 1, maxLength: 120 },
      needs: { type: "array", items: { type: "string" } },
      devices: { type: "object", additionalProperties: { enum: ["private", "coherent"] } },
      steps: { $ref: "#/$defs/steps" },
    },
    $defs: {
      steps: { type: "array", items: { $ref: "#/$defs/step" } },
      step: {
        type: "object",
        minProperties: 1,
        maxProperties: 1,
        additionalProperties: false,
        properties: steps(),
      },
    },
  };
}

function steps(): Json {
  return Object.fromEntries(
    Object.entries<StepSpec>(STEPS).map(([name, { fields, extension }]) => [
      name,
      { ...mapping(fields), ...note(extension) },
    ]),
  );
}

function mapping(fields: Fields): Json {
  const required = Object.keys(fields).filter((name) => fields[name]?.required === true);
  return {
    type: "object",
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(
      Object.entries(fields).map(([name, spec]) => [name, { ...field(spec), ...note(spec.extension) }]),
    ),
  };
}

function note(extension: string | undefined): Json {
  return extension === undefined
    ? {}
    : { description: `Extension: the case must list ${extension} in needs.` };
}

const ROUND = { type: "string", pattern: "\\$n" };

function field(spec: FieldSpec): Json {
  switch (spec.type) {
    case "count":
      return { anyOf: [{ type: "integer", minimum: spec.min, maximum: spec.max }, ROUND] };
    case "flag":
      return { type: "boolean" };
    case "choice":
      return { enum: spec.among };
    case "name":
      return { type: ["string", "number"] };
    case "words":
      return { type: "string", pattern: "^(index([+].+)?|negative|zero|constant:.+)$" };
    case "backing":
      return { type: "string", pattern: "^(anonymous|file|hugetlb|dax|device:.+)$" };
    case "error":
      return { enum: ERRNO_NAMES };
    case "signal":
      return { enum: [...CPU_SIGNALS, ...ERRNO_NAMES] };
    case "errors":
      return { type: "array", items: { enum: ERRNO_NAMES } };
    case "codes":
      return {
        type: "array",
        items: { type: "string", pattern: `^(${CODE_NAMES.join("|")})([|](${CODE_NAMES.join("|")}))*$` },
      };
    case "steps":
      return { $ref: "#/$defs/steps" };
    case "fields":
      return mapping(spec.fields);
    case "list":
      return { type: "array", items: mapping(spec.fields) };
  }
}
