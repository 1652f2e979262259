import type { AccessClass, MemorySideCache, NumaNode } from "../../model/facts.ts";
import { COMBINED_DETAIL, type Quantity } from "../../model/quantity.ts";
import { quoted } from "../attribute.ts";
import { cpuInfoOf } from "../cpu/cpuinfo.ts";
import { onlineCpus } from "../cpu/processors.ts";
import type { Discovery, Source } from "../source.ts";
import { DISTANCES_NAME } from "./distances.ts";
import { NODE_DIRECTORY } from "./nodes.ts";

/** Intel's model numbers (family 6) of Knights Landing and Knights Mill. */
const MODELS: ReadonlySet<string> = new Set(["87", "133"]);
/** What hwloc's helper notes as root, for want of a file of the kernel. */
const DUMPS = ["run/hwloc", "var/run/hwloc"];
const DUMP_NAME = /^knl_memoryside_cache(?:\.v(\d{1,3}))?$/;
/** MCDRAM in each package. */
const MCDRAM_BYTES = 16 * 2 ** 30;
/** Published figures of STREAM for a package; each node of one kind has an equal share of it. */
const DDR_BYTES_PER_SECOND = 90e9;
const MCDRAM_BYTES_PER_SECOND = 360e9;

/** Why a node of such a processor is MCDRAM. */
export const MCDRAM_REASON = "has no CPUs, on a Knights Landing processor: its in-package memory, MCDRAM";

/** Whether the processor is a Knights Landing or Knights Mill. */
export function isKnightsLanding(discovery: Discovery): boolean {
  const info = cpuInfoOf(discovery).infoOf(Math.max(0, onlineCpus(discovery).first));
  return (
    info.CPUVendor === "GenuineIntel" && info.CPUFamilyNumber === "6" && MODELS.has(info.CPUModelNumber ?? "")
  );
}

/**
 * Knights Landing: what its firmware does not say in the standard ways. Its MCDRAM shows as nodes without CPUs, as
 * a cache in front of the DDR nodes, or as both, and its distances are made up so that nothing lands in MCDRAM by
 * chance: they are not kept, nor does hwloc keep them.
 */
export const knightsLanding: Source = {
  name: "knights-landing",
  after: ["system", "numa"],
  discover(discovery: Discovery): void {
    if (!isKnightsLanding(discovery)) return;
    const { nodes, distances, info } = discovery.facts;
    const kept = distances.filter(({ name }) => name !== DISTANCES_NAME);
    if (kept.length < distances.length) {
      discovery.warn(
        NODE_DIRECTORY,
        "states distances that the firmware of Knights Landing makes up, so that nothing uses MCDRAM by chance: not kept",
      );
      distances.splice(0, distances.length, ...kept);
    }
    const dump = readDump(discovery);
    if (dump.clusterMode !== null) info.ClusterMode = dump.clusterMode;
    if (dump.memoryMode !== null) info.MemoryMode = dump.memoryMode;
    const ddr = nodes.filter(isDdr);
    const counts: Counts = { ddr: ddr.length, mcdram: nodes.length - ddr.length };
    for (const [i, node] of nodes.entries()) {
      // All of the MCDRAM beside all of the DDR: near the same CPUs.
      const alone = ddr.length === 1 && node.nearCpus.isEmpty ? ddr[0] : undefined;
      const near = alone?.cpus ?? node.nearCpus;
      const initiators = ddr.filter(({ cpus }) => cpus.intersects(near)).map(({ index }) => index);
      nodes[i] = complete({ ...node, nearCpus: near }, { dump, counts, initiators });
    }
  },
};

function isDdr(node: NumaNode): boolean {
  return !node.cpus.isEmpty;
}

/** Nodes of each kind. */
interface Counts {
  readonly ddr: number;
  readonly mcdram: number;
}

function complete(
  node: NumaNode,
  of: { readonly dump: Dump; readonly counts: Counts; readonly initiators: readonly number[] },
): NumaNode {
  const { dump, counts, initiators } = of;
  const share = isDdr(node) ? DDR_BYTES_PER_SECOND / counts.ddr : MCDRAM_BYTES_PER_SECOND / counts.mcdram;
  const cache = isDdr(node) ? cacheOf(dump, counts) : null;
  return {
    ...node,
    // With MCDRAM as a cache only, what a program gets lies somewhere between the two.
    access: node.access.length > 0 || counts.mcdram === 0 ? node.access : [published(initiators, share)],
    sideCaches: node.sideCaches.length > 0 || cache === null ? node.sideCaches : [cache],
  };
}

/** The cache in front of a DDR node: what the dump says, or all of MCDRAM where none shows as a node. */
function cacheOf(dump: Dump, counts: Counts): MemorySideCache | null {
  const size = dump.cacheSize ?? (counts.mcdram === 0 ? MCDRAM_BYTES / counts.ddr : 0);
  if (size === 0) return null;
  return {
    level: 1,
    size,
    lineSize: dump.lineSize ?? 64,
    associativity: "direct",
    writePolicy: "unknown",
    addressMode: "transparent",
  };
}

function published(initiators: readonly number[], share: number): AccessClass {
  const bandwidth: Quantity = { value: share, origin: "model", detail: COMBINED_DETAIL };
  return {
    index: 1,
    initiators,
    readBandwidth: bandwidth,
    writeBandwidth: bandwidth,
    readLatency: null,
    writeLatency: null,
  };
}

interface Dump {
  readonly cacheSize: number | null;
  readonly lineSize: number | null;
  readonly clusterMode: string | null;
  readonly memoryMode: string | null;
}

/** The newest version of the dump that there is. */
function readDump(discovery: Discovery): Dump {
  let best = { path: "", version: -1 };
  for (const directory of DUMPS) {
    for (const name of discovery.tree.list(directory)) {
      const match = DUMP_NAME.exec(name);
      const version = match === null ? -1 : Number(match[1] ?? 0);
      if (version > best.version) best = { path: `${directory}/${name}`, version };
    }
  }
  const fields = new Map<string, string>();
  const text = best.version < 0 ? "" : (discovery.tree.readText(best.path) ?? "");
  for (const line of text.split("\n")) {
    const [, name, value] = /^(\w+):\s*(\S{1,64})\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, value);
  }
  if (text.trim() !== "" && fields.size === 0)
    discovery.warn(
      best.path,
      `holds ${quoted(text)} where lines such as "cache_size: 2147483648" are expected`,
    );
  const number = (name: string, max: number): number | null => {
    const value = fields.get(name);
    if (value === undefined) return null;
    if (/^\d{1,15}$/.test(value) && Number(value) <= max) return Number(value);
    discovery.warn(best.path, `holds "${value}" as its ${name}, where a number up to ${max} is expected`);
    return null;
  };
  return {
    cacheSize: number("cache_size", MCDRAM_BYTES),
    lineSize: number("line_size", 4096),
    clusterMode: fields.get("cluster_mode") ?? null,
    memoryMode: fields.get("memory_mode") ?? null,
  };
}
