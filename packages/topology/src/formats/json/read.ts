import { HmsError } from "../../model/error.ts";
import type { Machine } from "../../model/machine.ts";
import { Decoder, isRecord, jsonError, shown } from "./decode.ts";
import { JSON_SCHEMA_ID, JSON_VERSION, MACHINE } from "./machine-shape.ts";
import { checkReferences } from "./references.ts";
import { knownObjects } from "./versions.ts";

/** Characters of a document that are read, at most. */
export const JSON_TEXT_MAX: number = 256 * 2 ** 20;

/**
 * Reads what `writeJson` wrote, as it was: `input` says where the machine came from at first. Objects of a version
 * that this library does not know are treated as absent, and counted.
 *
 * @param name what errors call the document: its path
 * @throws HmsError JSON_INVALID (EINVAL) with the place of what is wrong, JSON_VERSION_UNKNOWN (EPROTONOSUPPORT), JSON_TOO_LARGE (EFBIG)
 */
export function readJson(text: string, name = "text"): Machine {
  if (text.length > JSON_TEXT_MAX) {
    throw new HmsError(
      "JSON_TOO_LARGE",
      "EFBIG",
      `Read JSON ${name}: expected at most ${JSON_TEXT_MAX} characters, but got ${text.length}; leave something out.`,
    );
  }
  const document = parse(text, name);
  checkFormat(document, name);
  const { lists, unknownVersions, warnings } = knownObjects(document);
  const machine = new Decoder(name).decode({ ...document, ...lists }, MACHINE, "");
  const known =
    unknownVersions === 0
      ? machine
      : Object.freeze({
          ...machine,
          unknownVersions: machine.unknownVersions + unknownVersions,
          warnings: Object.freeze([
            ...machine.warnings,
            ...warnings.map((message) => Object.freeze({ path: "", message })),
          ]),
        });
  checkReferences(known, name);
  return known;
}

function parse(text: string, name: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8 quotes the text around the place; where it is says enough.
    const message = error instanceof Error ? error.message : String(error);
    const place = /\(line \d+ column \d+\)/.exec(message)?.[0];
    const cut = /^Unexpected end|^Unterminated/.test(message);
    const problem = cut
      ? "it ends too early; is the file cut short?"
      : `it is no JSON${place === undefined ? "" : ` ${place}`}`;
    throw jsonError(name, "", problem.replace(/\?$/, "? Write it again"));
  }
  if (isRecord(value)) return value;
  throw jsonError(name, "", `expected the object that hms writes, but got ${shown(value)}`);
}

function checkFormat(document: Readonly<Record<string, unknown>>, name: string): void {
  const { schema, version } = document;
  const ours = typeof schema === "string" && /^urn:hms:schema:topology-\d+$/.test(schema);
  if (!ours) {
    throw jsonError(
      name,
      "schema",
      `expected ${JSON_SCHEMA_ID}, but got ${shown(schema)}; this is not what hms topo --format json writes`,
    );
  }
  if (version === JSON_VERSION && schema === JSON_SCHEMA_ID) return;
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) {
    throw jsonError(name, "version", `expected ${JSON_VERSION}, but got ${shown(version)}`);
  }
  throw new HmsError(
    "JSON_VERSION_UNKNOWN",
    "EPROTONOSUPPORT",
    `Read JSON ${name}: its format has version ${version}, but this hms reads version ${JSON_VERSION}; use a newer hms, or write it again with this one.`,
  );
}
