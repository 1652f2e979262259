/** Small captures that a test writes down, run through the sources. */
import type { Facts } from "../model/facts.ts";
import { emptyFacts } from "../model/facts-draft.ts";
import { SOURCES } from "../sources/mod.ts";
import { type MemoryEntry, MemoryTree } from "../tree/memory.ts";

export type CaptureFiles = Readonly<Record<string, MemoryEntry>>;

/** What all sources, in their order, find in some files. */
export function factsOf(files: CaptureFiles): Facts {
  const tree = new MemoryTree(files);
  const facts = emptyFacts();
  const warn = (path: string, message: string): void => {
    facts.warnings.push({ path, message });
  };
  for (const source of SOURCES) source.discover({ tree, facts, warn });
  facts.warnings.push(...tree.warnings);
  return facts;
}

/** Nodes of so many CPUs each, as a kernel shows them. */
export function cpuFiles(nodes: number, cpusEach = 2): CaptureFiles {
  const files: Record<string, MemoryEntry> = {
    "sys/devices/system/cpu/online": `0-${nodes * cpusEach - 1}\n`,
    "sys/devices/system/node/online": `0-${nodes - 1}\n`,
  };
  for (let node = 0; node < nodes; node++) {
    const first = node * cpusEach;
    const directory = `sys/devices/system/node/node${node}`;
    files[`${directory}/cpulist`] = `${first}-${first + cpusEach - 1}\n`;
    files[`${directory}/meminfo`] = `Node ${node} MemTotal: 1048576 kB\nNode ${node} MemFree: 524288 kB\n`;
    const distances = Array.from({ length: nodes }, (_, other) => (other === node ? 10 : 21));
    files[`${directory}/distance`] = `${distances.join(" ")}\n`;
    for (let cpu = first; cpu < first + cpusEach; cpu++) {
      files[`sys/devices/system/cpu/cpu${cpu}/topology/core_id`] = `${cpu}\n`;
      files[`sys/devices/system/cpu/cpu${cpu}/topology/physical_package_id`] = `${node}\n`;
    }
  }
  return files;
}

/** What a test states of a PCI function. */
export interface FunctionFiles {
  /** Folders from the root bus to it: `pci0000:00/0000:00:01.0/0000:3b:00.0`. */
  readonly path: string;
  /** Six hexadecimal digits. */
  readonly classCode: string;
  readonly files?: Readonly<Record<string, MemoryEntry>>;
}

/** Files of a PCI function, with its entry on the bus. */
export function pciFiles(...functions: readonly FunctionFiles[]): CaptureFiles {
  const files: Record<string, MemoryEntry> = {};
  for (const { path, classCode, files: own = {} } of functions) {
    const address = path.slice(path.lastIndexOf("/") + 1);
    files[`sys/bus/pci/devices/${address}`] = { link: `../../../devices/${path}` };
    files[`sys/devices/${path}/class`] = `0x${classCode}\n`;
    for (const [name, entry] of Object.entries(own)) files[`sys/devices/${path}/${name}`] = entry;
  }
  return files;
}

/** A class's entry for a device that lies somewhere below /sys/devices, with its files. */
export function classFiles(
  className: string,
  path: string,
  own: Readonly<Record<string, MemoryEntry>> = {},
): CaptureFiles {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const files: Record<string, MemoryEntry> = {
    [`sys/class/${className}/${name}`]: { link: `../../devices/${path}` },
    [`sys/devices/${path}`]: { kind: "directory" },
  };
  for (const [file, entry] of Object.entries(own)) files[`sys/devices/${path}/${file}`] = entry;
  return files;
}
