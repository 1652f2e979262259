import type { AccessClass, CxlRegion, DaxDevice, KindConclusion, NumaNode } from "../../model/facts.ts";
import type { Quantity } from "../../model/quantity.ts";
import { formatBandwidth, formatSize } from "../../model/units.ts";
import { cpuInfoOf } from "../cpu/cpuinfo.ts";
import { onlineCpus } from "../cpu/processors.ts";
import type { Discovery, Source } from "../source.ts";
import { readGpuNodes } from "./gpu-nodes.ts";
import { isKnightsLanding, MCDRAM_REASON } from "./knights-landing.ts";
import { classForCpus } from "./locality.ts";

/** Memory so many times as fast as DRAM is HBM; what is within the two ratios is DRAM as far as one can tell. */
const HBM_RATIO = 1.5;
const SLOWER_RATIO = 0.8;
/** DAX devices that make up at least so much of a node with CPUs say what it is. */
const DAX_PART_MIN = 0.5;
/** HBM in each package of a Xeon Max. */
const XEON_MAX_HBM_BYTES = 64 * 2 ** 30;

/**
 * What kind of memory each node is, and how that was concluded; hwloc's names for what shows as a node. Values of
 * access classes that a CXL region states too came from its devices' own tables: they get that origin.
 */
export const memoryKinds: Source = {
  name: "memory-kinds",
  after: ["groups", "numa", "memory-tiers", "knights-landing", "dax", "cxl"],
  discover(discovery: Discovery): void {
    const { nodes } = discovery.facts;
    const evidence = gatherEvidence(discovery);
    const plain = nodes.filter(
      (n) => !n.cpus.isEmpty && n.size !== 0 && explained(n, evidence) === undefined,
    );
    const reference: Reference = {
      bandwidth: Math.max(0, ...plain.map((node) => bandwidthOf(node)?.value ?? 0)),
      tier: Math.min(...plain.map(({ tier }) => tier ?? Number.POSITIVE_INFINITY)),
    };
    for (const [i, node] of nodes.entries()) {
      const region = evidence.regions.get(node.index);
      nodes[i] = {
        ...node,
        kind: conclude(node, evidence, reference),
        access: region === undefined ? node.access : node.access.map((of) => fromDevice(of, region)),
        info: { ...node.info, ...infoOf(node, evidence) },
      };
    }
  },
};

/** What says that a node is no plain DRAM, by node. */
interface Evidence {
  /** PCI addresses of GPUs whose memory a node is. */
  readonly gpus: ReadonlyMap<number, string>;
  /** DAX devices that the kernel made system memory of. */
  readonly dax: ReadonlyMap<number, readonly DaxDevice[]>;
  readonly regions: ReadonlyMap<number, CxlRegion>;
  /** What is known of the processor. */
  readonly knightsLanding: boolean;
  readonly processor: KindConclusion | null;
  readonly xeonMax: boolean;
  readonly packages: number;
  readonly memoryOnlyNodes: boolean;
  /** CXL devices with volatile memory that no region shows as. */
  readonly cxlMemdevs: readonly string[];
}

/** The fastest DRAM that CPUs are in one node with; 0 and infinity are unknown. */
interface Reference {
  readonly bandwidth: number;
  readonly tier: number;
}

function gatherEvidence(discovery: Discovery): Evidence {
  const { facts } = discovery;
  const dax = Map.groupBy(
    facts.dax.filter(({ driver, targetNode }) => driver === "kmem" && targetNode !== null),
    ({ targetNode }) => targetNode ?? -1,
  );
  const regions = new Map<number, CxlRegion>();
  for (const region of facts.cxlRegions) {
    const below = facts.dax.find(({ parent }) => parent.split("/").includes(region.name));
    const node = region.numaNode ?? (below?.driver === "kmem" ? below.targetNode : null);
    if (node !== null && !regions.has(node)) regions.set(node, region);
  }
  const shown = new Set(facts.cxlRegions.flatMap(({ memdevs }) => memdevs));
  const info = cpuInfoOf(discovery).infoOf(Math.max(0, onlineCpus(discovery).first));
  return {
    gpus: readGpuNodes(discovery),
    dax,
    regions,
    knightsLanding: isKnightsLanding(discovery),
    processor: hbmOnlyProcessor(info),
    xeonMax: /\bXeon\b.*\bMax\b/i.test(info.CPUModel ?? ""),
    packages: facts.groups.filter(({ type }) => type === "package").length,
    memoryOnlyNodes: facts.nodes.some((node) => node.cpus.isEmpty && node.size !== 0),
    cxlMemdevs: facts.cxlMemdevs
      .filter(({ name, ramSize }) => ramSize !== 0 && !shown.has(name))
      .map(({ name }) => name),
  };
}

/** Processors whose only memory is in the package. */
function hbmOnlyProcessor(info: Readonly<Record<string, string>>): KindConclusion | null {
  if (info.CPUImplementer === "0x46" && info.CPUPart === "0x001")
    return { kind: "hbm", reason: "the processor is a Fujitsu A64FX, whose only memory is HBM" };
  if (/\bMI300A\b/.test(info.CPUModel ?? ""))
    return { kind: "hbm", reason: "the processor is an AMD Instinct MI300A, whose only memory is HBM" };
  return null;
}

function conclude(node: NumaNode, evidence: Evidence, reference: Reference): KindConclusion {
  const known = explained(node, evidence);
  // Firmware sets memory aside for special purposes without saying whether it is fast or slow.
  if (known !== undefined && (known.kind !== "hbm" || !isSpecialPurpose(node, evidence))) return known;
  if (node.size === 0) return nothing(node);
  return (
    (known === undefined ? byProcessor(node, evidence) : undefined) ??
    bySpeed(node, evidence, reference) ??
    known ??
    (node.cpus.isEmpty
      ? { kind: "dram", reason: "nothing says that it is another kind" }
      : { kind: "dram", reason: "has CPUs, and nothing says that it is another kind" })
  );
}

/** What the devices behind a node say of it. */
function explained(node: NumaNode, evidence: Evidence): KindConclusion | undefined {
  const gpu = evidence.gpus.get(node.index);
  if (gpu !== undefined)
    return {
      kind: "gpu",
      reason: `/proc/driver/nvidia/gpus/${gpu}/numa_status names it as the GPU's memory`,
    };
  const dax = daxOf(node, evidence);
  if (dax !== undefined)
    return {
      kind: dax.kind.kind,
      reason: `${dax.kind.reason}; the kernel uses ${dax.name} as system memory`,
    };
  const region = evidence.regions.get(node.index);
  if (region !== undefined) return { kind: "cxl", reason: `the memory of CXL region ${region.name}` };
  return undefined;
}

/** The DAX device that a node consists of: any in a node without CPUs, else one that makes up most of it. */
function daxOf(node: NumaNode, evidence: Evidence): DaxDevice | undefined {
  const devices = evidence.dax.get(node.index);
  if (devices === undefined) return undefined;
  const bytes = devices.reduce((sum, { size }) => sum + (size ?? 0), 0);
  return node.cpus.isEmpty || bytes >= (node.size ?? 0) * DAX_PART_MIN ? devices[0] : undefined;
}

function isSpecialPurpose(node: NumaNode, evidence: Evidence): boolean {
  const parent = daxOf(node, evidence)?.parent;
  return !evidence.gpus.has(node.index) && /(^|\/)hmem\.\d+$/.test(parent ?? "");
}

function nothing(node: NumaNode): KindConclusion {
  const reason = node.genericInitiator
    ? "has no memory: a place for a device that reads and writes others' (a generic initiator)"
    : "has no memory";
  return { kind: "unknown", reason };
}

function byProcessor(node: NumaNode, evidence: Evidence): KindConclusion | undefined {
  if (evidence.knightsLanding && node.cpus.isEmpty) return { kind: "hbm", reason: MCDRAM_REASON };
  if (evidence.processor !== null) return evidence.processor;
  if (!evidence.xeonMax || evidence.memoryOnlyNodes || node.sideCaches.length > 0) return undefined;
  // As a cache, HBM stands in front of DDR that is larger; alone, it is all there is.
  const perPackage = XEON_MAX_HBM_BYTES * Math.max(1, evidence.packages);
  if (node.size === null || node.size > perPackage) return undefined;
  const limit = formatSize(XEON_MAX_HBM_BYTES);
  return {
    kind: "hbm",
    reason: `a Xeon Max that shows no more than the ${limit} of HBM in each package: it runs without DDR`,
  };
}

/** What a node's speed says of it, against DRAM's. */
function bySpeed(node: NumaNode, evidence: Evidence, reference: Reference): KindConclusion | undefined {
  const own = bandwidthOf(node);
  const comparison =
    own !== null && reference.bandwidth > 0
      ? { ratio: own.value / reference.bandwidth, text: bandwidthText(own.value, reference.bandwidth) }
      : tierComparison(node, reference);
  if (comparison === undefined) return undefined;
  const { ratio, text } = comparison;
  if (ratio >= HBM_RATIO && (node.cpus.isEmpty || isSpecialPurpose(node, evidence)))
    return { kind: "hbm", reason: `faster than DRAM: ${text}` };
  if (ratio > SLOWER_RATIO || !node.cpus.isEmpty) return undefined;
  const [memdev] = evidence.cxlMemdevs;
  if (memdev !== undefined)
    return { kind: "cxl", reason: `slower than DRAM (${text}), and CXL memory ${memdev} shows nowhere else` };
  return { kind: "unknown", reason: `slower than DRAM (${text}), and nothing says what it is` };
}

function bandwidthText(own: number, dram: number): string {
  return `${formatBandwidth(own)} where DRAM has ${formatBandwidth(dram)}`;
}

/** The kernel's tiers, where there is no bandwidth: it forms them from latency and bandwidth together. */
function tierComparison(
  { tier }: NumaNode,
  reference: Reference,
): { readonly ratio: number; readonly text: string } | undefined {
  if (tier === null || !Number.isFinite(reference.tier) || tier === reference.tier) return undefined;
  const text = `memory tier ${tier} where DRAM is in tier ${reference.tier}`;
  return { ratio: tier < reference.tier ? Number.POSITIVE_INFINITY : 0, text };
}

/** What CPUs get when they read. */
function bandwidthOf(node: NumaNode): Quantity | null {
  const of = classForCpus(node.access);
  return of?.readBandwidth ?? of?.writeBandwidth ?? null;
}

function fromDevice(of: AccessClass, region: CxlRegion): AccessClass {
  const stated = region.access.find(({ index }) => index === of.index) ?? region.access[0];
  if (stated === undefined) return of;
  const take = (own: Quantity | null, device: Quantity | null): Quantity | null =>
    own === null || device === null || own.value !== device.value
      ? own
      : { ...own, origin: "cdat", detail: `${own.detail ?? ""}, ${region.name}`.replace(/^, /, "") };
  return {
    ...of,
    readBandwidth: take(of.readBandwidth, stated.readBandwidth),
    writeBandwidth: take(of.writeBandwidth, stated.writeBandwidth),
    readLatency: take(of.readLatency, stated.readLatency),
    writeLatency: take(of.writeLatency, stated.writeLatency),
  };
}

function infoOf(node: NumaNode, evidence: Evidence): Record<string, string> {
  const info: Record<string, string> = {};
  const dax = daxOf(node, evidence);
  if (dax !== undefined) {
    info.DAXDevice = dax.name;
    info.DAXType = dax.kind.kind === "nvm" ? "NVM" : "SPM";
    info.DAXParent = dax.parent.replace(/^platform\//, "");
  }
  const gpu = evidence.gpus.get(node.index);
  if (gpu !== undefined) info.PCIBusID = gpu;
  return info;
}
