import { quoted } from "../attribute.ts";
import type { Discovery } from "../source.ts";

const DIRECTORY = "proc/driver/nvidia/gpus";
/** As the kernel writes the address of a PCI function. */
const PCI_ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

/** NUMA nodes that are the memory of NVIDIA GPUs (coherent with CPUs, as on POWER9 and Grace Hopper): PCI addresses by node. */
export function readGpuNodes(discovery: Discovery): Map<number, string> {
  const nodes = new Map<number, string>();
  for (const name of discovery.tree.list(DIRECTORY)) {
    const address = name.toLowerCase();
    if (!PCI_ADDRESS.test(address)) continue;
    const path = `${DIRECTORY}/${name}/numa_status`;
    const text = discovery.tree.readText(path);
    if (text === undefined) continue;
    const stated = /^Node:[ \t]*(-?\d{1,5})[ \t]*$/m.exec(text)?.[1];
    if (stated === undefined)
      discovery.warn(path, `holds ${quoted(text)} where a line such as "Node: 255" is expected`);
    // −1: the GPU's memory is no node now.
    else if (Number(stated) >= 0) nodes.set(Number(stated), address);
  }
  return nodes;
}
