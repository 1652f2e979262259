import type { LinkProperties } from "../model/facts.ts";
import { preferred, type Quantity } from "../model/quantity.ts";

/** The numeric properties of a link, and whether more of it is better. */
export const NUMBERS = [
  ["readBandwidth", 1],
  ["writeBandwidth", 1],
  ["readLatency", -1],
  ["writeLatency", -1],
  ["distance", -1],
] as const;

/** Nothing known. */
export const UNKNOWN_PROPERTIES: LinkProperties = Object.freeze({
  readBandwidth: null,
  writeBandwidth: null,
  readLatency: null,
  writeLatency: null,
  distance: null,
  coherent: null,
  atomics: null,
});

/** Two statements about the same pair as one: each number by precedence of origin, each flag from the first that knows it. */
export function mergeProperties(first: LinkProperties, second: LinkProperties): LinkProperties {
  return {
    readBandwidth: preferred([first.readBandwidth, second.readBandwidth]),
    writeBandwidth: preferred([first.writeBandwidth, second.writeBandwidth]),
    readLatency: preferred([first.readLatency, second.readLatency]),
    writeLatency: preferred([first.writeLatency, second.writeLatency]),
    distance: preferred([first.distance, second.distance]),
    coherent: first.coherent ?? second.coherent,
    atomics: first.atomics ?? second.atomics,
  };
}

/** Equal for properties that belong on one link: same values from the same origins; the details may differ. */
export function propertiesKey(properties: LinkProperties): string {
  let key = `${properties.coherent ?? "?"},${properties.atomics ?? "?"}`;
  for (const [name] of NUMBERS) {
    const number = properties[name];
    key += number === null ? ";" : `;${number.value}${number.origin}`;
  }
  return key;
}

/**
 * Properties of a link out of those of its pairs (which have the same key): a detail that differs from pair to
 * pair, and what other origins said of one pair only, cannot be said of the link and is left out.
 */
export function commonProperties(one: LinkProperties, other: LinkProperties): LinkProperties {
  const common = (a: Quantity | null, b: Quantity | null): Quantity | null => {
    if (a === null || b === null || a === b) return a;
    const { detail, others, ...plain } = a;
    return {
      ...plain,
      ...(detail !== undefined && detail === b.detail ? { detail } : {}),
      ...(others !== undefined && sameOthers(others, b.others) ? { others } : {}),
    };
  };
  return {
    ...one,
    readBandwidth: common(one.readBandwidth, other.readBandwidth),
    writeBandwidth: common(one.writeBandwidth, other.writeBandwidth),
    readLatency: common(one.readLatency, other.readLatency),
    writeLatency: common(one.writeLatency, other.writeLatency),
    distance: common(one.distance, other.distance),
  };
}

function sameOthers(a: readonly Quantity[], b: readonly Quantity[] | undefined): boolean {
  return (
    b !== undefined &&
    a.length === b.length &&
    a.every((q, i) => q.value === b[i]?.value && q.origin === b[i]?.origin)
  );
}

/**
 * Whether a pair that has `better` may also sit on a link with `worse` without being told anything wrong: the
 * best link of a pair counts, and `better` is at least as good in everything that `worse` states.
 */
export function dominates(better: LinkProperties, worse: LinkProperties): boolean {
  for (const [name, sign] of NUMBERS) {
    const w = worse[name];
    if (w === null) continue;
    const b = better[name];
    if (b === null || (b.value - w.value) * sign < 0) return false;
  }
  return impliedBy(better.coherent, worse.coherent) && impliedBy(better.atomics, worse.atomics);
}

function impliedBy(better: boolean | null, worse: boolean | null): boolean {
  return worse === null || better === worse || (better === true && worse === false);
}
