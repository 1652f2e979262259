import { type Machine, type Path, paths } from "@hms/topology";
import { type CostModel, type CostOptions, type PathCost, simpleCosts } from "./costs.ts";

/** Which objects of a machine stand for what the simulated host names. */
export interface MachineNames {
  /** The initiator whose CPUs run the processes: `node0`. */
  readonly cpu: string;
  /** The target that is the host's memory: `node0`. */
  readonly host: string;
  /** The initiator of each device, by the device's name. */
  readonly devices?: Readonly<Record<string, string>>;
  /** The target of each device memory, by the memory's name. */
  readonly memories?: Readonly<Record<string, string>>;
}

/**
 * Costs taken from a machine's topology: each transfer costs the latency of the best path and its bandwidth. What the
 * machine does not state costs what `fallback` says (the topology knows unknown from 0).
 *
 * Throws ENOENT when a name is not in the machine.
 */
export function machineCosts(machine: Machine, names: MachineNames, fallback: CostOptions = {}): CostModel {
  const path = (by: string | null, memory: string): PathCost | null => {
    const initiator = by === null ? names.cpu : names.devices?.[by];
    const target = memory === "host" ? names.host : names.memories?.[memory];
    if (initiator === undefined || target === undefined) return fallback.path?.(by, memory) ?? null;
    const [best] = paths(machine, initiator, target);
    return best === undefined ? null : costOf(best, fallback.path?.(by, memory) ?? null);
  };
  return simpleCosts({ ...fallback, path });
}

function costOf(path: Path, fallback: PathCost | null): PathCost | null {
  const bandwidth = path.bandwidth.value;
  const latency = path.latency.value ?? fallback?.latency ?? null;
  const bytesPerNanosecond = bandwidth === null ? (fallback?.bytesPerNanosecond ?? null) : bandwidth / 1e9;
  return latency === null || bytesPerNanosecond === null ? fallback : { latency, bytesPerNanosecond };
}
