import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { PmemRegion } from "../../model/facts.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import type { Discovery, Source } from "../source.ts";
import { hostReaches, nearCpus } from "./near.ts";
import { baseName, readBytes, readNode, readWord } from "./values.ts";

const DEVICES = "sys/bus/nd/devices";
const KIB = 1024;

/** What the tools call a mode, by what the kernel calls it. */
const MODES: ReadonlyMap<string, string> = new Map([
  ["memory", "fsdax"],
  ["dax", "devdax"],
  ["safe", "sector"],
  ["raw", "raw"],
]);

/** Regions of persistent memory, what they are divided into, and the memory that files on them give. */
export const pmem: Source = {
  name: "pmem",
  after: ["block", "numa"],
  discover(discovery) {
    const names = discovery.tree.list(DEVICES);
    for (const name of names) {
      if (/^region\d+$/.test(name)) discovery.facts.pmem.push(readRegion(discovery, name, names));
    }
    addFileTargets(discovery);
  },
};

function readRegion(discovery: Discovery, name: string, names: readonly string[]): PmemRegion {
  const path = `${DEVICES}/${name}`;
  const real = discovery.tree.realPath(path) ?? "";
  const namespaces = names.filter((other) => other.startsWith(`namespace${name.slice("region".length)}.`));
  return {
    name,
    size: readBytes(discovery, `${path}/size`),
    available: readBytes(discovery, `${path}/available_size`),
    numaNode: readNode(discovery, `${path}/numa_node`),
    // Of the bus: `ACPI.NFIT`, `e820` (memory that a kernel option turned into a region).
    provider: readWord(discovery, `${real.slice(0, real.lastIndexOf("/"))}/provider`),
    namespaces: namespaces
      .map((namespace) => readNamespace(discovery, namespace))
      // The kernel keeps an empty one ready, to be filled in.
      .filter(({ size }) => size !== 0),
  };
}

function readNamespace(discovery: Discovery, name: string): PmemRegion["namespaces"][number] {
  const path = `${DEVICES}/${name}`;
  const mode = readWord(discovery, `${path}/mode`);
  const holder = readWord(discovery, `${path}/holder`);
  return {
    name,
    size: readBytes(discovery, `${path}/size`),
    mode: mode === null ? null : (MODES.get(mode) ?? mode),
    device: deviceIn(discovery, holder === null ? path : `${DEVICES}/${holder}`),
  };
}

/** The disk or DAX device that something makes. */
function deviceIn(discovery: Discovery, path: string): string | null {
  const real = discovery.tree.realPath(path);
  if (real === undefined) return null;
  const disk = discovery.tree.list(`${real}/block`)[0];
  if (disk !== undefined) return disk;
  const own = baseName(real);
  const names = discovery.tree.list(real).filter((name) => /^dax\d+\.\d+$/.test(name));
  // It may hold a device of its own name, and nothing else of that form but devices.
  return own.startsWith("dax") ? (names[0] ?? null) : null;
}

/**
 * A disk of persistent memory whose pages the kernel keeps track of (mode fsdax: it lies in a `pfn`): a file on it,
 * on a file system mounted with dax, is memory. In the other modes a disk is a disk.
 */
function addFileTargets(discovery: Discovery): void {
  const { facts, tree } = discovery;
  for (const device of facts.devices) {
    if (device.kernelClass !== "block" || device.subtype !== "NVM") continue;
    const real = tree.realPath(`sys/class/block/${device.name}`) ?? "";
    const region = real.split("/").find((part) => /^region\d+$/.test(part));
    if (!/\/pfn\d+\.\d+\//.test(real) || device.info.Size === "0") continue;
    facts.targetFacts.push({
      version: OBJECT_VERSION,
      id: device.name,
      kind: {
        kind: "nvm",
        reason: `${device.name} is a disk of persistent memory (${region ?? "a region"})`,
      },
      size: device.info.Size === undefined ? null : Number(device.info.Size) * KIB,
      free: null,
      numaNode: null,
      device: null,
      label: `files on /dev/${device.name}, mounted with dax`,
    });
    facts.reaches.push(
      ...hostReaches(facts, device.name, {
        medium: "memory",
        near: nearCpus(facts, device),
        attached: device.numaNode,
        properties: { ...UNKNOWN_PROPERTIES, coherent: true },
      }),
    );
  }
}
