import type { AccessClass } from "../../model/facts.ts";
import { type Origin, type Quantity, quantity } from "../../model/quantity.ts";
import { numbered, type Range, readInteger } from "../attribute.ts";
import type { Discovery } from "../source.ts";

/** The kernel has two classes; one more would be read too. */
const CLASSES_MAX = 4;
/** MB/s, up to 1 EB/s. */
const BANDWIDTH_RANGE: Range = { min: 0, max: 1e12 };
/** ns, up to 1 s. */
const LATENCY_RANGE: Range = { min: 0, max: 1e9 };
/** Bytes of a megabyte as ACPI counts them. */
const MEGABYTE = 1e6;

/**
 * The access classes of a node, or of a CXL region, which has the numbers one directory higher and names no
 * initiators. What states neither numbers nor initiators (a class that only has targets) is left out.
 */
export function readAccess(
  discovery: Discovery,
  of: { readonly directory: string; readonly label: string; readonly origin: Origin },
): AccessClass[] {
  const classes: AccessClass[] = [];
  for (let index = 0; index < CLASSES_MAX; index++) {
    const directory = `${of.directory}/access${index}`;
    if (!discovery.tree.exists(directory)) {
      // Class 1 alone there may be, further ones alone not.
      if (index >= 1) break;
      continue;
    }
    const initiators = `${directory}/initiators`;
    const inside = discovery.tree.exists(initiators);
    const named = inside ? numbered(discovery, initiators, "node") : [];
    const performance = readPerformance(discovery, inside ? initiators : directory, { ...of, index });
    const known = Object.values(performance).some((value) => value !== null);
    if (named.length > 0 || known) classes.push({ index, initiators: named, ...performance });
  }
  return classes;
}

type Performance = Pick<AccessClass, "readBandwidth" | "writeBandwidth" | "readLatency" | "writeLatency">;

function readPerformance(
  discovery: Discovery,
  directory: string,
  of: { readonly label: string; readonly origin: Origin; readonly index: number },
): Performance {
  const read = (file: string, range: Range, unit: number): Quantity | null => {
    const value = readInteger(discovery, `${directory}/${file}`, range);
    return quantity((value ?? 0) * unit, of.origin, `${of.label}/access${of.index}`);
  };
  return {
    readBandwidth: read("read_bandwidth", BANDWIDTH_RANGE, MEGABYTE),
    writeBandwidth: read("write_bandwidth", BANDWIDTH_RANGE, MEGABYTE),
    readLatency: read("read_latency", LATENCY_RANGE, 1),
    writeLatency: read("write_latency", LATENCY_RANGE, 1),
  };
}
