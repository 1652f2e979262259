import type { OsDevice } from "../../model/facts.ts";
import { pciAddressesIn, pciIndex } from "../pci/address.ts";
import type { Discovery } from "../source.ts";
import { nodeCpus, readLocalCpus, readNode } from "./values.ts";

/** A device of a class or bus of the kernel, and where it sits. */
export interface ClassDevice {
  readonly name: string;
  /** Its entry: `sys/class/net/eth0`. */
  readonly path: string;
  /** Where it is, links followed: `sys/devices/pci0000:00/0000:00:03.0/net/eth0`. */
  readonly real: string;
  readonly place: Place;
}

/** Where a device sits: everything that an OsDevice says of it. */
export type Place = Pick<OsDevice, "pciAddress" | "numaNode" | "localCpus">;

/**
 * Devices of a class, without those that no hardware is behind (loop, lo, a bridge: their path says `virtual`) and
 * those of which one cannot say where they are.
 */
export function classDevices(discovery: Discovery, root: string): ClassDevice[] {
  const found: ClassDevice[] = [];
  for (const name of discovery.tree.list(root)) {
    const path = `${root}/${name}`;
    const real = realDevice(discovery, path);
    if (real === undefined || real.includes("/virtual/")) continue;
    found.push({ name, path, real, place: placeOf(discovery, real, `${path}/device`) });
  }
  return found;
}

/** Old kernels have a folder in the class, with a link `device`, where new ones have a link. */
function realDevice(discovery: Discovery, path: string): string | undefined {
  const real = discovery.tree.realPath(path);
  return real === path ? discovery.tree.realPath(`${path}/device`) : real;
}

/**
 * Where the device of a path below /sys/devices sits: at the innermost PCI function of the path, else where
 * `attributes` (the folder with its numa_node and local_cpus) says.
 */
export function placeOf(discovery: Discovery, real: string, attributes: string): Place {
  const functions = pciIndex(discovery.facts.pci);
  const innermost = pciAddressesIn(real).findLast((address) => functions.has(address));
  const device = innermost === undefined ? undefined : functions.get(innermost);
  if (device !== undefined) {
    return { pciAddress: device.address, numaNode: device.numaNode, localCpus: device.localCpus };
  }
  const numaNode = readNode(discovery, `${attributes}/numa_node`);
  return { pciAddress: null, numaNode, localCpus: readLocalCpus(discovery, attributes, numaNode) };
}

/** Near a node and on no PCI bus. */
export function placeAt(discovery: Discovery, numaNode: number | null): Place {
  return { pciAddress: null, numaNode, localCpus: nodeCpus(discovery, numaNode) };
}
