/** Bytes of memory. */
export type ByteCount = number;
/** Bytes a second. */
export type BytesPerSecond = number;
/** Nanoseconds. */
export type Nanoseconds = number;

/**
 * Where a number comes from. The list is the rule of precedence, the most trusted first: when two origins give
 * a number for the same thing the earlier one is used, and the other is kept beside it (`Quantity.others`).
 *
 * - `measurement`: measured on this machine (`hms measure`).
 * - `spec`: written by a person in a spec file.
 * - `cdat`: the memory device's own table (CXL), with the path to it: closer to the device than the firmware's HMAT.
 * - `hmat`: the firmware's ACPI table, as the kernel's access classes show it.
 * - `kfd`: AMD's driver (link weights and bandwidths).
 * - `network`: the negotiated rate of a network port.
 * - `pci`: link width × speed, less the encoding: an upper bound.
 * - `hwloc`: a memory attribute in an hwloc XML file (hwloc does not say where it had it from).
 * - `model`: a published figure for this model of processor, not read from this machine.
 * - `distance`: the firmware's relative distance (SLIT) applied to a known local latency: an estimate.
 */
export const ORIGINS = [
  "measurement",
  "spec",
  "cdat",
  "hmat",
  "kfd",
  "network",
  "pci",
  "hwloc",
  "model",
  "distance",
] as const;
export type Origin = (typeof ORIGINS)[number];

/** A number with its origin. There is no Quantity for an unknown number: unknown is `null`, never 0. */
export interface Quantity {
  /** Greater than 0. The unit is the field's: bytes/s, ns, or 10 = local for distances. */
  readonly value: number;
  readonly origin: Origin;
  /** What it was read from, in a few words: `node2/access0`, `Gen4 x16`, `xGMI, KFD node 3`. */
  readonly detail?: string;
  /** What other origins said, in order of precedence. */
  readonly others?: readonly Quantity[];
}

/**
 * Detail of a quantity that holds for reading and writing together, where its source does not say how much of it is
 * for which (hwloc's Bandwidth without ReadBandwidth and WriteBandwidth); hwloc XML is written of it as it was found.
 */
export const COMBINED_DETAIL = "reading and writing together";

/** The quantity to use of several: the first by precedence, the others kept beside it. Null when there is none. */
export function preferred(quantities: readonly (Quantity | null | undefined)[]): Quantity | null {
  const known = quantities
    .filter((q): q is Quantity => q !== null && q !== undefined)
    .flatMap((q) => {
      const { others, ...own } = q;
      return [own as Quantity, ...(others ?? [])];
    })
    .sort((a, b) => ORIGINS.indexOf(a.origin) - ORIGINS.indexOf(b.origin));
  const [first, ...rest] = known;
  if (first === undefined) return null;
  const others = rest.filter((q) => q.origin !== first.origin || q.value !== first.value);
  return others.length === 0 ? first : { ...first, others };
}

/** A Quantity from a number read somewhere: null when it is missing, 0, negative or not finite (all mean unknown). */
export function quantity(value: number | null | undefined, origin: Origin, detail?: string): Quantity | null {
  if (value === null || value === undefined || !Number.isFinite(value) || value <= 0) return null;
  return detail === undefined ? { value, origin } : { value, origin, detail };
}
