// What is measured on a machine, with how much memory, and what cannot be: no clock and no thread in here.
import type { KernelLimits } from "@hms/host-linux/numa";
import { roomOf } from "@hms/host-linux/numa";
import { formatSize, IndexSet, type Machine } from "@hms/topology";
import type { NotMeasured } from "@hms/topology/measured";
import { AREA_STEP } from "./area.ts";
import { THREADS_MAX } from "./crew.ts";

const MIB: number = 2 ** 20;
/** So many times what the last-level cache holds is gone through. */
const CACHE_TIMES = 8;
const CACHE_TIMES_QUICK = 4;
/** What the last-level cache is taken for where nothing says how large it is. */
const CACHE_UNKNOWN: number = 64 * MIB;
const ONE_MIN: number = 64 * MIB;
/** The most that one thread goes through. Bytes. */
export const ONE_MAX: number = 2048 * MIB;
/** The least that one thread of many goes through. */
const EACH_MIN: number = 16 * MIB;
/** The least that one thread goes through when it is said how much. Bytes. */
export const SIZE_MIN: number = 4 * MIB;
/** Less than this says nothing of a memory. */
const USEFUL_MIN: number = 8 * MIB;
/** Of what is free, so much may be taken. */
const ROOM_PART = 0.5;
const LINE_BYTES = 64;

/** The CPUs of a node that measure, and how much memory they go through. */
export interface PlannedInitiator {
  readonly id: string;
  readonly cpus: readonly number[];
  /** Bytes that one CPU goes through when it is alone, and each of them when all work. */
  readonly oneBytes: number;
  readonly eachBytes: number;
  /** What their last-level caches hold together, and what those of one CPU hold. */
  readonly cacheBytes: number;
  readonly ownCacheBytes: number;
}

export interface PlannedTarget {
  readonly id: string;
  readonly node: number;
  /** Bytes that may be taken of it. */
  readonly room: number;
  /** What a reader should know of it, a sentence each. */
  readonly notes: readonly string[];
}

export interface Plan {
  readonly initiators: readonly PlannedInitiator[];
  readonly targets: readonly PlannedTarget[];
  readonly missing: readonly NotMeasured[];
  /** Distance of two places of a chase: a cache line. */
  readonly lineBytes: number;
}

export interface PlanOptions {
  readonly quick: boolean;
  /** Bytes that one CPU goes through; what the caches ask for when it is not given. */
  readonly size?: number;
  /** CPUs that this process may run on; null: all. */
  readonly affinity: readonly number[] | null;
}

/** What can be measured on a machine as the kernel allows it now. */
export function planOf(machine: Machine, limits: KernelLimits, options: PlanOptions): Plan {
  const missing: NotMeasured[] = [];
  const initiators = initiatorsOf(machine, options, missing);
  const targets = targetsOf(machine, limits, missing);
  return { initiators, targets, missing, lineBytes: lineOf(machine) };
}

function lineOf({ caches }: Machine): number {
  const lines = caches.map(({ lineSize }) => lineSize).filter((line) => line >= 16 && line <= 4096);
  return lines.length === 0 ? LINE_BYTES : Math.max(...lines);
}

function initiatorsOf(
  machine: Machine,
  { affinity, quick, size }: PlanOptions,
  missing: NotMeasured[],
): PlannedInitiator[] {
  const online = machine.processors.filter((one) => one.online);
  const allowed = IndexSet.of(online.filter((one) => one.allowed).map(({ index }) => index));
  const mine = affinity === null ? allowed : allowed.and(IndexSet.of(affinity));
  const all = IndexSet.of(online.map(({ index }) => index));
  const found: PlannedInitiator[] = [];
  for (const node of machine.nodes) {
    const id = `node${node.index}`;
    const present = node.cpus.and(all);
    if (present.isEmpty) {
      if (node.genericInitiator)
        missing.push({ initiator: id, target: null, why: "it is a generic initiator: it has no CPUs" });
      continue;
    }
    const cpus = [...present.and(mine)].slice(0, THREADS_MAX);
    if (cpus.length === 0) {
      const why = present.intersects(allowed)
        ? `this process is kept off its CPUs ${present.toList()} (taskset)`
        : `the cpuset of this process leaves its CPUs ${present.toList()} out`;
      missing.push({ initiator: id, target: null, why });
      continue;
    }
    const cacheBytes = cachesOf(machine, IndexSet.of(cpus));
    const ownCacheBytes = cachesOf(machine, IndexSet.of(cpus.slice(0, 1)));
    const times = quick ? CACHE_TIMES_QUICK : CACHE_TIMES;
    const oneBytes = size ?? Math.min(ONE_MAX, Math.max(ONE_MIN, times * ownCacheBytes));
    const eachBytes = Math.max(size ?? EACH_MIN, (times * cacheBytes) / cpus.length);
    found.push({
      id,
      cpus,
      oneBytes: stepped(oneBytes),
      eachBytes: stepped(Math.min(ONE_MAX, size ?? eachBytes)),
      cacheBytes,
      ownCacheBytes,
    });
  }
  return found;
}

/** Bytes of the last-level caches of some CPUs. */
function cachesOf({ caches }: Machine, cpus: IndexSet): number {
  const data = caches.filter((cache) => cache.type !== "instruction" && cache.cpus.intersects(cpus));
  const last = Math.max(0, ...data.map(({ level }) => level));
  const bytes = data.filter(({ level }) => level === last).reduce((sum, { size }) => sum + size, 0);
  return bytes === 0 ? CACHE_UNKNOWN : bytes;
}

function targetsOf(machine: Machine, limits: KernelLimits, missing: NotMeasured[]): PlannedTarget[] {
  const found: PlannedTarget[] = [];
  const refuse = (id: string, why: string): void => {
    missing.push({ initiator: null, target: id, why });
  };
  const named = new Set<number>();
  for (const node of machine.nodes) {
    const id = `node${node.index}`;
    named.add(node.index);
    if (!node.online) refuse(id, "it is offline");
    else if (node.size === 0) refuse(id, "it has no memory");
    else if (limits.allowedNodes?.has(node.index) === false) {
      const group = limits.leftOut.get(node.index);
      refuse(id, `the cpuset${group === undefined || group === null ? "" : ` ${group}`} leaves it out`);
    } else {
      const { room, by } = roomIn(limits, node.index, node.free);
      if (room < USEFUL_MIN) refuse(id, `only ${formatSize(room)} of it may be taken (${by})`);
      else found.push({ id, node: node.index, room, notes: sideCacheNotes(node) });
    }
  }
  // Nodes that there could be, and of which the kernel shows nothing.
  const absent = IndexSet.of([...limits.withoutMemory].filter((index) => !named.has(index)));
  if (!absent.isEmpty) refuse(`node${absent.toList()}`, "offline, or not there yet");
  return found;
}

function roomIn(
  limits: KernelLimits,
  node: number,
  free: number | null,
): { readonly room: number; readonly by: string } {
  const known = limits.nodes.get(node);
  const freeBytes = known === undefined ? (free ?? 0) : Math.max(0, known.freeBytes - known.reserveBytes);
  const cacheBytes = known?.cacheBytes ?? 0;
  // Where there is another memory, the kernel takes that before it gives up pages of files.
  const alone = limits.nodes.size === 1;
  let room = (freeBytes + (alone ? cacheBytes : 0)) * ROOM_PART;
  let by = `half of the ${formatSize(freeBytes)} that are free${cacheBytes > freeBytes ? `; ${formatSize(cacheBytes)} hold pages of files, which root can drop: echo 1 > /proc/sys/vm/drop_caches` : ""}`;
  for (const limit of limits.memory) {
    const left = roomOf(limit) * ROOM_PART;
    if (left >= room) continue;
    room = left;
    by = `half of what the memory limit of ${limit.group} leaves`;
  }
  return { room: Math.floor(room), by };
}

function sideCacheNotes({ sideCaches }: Machine["nodes"][number]): string[] {
  return sideCaches.map(
    ({ size }) =>
      `There is a memory-side cache of ${formatSize(size)} in front of it, which holds what is gone through if it is larger.`,
  );
}

/** How much of a target the CPUs of an initiator go through. */
export interface Sizes {
  readonly oneBytes: number;
  readonly eachBytes: number;
  /** CPUs that work at the same time. */
  readonly threads: number;
  readonly notes: readonly string[];
}

/** Sizes for a pair, cut down to the room that the target has. */
export function sizesFor({ cpus, ...wanted }: PlannedInitiator, target: PlannedTarget): Sizes {
  const threads = Math.min(cpus.length, Math.floor(target.room / AREA_STEP));
  const oneBytes = Math.min(wanted.oneBytes, floored(target.room));
  const eachBytes = Math.min(wanted.eachBytes, floored(target.room / threads));
  const notes = [...target.notes];
  const cached = (who: string, bytes: number, cacheBytes: number): void => {
    if (bytes >= CACHE_TIMES_QUICK * cacheBytes) return;
    notes.push(
      `${who} went through ${formatSize(bytes)}, where the caches hold ${formatSize(cacheBytes)}: a part of the values is theirs.`,
    );
  };
  cached("One CPU", oneBytes, wanted.ownCacheBytes);
  if (threads > 1) cached(`${threads} CPUs`, eachBytes * threads, wanted.cacheBytes);
  if (threads < cpus.length)
    notes.push(`There was room for ${threads} of ${cpus.length} CPUs to go through at the same time.`);
  return { oneBytes, eachBytes, threads, notes };
}

function stepped(bytes: number): number {
  return Math.max(AREA_STEP, Math.ceil(bytes / AREA_STEP) * AREA_STEP);
}

function floored(bytes: number): number {
  return Math.max(AREA_STEP, Math.floor(bytes / AREA_STEP) * AREA_STEP);
}
