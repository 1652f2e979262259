import type { LinkMedium, LinkProperties } from "../../model/facts.ts";
import { LINK_MEDIA } from "../../model/facts.ts";
import { type ByteCount, ORIGINS, type Origin, type Quantity } from "../../model/quantity.ts";
import { tryParseBandwidth, tryParseLatency, tryParseSize } from "../../model/units.ts";
import { type Field, type Fields, shown } from "./field.ts";
import { DISTANCE_MAX } from "./limits.ts";
import { offer } from "./suggest.ts";

/** A source's short name: what `from` and `source` refer to. A source that is no such name is the source itself. */
const SOURCE_NAME = /^[\w.:-]+$/;

/** A number and where its writer has it from; null when the spec does not say. */
export interface Sourced {
  readonly value: number;
  readonly source: string | null;
}

/** A source that names an origin first, as a machine is written back: `kfd`, `hmat: node2/access0`. */
const ORIGIN_FIRST = new RegExp(`^(${ORIGINS.join("|")})(?:: (.*))?$`, "s");

/** A number with its source: of the origin that the source names first, else of the spec itself. */
export function sourced(value: number, source: string | null): Quantity {
  if (source === null) return { value, origin: "spec" };
  const [, origin, detail] = ORIGIN_FIRST.exec(source) ?? [];
  if (origin === undefined) return { value, origin: "spec", detail: source };
  return detail === undefined
    ? { value, origin: origin as Origin }
    : { value, origin: origin as Origin, detail };
}

/** Reads numbers with units and sources. */
export class Numbers {
  readonly #sources: ReadonlyMap<string, string>;

  constructor(sources: ReadonlyMap<string, string>) {
    this.#sources = sources;
  }

  /** The text behind `source:`, or that of the mapping around when it has none. */
  source(field: Field | undefined, outer: string | null): string | null {
    return field === undefined ? outer : this.#named(field, field.prose());
  }

  #named(field: Field, text: string): string {
    const found = this.#sources.get(text);
    if (found !== undefined) return found;
    if (!SOURCE_NAME.test(text)) return text;
    return field.fail(`there is no source ${shown(text)} in sources${offer(text, this.#sources.keys())}`);
  }

  /** `410GB/s`, `410GB/s from NAME`, or `{ value: 410GB/s, source: text }`. */
  read(field: Field, outer: string | null, parse: (text: string) => number | string): Sourced {
    if (field.value.kind === "map") {
      const fields = field.fields(["value", "source"]);
      const value = fields.require("value", "a number with its unit");
      return this.read(value, this.source(fields.get("source"), outer), parse);
    }
    const text = field.raw("a number with its unit");
    const [, number = text, name] = /^(.*\S)\s+from\s+(\S+)\s*$/s.exec(text) ?? [];
    const source = name === undefined ? outer : this.#named(field, name);
    const value = parse(number);
    return typeof value === "number" ? { value, source } : field.fail(value);
  }

  quantity(
    field: Field | undefined,
    outer: string | null,
    parse: (text: string) => number | string,
  ): Quantity | null {
    if (field === undefined) return null;
    const { value, source } = this.read(field, outer, parse);
    return sourced(value, source);
  }

  /** A size; `none` is 0, `unknown` and a missing field are null. */
  size(field: Field | undefined, outer: string | null): { bytes: ByteCount | null; source: string | null } {
    if (field === undefined) return { bytes: null, source: null };
    if (field.value.kind === "scalar") {
      const text = field.raw("a size");
      if (text === "none") return { bytes: 0, source: null };
      if (text === "unknown") return { bytes: null, source: null };
    }
    const { value, source } = this.read(field, outer, tryParseSize);
    return { bytes: value, source };
  }
}

/** Reads a relative distance, as the other units are read. */
export function tryParseDistance(text: string): number | string {
  const value = /^\d{1,6}(\.\d{1,9})?$/.test(text.trim()) ? Number(text) : 0;
  return value > 0 && value <= DISTANCE_MAX
    ? value
    : `expected a relative distance from 1 to ${DISTANCE_MAX} (10 is local), but got ${shown(text)}`;
}

/** The fields of a mapping that state properties of a link. */
export const PROPERTY_FIELDS: readonly string[] = [
  "medium",
  "bandwidth",
  "read-bandwidth",
  "write-bandwidth",
  "latency",
  "read-latency",
  "write-latency",
  "distance",
  "coherent",
  "atomics",
  "source",
];

/** Reads the properties of a link; `outer` is the source of numbers that name none. */
export function readProperties(fields: Fields, numbers: Numbers, outer: string | null): LinkProperties {
  const source = numbers.source(fields.get("source"), outer);
  const both = (
    name: string,
    parse: (text: string) => number | string,
  ): [Quantity | null, Quantity | null] => {
    const read = numbers.quantity(fields.get(`read-${name}`), source, parse);
    const write = numbers.quantity(fields.get(`write-${name}`), source, parse);
    const common = numbers.quantity(fields.get(name), source, parse);
    if (common !== null && read !== null && write !== null) {
      fields.get(name)?.fail(`${name} says nothing beside read-${name} and write-${name}; leave it out`);
    }
    return [read ?? common, write ?? common];
  };
  const [readBandwidth, writeBandwidth] = both("bandwidth", tryParseBandwidth);
  const [readLatency, writeLatency] = both("latency", tryParseLatency);
  return {
    readBandwidth,
    writeBandwidth,
    readLatency,
    writeLatency,
    distance: numbers.quantity(fields.get("distance"), source, tryParseDistance),
    coherent: fields.get("coherent")?.flag() ?? null,
    atomics: fields.get("atomics")?.flag() ?? null,
  };
}

export function readMedium(fields: Fields, otherwise: LinkMedium): LinkMedium {
  return fields.get("medium")?.choice(LINK_MEDIA) ?? otherwise;
}

/** Two statements of one pair: what the second says, and the first where the second says nothing. */
export function overlay(first: LinkProperties, second: LinkProperties): LinkProperties {
  return {
    readBandwidth: second.readBandwidth ?? first.readBandwidth,
    writeBandwidth: second.writeBandwidth ?? first.writeBandwidth,
    readLatency: second.readLatency ?? first.readLatency,
    writeLatency: second.writeLatency ?? first.writeLatency,
    distance: second.distance ?? first.distance,
    coherent: second.coherent ?? first.coherent,
    atomics: second.atomics ?? first.atomics,
  };
}
