import { type ErrnoName, HmsError } from "./error.ts";
import type { ByteCount, BytesPerSecond, Nanoseconds } from "./quantity.ts";

/** Largest size that is read: what a JavaScript number holds exactly, a byte below 8 PiB. */
export const SIZE_MAX: ByteCount = Number.MAX_SAFE_INTEGER;
/** Largest bandwidth that is read: 1,000 TB/s; more is a slip of the pen. */
export const BANDWIDTH_MAX: BytesPerSecond = 1e15;
/** Largest latency that is read: a minute. */
export const LATENCY_MAX: Nanoseconds = 60e9;

const BINARY_PREFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi"] as const;
const DECIMAL_PREFIXES = ["", "k", "M", "G", "T", "P"] as const;

/** A unit: the number is multiplied by 10^decimal and 2^binary. */
interface Unit {
  readonly decimal: number;
  readonly binary: number;
}

/** One sort of number with a unit: what it is called, its units, its bounds. */
interface Dimension {
  readonly noun: string;
  readonly example: string;
  readonly units: ReadonlyMap<string, Unit>;
  readonly hints: Readonly<Record<string, string>>;
  readonly max: number;
  readonly maxText: string;
  /** Values are whole numbers (bytes). */
  readonly whole: boolean;
}

function byteUnits(suffix: string): [string, Unit][] {
  return [
    ...BINARY_PREFIXES.map((p, i): [string, Unit] => [`${p}B${suffix}`, { decimal: 0, binary: 10 * i }]),
    ...DECIMAL_PREFIXES.map((p, i): [string, Unit] => [`${p}B${suffix}`, { decimal: 3 * i, binary: 0 }]),
    // Both ways to write a thousand are in use.
    [`KB${suffix}`, { decimal: 3, binary: 0 }],
  ];
}

function bitUnits(suffixes: readonly string[]): [string, Unit][] {
  return suffixes.flatMap((suffix) =>
    DECIMAL_PREFIXES.map((p, i): [string, Unit] => [`${p}${suffix}`, { decimal: 3 * i, binary: -3 }]),
  );
}

const SIZE: Dimension = {
  noun: "a size",
  example: "64GiB",
  units: new Map(byteUnits("")),
  hints: {
    K: "write KiB (1,024) or kB (1,000)",
    M: "write MiB (1,024²) or MB (1,000²)",
    G: "write GiB (1,024³) or GB (1,000³)",
    T: "write TiB (1,024⁴) or TB (1,000⁴)",
    Gb: "that is bits; write GiB or GB for bytes",
    Mb: "that is bits; write MiB or MB for bytes",
  },
  max: SIZE_MAX,
  maxText: "8PiB less a byte",
  whole: true,
};

const BANDWIDTH: Dimension = {
  noun: "a bandwidth",
  example: "410GB/s, 48.5GiB/s or 100Gb/s",
  units: new Map([...byteUnits("/s"), ...bitUnits(["b/s", "bit/s", "bps"])]),
  hints: {
    "GT/s": "transfers a second are no bandwidth without a width; write GB/s",
    "MT/s": "transfers a second are no bandwidth without a width; write GB/s",
    GBps: "write GB/s for bytes or Gb/s for bits",
    MBps: "write MB/s for bytes or Mb/s for bits",
    TBps: "write TB/s for bytes or Tb/s for bits",
    GB: "that is a size; write GB/s",
    TB: "that is a size; write TB/s",
    GiB: "that is a size; write GiB/s",
  },
  max: BANDWIDTH_MAX,
  maxText: "1000TB/s",
  whole: false,
};

const LATENCY: Dimension = {
  noun: "a latency",
  example: "95ns, 1.44us or 0.3ms",
  units: new Map([
    ["ns", { decimal: 0, binary: 0 }],
    ["us", { decimal: 3, binary: 0 }],
    // Two characters look the same: the micro sign and the Greek letter.
    ["\u00b5s", { decimal: 3, binary: 0 }],
    ["\u03bcs", { decimal: 3, binary: 0 }],
    ["ms", { decimal: 6, binary: 0 }],
    ["s", { decimal: 9, binary: 0 }],
  ]),
  hints: {
    n: "write ns",
    u: "write us",
    m: "write ms",
    cycles: "convert cycles to ns at the clock they ran at",
  },
  max: LATENCY_MAX,
  maxText: "60s",
  whole: false,
};

/** At most this many characters of a wrong value are shown in an error. */
const SHOWN_MAX = 40;

function shown(text: string): string {
  if (text.trim() === "") return "nothing";
  return JSON.stringify(text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);
}

/** Reads a number with a unit; a string instead of a number says what is wrong, as the end of a sentence. */
function parse(text: string, dimension: Dimension): number | string {
  const { noun, example } = dimension;
  const expected = `expected ${noun} such as ${example}, but got ${shown(text)}`;
  const match = /^(-?)(\d+(?:\.\d+)?)\s*(\D*)$/u.exec(text.trim());
  if (match === null || text.length > 4 * SHOWN_MAX) return expected;
  const [, minus, digits = "", name = ""] = match;
  if (name === "") return `${expected}: the unit is missing`;
  const unit = dimension.units.get(name);
  if (unit === undefined) {
    const hint = Object.hasOwn(dimension.hints, name) ? `, ${dimension.hints[name]}` : "";
    return `${expected}: there is no unit ${shown(name)}${hint}`;
  }
  // A decimal shift in the text, then a power of two: both are exact, so what was written comes back to the last bit.
  const value = Number(`${digits}e${unit.decimal}`) * 2 ** unit.binary;
  if (minus !== "" || !(value > 0)) return `expected ${noun} greater than 0, but got ${shown(text)}`;
  if (value > dimension.max)
    return `expected ${noun} of at most ${dimension.maxText}, but got ${shown(text)}`;
  if (!dimension.whole) return value;
  const rounded = Math.round(value);
  return rounded >= 1 ? rounded : `expected ${noun} of whole bytes, but got ${shown(text)}`;
}

function orThrow(result: number | string, code: string, action: string): number {
  if (typeof result === "number") return result;
  throw new HmsError(code, "EINVAL" satisfies ErrnoName, `${action}: ${result}.`);
}

/** As parseSize, but gives a string that says what is wrong (the end of a sentence) instead of throwing. */
export function tryParseSize(text: string): ByteCount | string {
  return parse(text, SIZE);
}

/** As parseBandwidth, but gives a string that says what is wrong (the end of a sentence) instead of throwing. */
export function tryParseBandwidth(text: string): BytesPerSecond | string {
  return parse(text, BANDWIDTH);
}

/** As parseLatency, but gives a string that says what is wrong (the end of a sentence) instead of throwing. */
export function tryParseLatency(text: string): Nanoseconds | string {
  return parse(text, LATENCY);
}

/**
 * Reads a size in bytes: `64GiB` (1,024³), `64GB` (1,000³), `1.5 TiB`, `4096B`. The unit is required. Part of a byte
 * is rounded. Throws HmsError SIZE_INVALID (EINVAL) for anything else, also for 0 and for more than SIZE_MAX.
 *
 * @example
 * ```ts
 * import { parseSize } from "@hms/topology";
 * console.log(parseSize("64GiB")); // 68719476736
 * ```
 */
export function parseSize(text: string): ByteCount {
  return orThrow(tryParseSize(text), "SIZE_INVALID", "Read a size");
}

/**
 * Reads a bandwidth in bytes a second: `410GB/s`, `48.5 GiB/s`; `100Gb/s`, `100Gbit/s` and `100Gbps` count bits.
 * Throws HmsError BANDWIDTH_INVALID (EINVAL) for anything else, also for 0 and for more than BANDWIDTH_MAX.
 */
export function parseBandwidth(text: string): BytesPerSecond {
  return orThrow(tryParseBandwidth(text), "BANDWIDTH_INVALID", "Read a bandwidth");
}

/**
 * Reads a latency in nanoseconds: `95ns`, `1.44us`, `1.44µs`, `0.3 ms`, `1s`.
 * Throws HmsError LATENCY_INVALID (EINVAL) for anything else, also for 0 and for more than LATENCY_MAX.
 */
export function parseLatency(text: string): Nanoseconds {
  return orThrow(tryParseLatency(text), "LATENCY_INVALID", "Read a latency");
}

/** How a number is shown to people. */
export interface FormatOptions {
  /** What stands for a number that is not known; `unknown` when left out. */
  readonly unknown?: string;
}

/** Three digits where there are that many: 1.44, 48.5, 410; 1,023 where the next unit is at 1,024. */
function threeDigits(value: number): number {
  if (value >= 100) return Math.round(value);
  return value >= 10 ? Math.round(value * 10) / 10 : Math.round(value * 100) / 100;
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let scale = 0;
  let shownValue = threeDigits(value);
  while (shownValue >= step && scale < units.length - 1) {
    scale++;
    shownValue = threeDigits(value / step ** scale);
  }
  // Less than a hundredth of the smallest unit is not nothing.
  if (shownValue === 0 && value > 0) return `<0.01 ${units[scale]}`;
  return `${shownValue} ${units[scale]}`;
}

/** A size for people: `64 GiB`, `62.6 GiB`, `0 B`; binary units, about three digits. Null is unknown. */
export function formatSize(bytes: ByteCount | null | undefined, options?: FormatOptions): string {
  if (bytes === null || bytes === undefined || !(bytes >= 0)) return options?.unknown ?? "unknown";
  return scaled(
    bytes,
    1024,
    BINARY_PREFIXES.map((p) => `${p}B`),
  );
}

/** A bandwidth for people: `410 GB/s`, `3.35 TB/s`; decimal units, about three digits. Null and 0 are unknown. */
export function formatBandwidth(rate: BytesPerSecond | null | undefined, options?: FormatOptions): string {
  if (rate === null || rate === undefined || !(rate > 0)) return options?.unknown ?? "unknown";
  return scaled(
    rate,
    1000,
    DECIMAL_PREFIXES.map((p) => `${p}B/s`),
  );
}

/** A latency for people: `95 ns`, `1.44 µs`, `2 ms`; about three digits. Null and 0 are unknown. */
export function formatLatency(latency: Nanoseconds | null | undefined, options?: FormatOptions): string {
  if (latency === null || latency === undefined || !(latency > 0)) return options?.unknown ?? "unknown";
  return scaled(latency, 1000, ["ns", "µs", "ms", "s"]);
}

/** The shortest text in the units given that is read back to the very same number. */
function exact(value: number, units: readonly (readonly [name: string, decimal: number])[]): string {
  const [digits = "0", exponent = "0"] = value.toExponential().split("e");
  const fraction = digits.replace(".", "");
  for (const [name, decimal] of units) {
    // The decimal point, counted from the left of the digits.
    const point = Number(exponent) - decimal + 1;
    if (point <= 0) continue;
    const padded = fraction.padEnd(point, "0");
    const rest = padded.slice(point);
    return `${padded.slice(0, point)}${rest === "" ? "" : `.${rest}`}${name}`;
  }
  const [last] = units.at(-1) ?? [""];
  return `0.${"0".repeat(-(Number(exponent) + 1))}${fraction}${last}`;
}

/** A size that parseSize reads back exactly, in the unit that makes it shortest: `64GiB`, `80GB`, `123457B`. */
export function writeSize(bytes: ByteCount): string {
  let binary = `${bytes}B`;
  let decimal = binary;
  for (let i = 1; i < BINARY_PREFIXES.length && bytes > 0 && bytes % 1024 ** i === 0; i++) {
    const text = `${bytes / 1024 ** i}${BINARY_PREFIXES[i]}B`;
    if (text.length <= binary.length) binary = text;
  }
  for (let i = 1; i < DECIMAL_PREFIXES.length && bytes >= 1000 ** i; i++) {
    const text = exact(bytes, [[`${DECIMAL_PREFIXES[i]}B`, 3 * i]]);
    if (text.length <= decimal.length) decimal = text;
  }
  return decimal.length < binary.length ? decimal : binary;
}

/** A bandwidth that parseBandwidth reads back exactly: `410GB/s`. */
export function writeBandwidth(rate: BytesPerSecond): string {
  return exact(rate, [
    ["TB/s", 12],
    ["GB/s", 9],
    ["MB/s", 6],
    ["kB/s", 3],
    ["B/s", 0],
  ]);
}

/** A latency that parseLatency reads back exactly: `95ns`, `1.44us`. */
export function writeLatency(latency: Nanoseconds): string {
  return exact(latency, [
    ["s", 9],
    ["ms", 6],
    ["us", 3],
    ["ns", 0],
  ]);
}
