import type { CpuCache } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { FileTree } from "../../tree/tree.ts";
import { readInteger } from "../attribute.ts";
import type { Discovery } from "../source.ts";

/** The firmware's description of machines without ACPI. */
const ROOT = "proc/device-tree";
/** Caches one above the other, followed from a CPU, at most. */
const LEVELS_MAX = 8;
/** Bytes read of a property. */
const PROPERTY_BYTES_MAX = 65_536;
const HARDWARE_ID = { min: 0, max: 2 ** 31 - 1 };

/** 32-bit numbers of a property, big endian as all of the device tree is; empty when absent. */
export function cells(tree: FileTree, path: string): number[] {
  const bytes = tree.readBytes(path, PROPERTY_BYTES_MAX);
  if (bytes === undefined) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength >>> 2 }, (_, i) => view.getUint32(i * 4));
}

/** One directory below `cpus`: a core, or a cache that cores point to. */
interface Entry {
  readonly directory: string;
  readonly name: string;
  /** Handle of the cache behind this one, 0 for none. */
  readonly next: number;
}

/** Caches as the device tree states them, for kernels of PowerPC that show none in sysfs. */
export function deviceTreeCaches(discovery: Discovery, online: IndexSet): CpuCache[] {
  const { tree } = discovery;
  const found = new Map<string, { cache: CpuCache; cpus: number[] }>();
  const byHandle = new Map<number, Entry>();
  const cores: Entry[] = [];
  for (const name of tree.list(`${ROOT}/cpus`)) {
    const directory = `${ROOT}/cpus/${name}`;
    const [next = 0] = first(tree, directory, ["next-level-cache", "l2-cache", "l3-cache"]);
    const entry: Entry = { directory, name, next };
    const [handle] = first(tree, directory, ["phandle", "linux,phandle", "ibm,phandle"]);
    if (handle !== undefined) byHandle.set(handle, entry);
    if (tree.readText(`${directory}/device_type`)?.startsWith("cpu") === true) cores.push(entry);
  }
  const logical = cores.length === 0 ? new Map<number, number>() : logicalCpus(discovery, online);
  for (const core of cores) {
    const threads = first(tree, core.directory, ["ibm,ppc-interrupt-server#s", "reg"])
      .map((id) => logical.get(id))
      .filter((cpu) => cpu !== undefined);
    if (threads.length === 0) continue;
    let entry: Entry | undefined = core;
    for (let level = 1; entry !== undefined && level <= LEVELS_MAX; level++) {
      add(found, cachesOf(tree, entry, level), threads);
      entry = byHandle.get(entry.next);
    }
  }
  return [...found.values()].map(({ cache, cpus }) => ({ ...cache, cpus: IndexSet.of(cpus) }));
}

function add(
  found: Map<string, { cache: CpuCache; cpus: number[] }>,
  caches: ReadonlyMap<string, CpuCache>,
  threads: readonly number[],
): void {
  for (const [key, cache] of caches) {
    const known = found.get(key);
    if (known === undefined) found.set(key, { cache, cpus: [...threads] });
    else known.cpus.push(...threads);
  }
}

/** The caches that a directory states, by a key of their own. */
function cachesOf(tree: FileTree, { directory, name }: Entry, level: number): Map<string, CpuCache> {
  const unified = tree.exists(`${directory}/cache-unified`);
  const caches = new Map<string, CpuCache>();
  const sides = unified
    ? ([["d", "unified"]] as const)
    : ([
        ["d", "data"],
        ["i", "instruction"],
      ] as const);
  for (const [letter, type] of sides) {
    const [size = 0] = cells(tree, `${directory}/${letter}-cache-size`);
    if (size === 0) continue;
    const [lineSize = 0] = first(tree, directory, [
      `${letter}-cache-line-size`,
      `${letter}-cache-block-size`,
    ]);
    const [sets = 0] = cells(tree, `${directory}/${letter}-cache-sets`);
    const ways = size / (lineSize * sets);
    caches.set(`${name}/${letter}`, {
      level,
      type,
      size,
      lineSize,
      associativity: sets === 1 ? -1 : Number.isInteger(ways) ? ways : 0,
      index: null,
      cpus: IndexSet.EMPTY,
      inclusive: null,
    });
  }
  return caches;
}

function first(tree: FileTree, directory: string, names: readonly string[]): number[] {
  for (const name of names) {
    const values = cells(tree, `${directory}/${name}`);
    if (values.length > 0) return values;
  }
  return [];
}

/** The kernel's CPU numbers by the hardware's. */
function logicalCpus(discovery: Discovery, online: IndexSet): Map<number, number> {
  const logical = new Map<number, number>();
  for (const cpu of online) {
    const id = readInteger(discovery, `sys/devices/system/cpu/cpu${cpu}/physical_id`, HARDWARE_ID);
    logical.set(id ?? cpu, cpu);
  }
  return logical;
}

/** Bytes of memory that the device tree states; 0 when it states none. */
export function deviceTreeMemory(tree: FileTree): number {
  const [addressCells = 1] = cells(tree, `${ROOT}/#address-cells`);
  const [sizeCells = 1] = cells(tree, `${ROOT}/#size-cells`);
  if (addressCells > 4 || sizeCells < 1 || sizeCells > 2) return 0;
  let total = 0;
  for (const name of tree.list(ROOT)) {
    if (!/^memory(@|$)/.test(name)) continue;
    const reg = cells(tree, `${ROOT}/${name}/reg`);
    const step = addressCells + sizeCells;
    for (let i = 0; i + step <= reg.length; i += step) {
      const [high = 0, low = 0] = reg.slice(i + addressCells, i + step);
      total += sizeCells === 2 ? high * 2 ** 32 + low : high;
    }
  }
  return Number.isSafeInteger(total) ? total : 0;
}
