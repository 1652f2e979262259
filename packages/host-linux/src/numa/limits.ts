// What the kernel allows a process now: the nodes of its cpuset, the memory of its control groups, what is free.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { HmsError, IndexSet } from "@hms/topology";
import { type GroupChain, groupsOf } from "./cgroups.ts";
import { readBytes, readList, readText } from "./files.ts";

const KIB = 1024;
const BASE_PAGE_BYTES = 4096;
/** Version 1 says "no limit" by a number that no machine has. */
const NO_LIMIT_BYTES = 2 ** 62;

/** A control group that limits how much memory its processes have. */
export interface MemoryLimit {
  /** The group's path in its hierarchy: `/user.slice/job1`. */
  readonly group: string;
  /** The file that holds the limit. */
  readonly file: string;
  readonly limitBytes: number;
  /** What the group's processes have now. */
  readonly usedBytes: number;
  /** Of that, what the kernel gives up before it refuses anything: pages of files. */
  readonly cacheBytes: number;
}

/** Memory of a node. */
export interface NodeMemory {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Pages of files that the kernel can give up for others. */
  readonly cacheBytes: number;
  /** Free memory that the kernel keeps: what goes below it makes the kernel reclaim pages of others. */
  readonly reserveBytes: number;
}

/** What the kernel allows a process now. It may be otherwise in the next moment: nothing is promised. */
export interface KernelLimits {
  /** Nodes that the process may have memory on; null when the kernel does not say (built without NUMA or cpusets). */
  readonly allowedNodes: IndexSet | null;
  /** The control group of the process that its cpuset is; null when there is none to be seen. */
  readonly cpuset: string | null;
  /** Nodes with memory that it may not have memory on, with the group that leaves each out (null: not to be seen). */
  readonly leftOut: ReadonlyMap<number, string | null>;
  /** Limits of its control groups on memory, the one with the least room first. */
  readonly memory: readonly MemoryLimit[];
  /** Memory of each node that has some. */
  readonly nodes: ReadonlyMap<number, NodeMemory>;
  /** Nodes that there could be and that have no memory now: offline, or still empty. */
  readonly withoutMemory: IndexSet;
}

/** Whose limits, and where they are read. */
export interface LimitsOptions {
  /** The process; by default this one. */
  readonly pid?: number;
  /** The folder that holds `proc` and `sys`: another one for tests. */
  readonly root?: string;
}

/**
 * What the kernel allows a process now.
 *
 * @throws HmsError PROCESS_GONE (ESRCH) when there is no such process
 *
 * @example
 * ```ts
 * import { readLimits } from "@hms/host-linux/numa";
 * const { allowedNodes, nodes } = readLimits();
 * console.log(`${allowedNodes?.toList()}: ${nodes.get(0)?.freeBytes} bytes are free on node 0`);
 * ```
 */
export function readLimits(options: LimitsOptions = {}): KernelLimits {
  const { root = "/", pid } = options;
  const process = join(root, "proc", pid === undefined ? "self" : String(pid));
  if (pid !== undefined && !existsSync(process)) {
    throw new HmsError(
      "PROCESS_GONE",
      "ESRCH",
      `Read what process ${pid} may have: there is no such process (any more); name one that runs.`,
    );
  }
  const nodes = nodeMemory(root);
  const allowedNodes = allowed(process);
  const cpusets = groupsOf(root, process, "cpuset");
  return {
    allowedNodes,
    cpuset: readText(join(process, "cpuset")) ?? cpusets?.groups[0]?.path ?? null,
    leftOut: leftOut(allowedNodes, nodes, cpusets),
    memory: memoryLimits(groupsOf(root, process, "memory")),
    nodes,
    withoutMemory: withoutMemory(root, nodes),
  };
}

/** Bytes that a group has left below its limit, files' pages counted as room. */
export function roomOf(limit: MemoryLimit): number {
  return Math.max(0, limit.limitBytes - limit.usedBytes + limit.cacheBytes);
}

function allowed(process: string): IndexSet | null {
  const status = readText(join(process, "status")) ?? "";
  const list = /^Mems_allowed_list:[ \t]*(\S*)$/m.exec(status)?.[1];
  return list === undefined ? null : (IndexSet.tryParseList(list) ?? null);
}

/** A group leaves out what those above it still have: the one nearest the root is the reason. */
function leftOut(
  allowedNodes: IndexSet | null,
  nodes: ReadonlyMap<number, NodeMemory>,
  cpusets: GroupChain | null,
): Map<number, string | null> {
  const found = new Map<number, string | null>();
  if (allowedNodes === null) return found;
  const files = cpusets?.version === 2 ? ["cpuset.mems.effective"] : ["cpuset.effective_mems", "cpuset.mems"];
  const sets = (cpusets?.groups ?? []).map(({ path, folder }) => ({
    path,
    mems: files.map((file) => readList(join(folder, file))).find((set) => set !== null) ?? null,
  }));
  for (const node of nodes.keys()) {
    if (allowedNodes.has(node)) continue;
    const by = sets.findLast(({ mems }) => mems !== null && !mems.isEmpty && !mems.has(node));
    found.set(node, by?.path ?? null);
  }
  return found;
}

function memoryLimits(chain: GroupChain | null): MemoryLimit[] {
  const limits: MemoryLimit[] = [];
  const [limitFile, usedFile] =
    chain?.version === 1
      ? ["memory.limit_in_bytes", "memory.usage_in_bytes"]
      : ["memory.max", "memory.current"];
  for (const { path, folder } of chain?.groups ?? []) {
    const file = join(folder, limitFile);
    const limitBytes = readBytes(file);
    if (limitBytes === null || limitBytes >= NO_LIMIT_BYTES) continue;
    const usedBytes = readBytes(join(folder, usedFile)) ?? 0;
    limits.push({ group: path, file, limitBytes, usedBytes, cacheBytes: cacheOf(folder, chain?.version) });
  }
  return limits.sort((a, b) => roomOf(a) - roomOf(b));
}

function cacheOf(folder: string, version: 1 | 2 | undefined): number {
  const text = readText(join(folder, "memory.stat")) ?? "";
  const prefix = version === 1 ? "total_" : "";
  const of = (name: string): number =>
    Number(new RegExp(`^${prefix}${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  return of("inactive_file") + of("active_file");
}

/** What a node has free now, and could give up; null when it has no memory. */
export function freeOfNode(node: number, root = "/"): Omit<NodeMemory, "reserveBytes"> | null {
  const text = readText(join(root, `sys/devices/system/node/node${node}/meminfo`)) ?? "";
  const of = (name: string): number => {
    const at = text.indexOf(` ${name}:`);
    return at < 0 ? 0 : Number.parseInt(text.slice(at + name.length + 2), 10) * KIB;
  };
  const totalBytes = of("MemTotal");
  if (totalBytes === 0) return null;
  return { totalBytes, freeBytes: of("MemFree"), cacheBytes: of("Active(file)") + of("Inactive(file)") };
}

function nodeMemory(root: string): Map<number, NodeMemory> {
  const reserves = reservesOf(root);
  const nodes = new Map<number, NodeMemory>();
  for (const node of nodeNumbers(join(root, "sys/devices/system/node"))) {
    const memory = freeOfNode(node, root);
    if (memory !== null) nodes.set(node, { ...memory, reserveBytes: reserves.get(node) ?? 0 });
  }
  return nodes;
}

function nodeNumbers(folder: string): number[] {
  try {
    return readdirSync(folder)
      .flatMap((name) => /^node(\d{1,4})$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

/** The high watermarks of a node's zones: below these the kernel begins to reclaim. */
function reservesOf(root: string): Map<number, number> {
  const reserves = new Map<number, number>();
  let node = -1;
  for (const line of (readText(join(root, "proc/zoneinfo")) ?? "").split("\n")) {
    const start = /^Node (\d+), zone/.exec(line)?.[1];
    if (start !== undefined) node = Number(start);
    const pages = /^\s+high\s+(\d+)$/.exec(line)?.[1];
    if (pages !== undefined) reserves.set(node, (reserves.get(node) ?? 0) + Number(pages) * BASE_PAGE_BYTES);
  }
  return reserves;
}

function withoutMemory(root: string, nodes: ReadonlyMap<number, NodeMemory>): IndexSet {
  const possible = readList(join(root, "sys/devices/system/node/possible")) ?? IndexSet.EMPTY;
  return possible.andNot(IndexSet.of(nodes.keys()));
}
