import { HmsError } from "@hms/topology";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  K: 2 ** 10,
  KiB: 2 ** 10,
  M: 2 ** 20,
  MiB: 2 ** 20,
  G: 2 ** 30,
  GiB: 2 ** 30,
  T: 2 ** 40,
  TiB: 2 ** 40,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** A size: a number of bytes, or text such as `"64MiB"`, `"1.5G"`, `"512MB"`. */
export type Size = number | string;

/**
 * Bytes of a size. Units: KiB, MiB, GiB, TiB (also K, M, G, T) count by 1024, KB, MB, GB, TB by 1000. Throws BAD_SIZE
 * (EINVAL) for what is no size, or not a whole number of bytes from 0 to 2^53 - 1; `what` names it there.
 *
 * @example
 * ```ts
 * import { parseSize } from "hms";
 * console.log(parseSize("64MiB"), parseSize("1.5K"), parseSize(100)); // 67108864 1536 100
 * ```
 */
export function parseSize(size: Size, what: string = "a size"): number {
  const text = String(size).trim();
  const match = /^(?<number>\d+(?:\.\d+)?)\s*(?<unit>[A-Za-z]*)$/.exec(text);
  const unit = UNITS[match?.groups?.unit ?? "none"];
  const bytes = unit === undefined ? Number.NaN : Number(match?.groups?.number) * unit;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new HmsError(
    "BAD_SIZE",
    "EINVAL",
    `Reading ${what} failed: expected is a number of bytes or text such as "64MiB", not ${JSON.stringify(size)}.`,
  );
}
