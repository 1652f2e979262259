import { readFileSync, statSync } from "node:fs";
import { Decoder, isRecord, shown } from "../formats/json/decode.ts";
import { HmsError } from "../model/error.ts";
import { unreadable } from "../open-errors.ts";
import type { Measurements } from "./measurements.ts";
import { MEASURED_SCHEMA_ID, MEASURED_VERSION, MEASUREMENTS } from "./shape.ts";

/** Bytes of a file of measurements that are read, at most: 64 nodes × 64 nodes take about 4 MiB. */
export const MEASURED_BYTES_MAX: number = 64 * 2 ** 20;

/** Measurements as the text of a file (`schema/measured-1.schema.json`), which `parseMeasurements` reads again. */
export function writeMeasurements(measurements: Measurements): string {
  const document = { schema: MEASURED_SCHEMA_ID, version: MEASURED_VERSION, ...measurements };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/**
 * Reads what `writeMeasurements` wrote.
 *
 * @param name what errors call the document: its path
 * @throws HmsError MEASURED_INVALID (EINVAL) for what is none, JSON_INVALID (EINVAL) with the place of what is wrong,
 * JSON_VERSION_UNKNOWN (EPROTONOSUPPORT)
 */
export function parseMeasurements(text: string, name = "text"): Measurements {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(name, text.trim() === "" ? "it is empty" : "it is no JSON, or cut short");
  }
  if (!isRecord(value)) throw invalid(name, `it is ${shown(value)}`);
  const { schema, version } = value;
  if (schema !== MEASURED_SCHEMA_ID && !/^urn:hms:schema:measured-\d+$/.test(String(schema)))
    throw invalid(name, `expected ${MEASURED_SCHEMA_ID} as schema, but got ${shown(schema)}`);
  if (schema !== MEASURED_SCHEMA_ID || version !== MEASURED_VERSION)
    throw new HmsError(
      "JSON_VERSION_UNKNOWN",
      "EPROTONOSUPPORT",
      `Read measurements ${name}: their format has version ${shown(version)}, but this hms reads version ${MEASURED_VERSION}; measure again with this one.`,
    );
  return new Decoder(name).decode(value, MEASUREMENTS, "");
}

/**
 * Reads a file of measurements.
 *
 * @throws HmsError as `parseMeasurements`, INPUT_NOT_FOUND (ENOENT), INPUT_UNREADABLE (EACCES, EIO), INPUT_TOO_LARGE (EFBIG)
 */
export function readMeasurements(path: string): Measurements {
  let text: string;
  try {
    const stats = statSync(path);
    if (!stats.isFile())
      throw invalid(path, stats.isDirectory() ? "it is a folder" : "it is no regular file");
    if (stats.size > MEASURED_BYTES_MAX)
      throw new HmsError(
        "INPUT_TOO_LARGE",
        "EFBIG",
        `Read measurements ${path}: expected at most ${MEASURED_BYTES_MAX} bytes, but there are ${stats.size}; give what hms measure --save wrote.`,
      );
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (HmsError.is(error)) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new HmsError(
        "INPUT_NOT_FOUND",
        "ENOENT",
        `Read measurements ${JSON.stringify(path)}: there is no such file; make it with hms measure --save.`,
      );
    throw unreadable(path, error);
  }
  return parseMeasurements(text, path);
}

function invalid(name: string, problem: string): HmsError {
  return new HmsError(
    "MEASURED_INVALID",
    "EINVAL",
    `Read measurements ${name}: ${problem}; give what hms measure --save wrote.`,
  );
}
