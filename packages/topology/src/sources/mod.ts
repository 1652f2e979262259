import { caches } from "./cpu/caches.ts";
import { groups } from "./cpu/groups.ts";
import { cpuKinds } from "./cpu/kinds.ts";
import { processors } from "./cpu/processors.ts";
import { system } from "./cpu/system.ts";
import { block } from "./devices/block.ts";
import { coprocessor } from "./devices/coprocessor.ts";
import { cxl } from "./devices/cxl.ts";
import { dax } from "./devices/dax.ts";
import { deviceMemory } from "./devices/device-memory.ts";
import { dma } from "./devices/dma.ts";
import { drm } from "./devices/drm.ts";
import { infiniband } from "./devices/infiniband.ts";
import { initiators } from "./devices/initiators.ts";
import { kfd } from "./devices/kfd.ts";
import { network } from "./devices/network.ts";
import { nvidia } from "./devices/nvidia.ts";
import { pmem } from "./devices/pmem.ts";
import { memoryKinds } from "./memory/kinds.ts";
import { knightsLanding } from "./memory/knights-landing.ts";
import { nodes } from "./memory/nodes.ts";
import { memoryTiers } from "./memory/tiers.ts";
import { pci } from "./pci/pci.ts";
import type { Source } from "./source.ts";

/** The sources of a Linux machine, in the order in which they run. */
export const SOURCES: readonly Source[] = [
  system,
  processors,
  groups,
  caches,
  cpuKinds,
  nodes,
  memoryTiers,
  knightsLanding,
  pci,
  block,
  network,
  infiniband,
  drm,
  dma,
  coprocessor,
  dax,
  pmem,
  cxl,
  initiators,
  deviceMemory,
  nvidia,
  kfd,
  // What kind of memory a node is follows from the devices.
  memoryKinds,
];
