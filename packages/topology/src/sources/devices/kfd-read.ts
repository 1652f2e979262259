import type { KfdLink, KfdMemoryBank, LinkMedium } from "../../model/facts.ts";
import { KFD_TOPOLOGY } from "../../tree/locate.ts";
import { quoted } from "../attribute.ts";
import { formatPciAddress } from "../pci/address.ts";
import type { Discovery } from "../source.ts";

/** Where the driver has its view (a capture that holds nothing else is seen as if it lay there). */
const PATHS = [`${KFD_TOPOLOGY}/nodes`, "sys/devices/virtual/kfd/kfd/topology/nodes"];
const MEGABYTE = 1e6;
/** Agents, and links of one agent, at most: the kernel's own limit is 128 agents. */
const AGENTS_MAX = 4096;
const LINKS_MAX = 8192;
const BANKS_MAX = 64;

/** Flags of a link. */
const FLAG_ENABLED = 1 << 0;
const FLAG_NON_COHERENT = 1 << 1;
const FLAG_NO_ATOMICS_32 = 1 << 2;
const FLAG_NO_ATOMICS_64 = 1 << 3;
const FLAG_NO_PEER_TO_PEER = 1 << 4;

/** Types of links whose medium is clear. */
const MEDIA: ReadonlyMap<number, LinkMedium> = new Map([
  [1, "interconnect"],
  [2, "pcie"],
  [5, "interconnect"],
  [11, "xgmi"],
]);

/** An agent as its files have it, before it is known who it is. */
export interface RawAgent {
  readonly node: number;
  readonly path: string;
  readonly name: string | null;
  readonly cpuCores: number;
  readonly simds: number;
  readonly gfxTarget: string | null;
  /** What its location and domain say; for a partition its number may be mixed into the function. Null for CPUs. */
  readonly location: { readonly address: string; readonly partition: number } | null;
  /** The GPU's own number, the same for all its partitions; null when it has none. */
  readonly uniqueId: string | null;
  readonly renderMinor: number | null;
  readonly banksStated: number;
  readonly ioLinksStated: number;
  readonly p2pLinksStated: number;
  readonly banks: readonly KfdMemoryBank[];
  readonly links: readonly KfdLink[];
}

/** The folder `nodes` of the driver's view, or undefined when there is none. */
export function kfdNodes(discovery: Discovery): string | undefined {
  return PATHS.find((path) => discovery.tree.exists(path));
}

/** Reads the agents below a folder `nodes`, by rising number. */
export function readAgents(discovery: Discovery, nodes: string): RawAgent[] {
  return folderNumbers(discovery, nodes, AGENTS_MAX).flatMap((node) => {
    const path = `${nodes}/${node}`;
    const properties = readProperties(discovery, `${path}/properties`);
    return properties === null ? [] : [readAgent(discovery, { node, path, properties })];
  });
}

function readAgent(
  discovery: Discovery,
  of: { readonly node: number; readonly path: string; readonly properties: Properties },
): RawAgent {
  const { node, path, properties } = of;
  const simds = properties.number("simd_count") ?? 0;
  const unique = properties.text("unique_id");
  const minor = properties.number("drm_render_minor") ?? 0;
  const name = discovery.tree.readText(`${path}/name`)?.trim() ?? "";
  return {
    node,
    path,
    name: name === "" ? null : name,
    cpuCores: properties.number("cpu_cores_count") ?? 0,
    simds,
    gfxTarget: gfxTarget(properties.number("gfx_target_version") ?? 0),
    location: simds > 0 ? locationOf(properties) : null,
    uniqueId: unique === undefined || unique === "0" ? null : unique,
    renderMinor: minor > 0 ? minor : null,
    banksStated: properties.number("mem_banks_count") ?? 0,
    ioLinksStated: properties.number("io_links_count") ?? 0,
    p2pLinksStated: properties.number("p2p_links_count") ?? 0,
    banks: readBanks(discovery, `${path}/mem_banks`),
    links: [...readLinks(discovery, { node, path }, "io"), ...readLinks(discovery, { node, path }, "p2p")],
  };
}

/**
 * The location is bus and function as PCI has them in 16 bits. A GPU in partitions has one function; kernels put
 * the number of the partition into the function's bits, or into the four highest.
 */
function locationOf(properties: Properties): RawAgent["location"] {
  const location = properties.number("location_id");
  if (location === undefined) return null;
  const address = formatPciAddress({
    domain: properties.number("domain") ?? 0,
    bus: (location >>> 8) & 0xff,
    device: (location >>> 3) & 0x1f,
    function: location & 0x7,
  });
  return { address, partition: location >>> 28 };
}

/** 90010 is gfx90a: major, two digits of minor, two of stepping, the last in hexadecimal. */
function gfxTarget(version: number): string | null {
  if (version <= 0) return null;
  const major = Math.floor(version / 10_000);
  const minor = Math.floor(version / 100) % 100;
  return `gfx${major}${minor.toString(16)}${(version % 100).toString(16)}`;
}

function readBanks(discovery: Discovery, path: string): KfdMemoryBank[] {
  return folderNumbers(discovery, path, BANKS_MAX).flatMap((index) => {
    const properties = readProperties(discovery, `${path}/${index}/properties`);
    const heapType = properties?.number("heap_type");
    if (properties === null || heapType === undefined) return [];
    const known = (value: number | undefined): number | null =>
      value === undefined || value === 0 ? null : value;
    return [
      {
        index,
        heapType,
        size: properties.number("size_in_bytes") ?? null,
        widthBits: known(properties.number("width")),
        clockMaxMhz: known(properties.number("mem_clk_max")),
      },
    ];
  });
}

function readLinks(
  discovery: Discovery,
  agent: { readonly node: number; readonly path: string },
  list: KfdLink["list"],
): KfdLink[] {
  const root = `${agent.path}/${list}_links`;
  return folderNumbers(discovery, root, LINKS_MAX).flatMap((index) => {
    const path = `${root}/${index}/properties`;
    const properties = readProperties(discovery, path);
    if (properties === null) return [];
    const to = properties.number("node_to");
    const linkType = properties.number("type");
    const flags = properties.number("flags");
    if (to === undefined || linkType === undefined || flags === undefined) {
      discovery.warn(path, "lacks one of type, node_to and flags: the link is left out");
      return [];
    }
    const bandwidth = (key: string): number | null => (properties.number(key) || 0) * MEGABYTE || null;
    return [
      {
        from: properties.number("node_from") ?? agent.node,
        to,
        list,
        linkType,
        medium: MEDIA.get(linkType) ?? "unknown",
        weight: properties.number("weight") ?? null,
        bandwidthMin: bandwidth("min_bandwidth"),
        bandwidthMax: bandwidth("max_bandwidth"),
        flags,
        enabled: (flags & FLAG_ENABLED) !== 0,
        coherent: (flags & FLAG_NON_COHERENT) === 0,
        atomics32: (flags & FLAG_NO_ATOMICS_32) === 0,
        atomics64: (flags & FLAG_NO_ATOMICS_64) === 0,
        peerToPeer: (flags & FLAG_NO_PEER_TO_PEER) === 0,
      },
    ];
  });
}

/** `key value` lines. */
interface Properties {
  text(key: string): string | undefined;
  /** Undefined when absent or more than a number holds exactly. */
  number(key: string): number | undefined;
}

/** Null when absent or empty: the driver shows no properties of GPUs that a container may not use. */
function readProperties(discovery: Discovery, path: string): Properties | null {
  const text = discovery.tree.readText(path);
  if (text === undefined || text.trim() === "") return null;
  const values = new Map<string, string>();
  let odd: string | undefined;
  for (const line of text.split("\n")) {
    const match = /^(\w+) (\d{1,20})$/.exec(line.trimEnd());
    if (match !== null) values.set(match[1] ?? "", match[2] ?? "");
    else if (line.trim() !== "") odd ??= line;
  }
  if (odd !== undefined) discovery.warn(path, `holds ${quoted(odd)} where a name and a number are expected`);
  return {
    text: (key) => values.get(key),
    number: (key) => {
      const value = Number(values.get(key) ?? Number.NaN);
      return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
    },
  };
}

function folderNumbers(discovery: Discovery, path: string, max: number): number[] {
  const numbers = discovery.tree
    .list(path)
    .filter((name) => /^(0|[1-9]\d{0,4})$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  if (numbers.length > max)
    discovery.warn(path, `holds ${numbers.length} folders: only the first ${max} are read`);
  return numbers.slice(0, max);
}
