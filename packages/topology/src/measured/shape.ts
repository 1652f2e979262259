import {
  count,
  index,
  indexes,
  list,
  noted,
  nullable,
  number,
  object,
  oneOf,
  positive,
  type Shape,
  string,
} from "../formats/json/shape.ts";
import type {
  MeasuredChase,
  MeasuredDevice,
  MeasuredHost,
  MeasuredNode,
  MeasuredPair,
  MeasuredRates,
  Measurements,
  MeasureSettings,
  NotMeasured,
  Sample,
} from "./measurements.ts";

/** What a file of measurements says that it is. */
export const MEASURED_SCHEMA_ID = "urn:hms:schema:measured-1";
/** The version of the format that this library reads and writes. */
export const MEASURED_VERSION = 1;

const bytes = noted(count, "Bytes.");
const sample: Shape<Sample> = object(
  "sample",
  { median: positive, min: positive, max: positive, runs: count },
  "Of several runs.",
);
const rate = noted(sample, "Bytes/s.");
const strings = list(string);

const rates: Shape<MeasuredRates> = object("rates", {
  threads: noted(count, "CPUs at work at the same time."),
  bytes,
  read: rate,
  write: rate,
  copy: noted(sample, "Bytes/s copied: each is read once and written once."),
});

const chase: Shape<MeasuredChase> = object("chase", {
  bytes,
  hugePages: noted(number, "Part of the memory that was in huge pages, 0 to 1."),
  latency: noted(sample, "ns a load."),
});

const pair: Shape<MeasuredPair> = object("pair", {
  initiator: string,
  target: string,
  rates: list(rates),
  chases: list(chase),
  placement: oneOf(["verified", "only node"]),
  notes: strings,
});

const device: Shape<MeasuredDevice> = object("device", {
  device: string,
  bytes,
  toDevice: rate,
  toHost: rate,
});

const missing: Shape<NotMeasured> = object("missing", {
  initiator: noted(nullable(string), "null: any."),
  target: noted(nullable(string), "null: any."),
  why: string,
});

const node: Shape<MeasuredNode> = object("node", {
  index,
  size: noted(nullable(count), "Bytes; null: unknown."),
  cpus: indexes,
});

const host: Shape<MeasuredHost> = object("host", {
  architecture: nullable(string),
  cpuModel: nullable(string),
  machine: noted(nullable(string), "A hash of the machine's id; null: it has none."),
  nodes: list(node),
});

const kernel = oneOf(["simd", "library"]);
const settings: Shape<MeasureSettings> = object("settings", {
  runs: count,
  windowMs: positive,
  write: kernel,
  copy: kernel,
});

/** The document, apart from `schema` and `version`. */
export const MEASUREMENTS: Shape<Measurements> = object("measurements", {
  when: noted(string, "ISO 8601, UTC."),
  host,
  settings,
  pairs: list(pair),
  devices: list(device),
  missing: list(missing),
  warnings: strings,
});
