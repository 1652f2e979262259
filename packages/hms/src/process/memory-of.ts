import { readLimits } from "@hms/host-linux/numa";
import {
  expectSame,
  type MappingKind,
  MappingReader,
  type MappingsOptions,
  openProcess,
  PROC,
  type ProcessIdentity,
  processError,
  SmapsReader,
  threadPlaces,
} from "@hms/host-linux/proc";
import { type By, HmsError, type Machine } from "@hms/topology";
import { discoverMeasured } from "@hms/topology/measured";
import { type Held, misplacedOf, targetOfNode } from "./misplaced.ts";
import { programName } from "./name.ts";
import type { MemoryRegion, PlaceMemory, ProcessMemory, Runs } from "./process-memory.ts";
import { RegionCollector, type RegionDraft } from "./regions.ts";
import { runsOf } from "./runs.ts";
import { Tally } from "./tally.ts";

/** Regions that are answered at most, whatever is asked for. */
export const REGIONS_MAX = 100_000;
/** Mappings that are read before other work of the program gets its turn. */
const MAPPINGS_PER_TURN = 4096;
/** Less than this that is in memory and on no node is what the kernel maps into every process, or changed meanwhile. */
const DEVICE_BYTES_MIN = 65_536;

/** Kinds that do not move, or only into pages that were set apart. */
const STAYS: readonly MappingKind[] = ["hugetlb", "device", "kernel"];

/** What is asked about a process. */
export interface MemoryOptions {
  /** The machine that it runs on, to say what is what and what is better; unless given this one, with what `hms measure --keep` saved of it. */
  readonly machine?: Machine;
  /** By what a memory is better than another; bandwidth unless given. */
  readonly by?: By;
  /** The most regions to list, the largest; true: REGIONS_MAX. None unless given. */
  readonly regions?: boolean | number;
  /** Whether to tell kinds of memory; true unless given. Without them a tenth of the time is saved. */
  readonly kinds?: boolean;
  /** The folder of processes; `/proc` unless given. */
  readonly proc?: string;
}

/**
 * The memory of a process: how much it has on which memory of the machine and of what kind, its policies and huge
 * pages, where it runs, and what would be better elsewhere. It takes the kernel about 10 ms a GiB of small pages, and
 * a second for half a million mappings, in bounded memory; other work of the program goes on meanwhile.
 *
 * The kernel's answers are not of one moment: what a process does meanwhile may be counted twice or not at all.
 *
 * @param pid the number of a process, or of one of its threads
 * @throws HmsError PROCESS_GONE (ESRCH): there is no such process, or it ended meanwhile; PROCESS_DENIED (EACCES): this
 *   user may not look into it; PROCESS_NO_MEMORY (EINVAL): it is a thread of the kernel, or has ended and waits for its
 *   parent; BAD_OPTION (EINVAL): `pid` or `regions` is no whole number from 1
 *
 * @example
 * ```ts
 * import { memoryOf } from "hms/process";
 * const { name, bytes, places } = await memoryOf(process.pid);
 * console.log(name, bytes > 0, places.map(({ target }) => target)); // e.g. node true [ 'node0' ]
 * ```
 */
export async function memoryOf(pid: number, options: MemoryOptions = {}): Promise<ProcessMemory> {
  expectWhole("process's number", pid);
  const { proc = PROC } = options;
  const found = openProcess(pid, proc);
  const machine = options.machine ?? discoverMeasured();
  return await readMemory(found, { ...options, machine, proc, room: roomOn(machine) });
}

/** The room of the nodes at this moment, as `hms move` counts it: what is free and what the kernel gives up, above what it keeps. */
export function roomOn(machine: Machine): Held["room"] {
  if (machine.input.kind !== "live") return () => null;
  const { nodes } = readLimits();
  return (node) => {
    const memory = nodes.get(node);
    if (memory === undefined) return 0;
    return Math.max(0, memory.freeBytes + memory.cacheBytes - memory.reserveBytes);
  };
}

/** What is asked, with all that it takes to answer. */
export interface Reading extends MemoryOptions {
  readonly machine: Machine;
  readonly proc: string;
  readonly room: Held["room"];
}

/** As `memoryOf`, of a process that was found. */
export async function readMemory(found: ProcessIdentity, options: Reading): Promise<ProcessMemory> {
  const { machine, proc, room, by = "bandwidth" } = options;
  const action = `Read the memory of process ${found.pid} (${programName(found)})`;
  if (found.resident === null)
    throw new HmsError(
      "PROCESS_NO_MEMORY",
      "EINVAL",
      `${action}: it has none, as ${found.state === "Z" ? "it has ended and its parent has not noticed yet" : "it is a thread of the kernel"}; name another.`,
    );
  try {
    const threads = threadPlaces(proc, found.pid);
    const runs = runsOf(machine, threads);
    const whole = rollup(proc, found.pid);
    const read = await readMappings(found, options, whole);
    expectSame(found, action, proc);
    return describe(found, read, { machine, by, room, runs, whole });
  } catch (error) {
    throw processError(error, { pid: found.pid, action, proc });
  }
}

/** What the kernel says of a process as a whole. */
interface Whole {
  readonly resident: number;
  readonly swapped: number;
  readonly transparentHuge: number;
}

/** Null where the kernel has no `smaps_rollup` (before 4.14). */
function rollup(proc: string, pid: number): Whole | null {
  try {
    using reader = new SmapsReader(`${proc}/${pid}/smaps_rollup`);
    if (!reader.next()) return null;
    const { resident, swapped, transparentHuge } = reader;
    return { resident, swapped, transparentHuge };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

interface Read {
  readonly tally: Tally;
  readonly regions: readonly RegionDraft[] | null;
  readonly leftOut: ProcessMemory["regionsLeftOut"];
}

async function readMappings(
  found: ProcessIdentity,
  { proc, regions = false, kinds = true }: MemoryOptions & { readonly proc: string },
  whole: Whole | null,
): Promise<Read> {
  const max = regions === true ? REGIONS_MAX : regions === false ? 0 : Math.min(regions, REGIONS_MAX);
  if (regions !== false) expectWhole("number of regions", max);
  // smaps is a kilobyte of text a mapping: it is left alone where it would only say 0.
  const details = max > 0 && whole !== null && (whole.swapped > 0 || whole.transparentHuge > 0);
  const wanted: MappingsOptions = { names: kinds || max > 0, nodes: true, details };
  const collector = max > 0 ? new RegionCollector(max) : null;
  const tally = new Tally();
  using mappings = new MappingReader(`${proc}/${found.pid}`, wanted);
  for (let turn = 0; mappings.next(); turn++) {
    tally.add(mappings);
    collector?.add(mappings);
    if (turn % MAPPINGS_PER_TURN === MAPPINGS_PER_TURN - 1) await new Promise(setImmediate);
  }
  const collected = collector?.finish();
  return { tally, regions: collected?.regions ?? null, leftOut: collected?.leftOut ?? null };
}

interface Surroundings {
  readonly machine: Machine;
  readonly room: Held["room"];
  readonly by: By;
  readonly runs: Runs;
  readonly whole: Whole | null;
}

function describe(
  found: ProcessIdentity,
  { tally, regions, leftOut }: Read,
  { machine, by, room, runs, whole }: Surroundings,
): ProcessMemory {
  const places = placesOf(machine, tally);
  const policies = tally.policies();
  const allowed = found.nodesAllowed;
  const misplaced = misplacedOf(
    machine,
    {
      pid: found.pid,
      runs,
      nodes: places.map(({ node, bytes, sharedBytes, kinds }) => ({
        node,
        bytes: Math.max(0, bytes - sharedBytes - STAYS.reduce((sum, kind) => sum + (kinds[kind] ?? 0), 0)),
        sharedBytes,
      })),
      allows: (node) => allowed?.has(node) !== false,
      room,
      policies: policies.map(({ policy }) => policy),
    },
    by,
  );
  const onNoNode = (whole?.resident ?? 0) - (tally.bytes - tally.hugetlbBytes);
  return {
    ...identityOf(found),
    runs,
    bytes: tally.bytes,
    places,
    kinds: sumOfKinds(places),
    kindsEstimatedBytes: tally.estimatedBytes,
    deviceBytes: onNoNode >= DEVICE_BYTES_MIN ? onNoNode : 0,
    deviceMappings: tally.devices(),
    swappedBytes: whole?.swapped ?? found.swapped ?? 0,
    huge: { transparentBytes: whole?.transparentHuge ?? null, hugetlbBytes: tally.hugetlbBytes },
    policies,
    mappings: tally.mappings,
    misplaced,
    regions: regions?.map((one) => regionOf(one, machine, misplaced?.from ?? [])) ?? null,
    regionsLeftOut: leftOut,
    unknown:
      whole === null
        ? ["What is in transparent huge pages: this kernel does not say (Linux 4.14 does)."]
        : [],
  };
}

type Identity = Pick<ProcessMemory, "pid" | "parent" | "name" | "command" | "user" | "state" | "threads">;

function identityOf({ pid, parent, name, command, user, state, threads }: ProcessIdentity): Identity {
  return { pid, parent, name, command, user, state, threads };
}

/** What everyone may know of a process, for one that this user may not look into. */
export function outsideOf(found: ProcessIdentity, runs: Runs, why: string): ProcessMemory {
  const kinds = { anonymous: found.anonymous, file: found.file, shmem: found.shmem, hugetlb: found.hugetlb };
  return {
    ...identityOf(found),
    runs,
    bytes: (found.resident ?? 0) + (found.hugetlb ?? 0),
    places: [],
    kinds: Object.fromEntries(Object.entries(kinds).filter(([, bytes]) => bytes !== null && bytes > 0)),
    kindsEstimatedBytes: 0,
    deviceBytes: 0,
    deviceMappings: [],
    swappedBytes: found.swapped ?? 0,
    huge: { transparentBytes: null, hugetlbBytes: found.hugetlb ?? 0 },
    policies: [],
    mappings: 0,
    misplaced: null,
    regions: null,
    regionsLeftOut: null,
    unknown: [why],
  };
}

function placesOf(machine: Machine, tally: Tally): PlaceMemory[] {
  const places: PlaceMemory[] = [];
  tally.nodeBytes.forEach((bytes, node) => {
    if (bytes === 0) return;
    const sharedBytes = tally.sharedBytes[node] ?? 0;
    places.push({
      target: targetOfNode(machine, node),
      node,
      bytes,
      kinds: tally.kindsOf(node),
      sharedBytes,
    });
  });
  return places;
}

function sumOfKinds(places: readonly PlaceMemory[]): ProcessMemory["kinds"] {
  const sums: Record<string, number> = {};
  for (const { kinds } of places)
    for (const [kind, bytes] of Object.entries(kinds)) sums[kind] = (sums[kind] ?? 0) + bytes;
  return sums;
}

function regionOf(
  { start, end, nodes, nodeBytes, ...region }: RegionDraft,
  machine: Machine,
  from: readonly { readonly target: string }[],
): MemoryRegion {
  const places = nodes.map((node, i) => ({ target: targetOfNode(machine, node), bytes: nodeBytes[i] ?? 0 }));
  const stays = region.sharers > 1 || STAYS.includes(region.kind);
  const elsewhere = stays ? [] : places.filter(({ target }) => from.some((one) => one.target === target));
  return {
    address: BigInt(start),
    size: end - start,
    ...region,
    places: places.sort((a, b) => b.bytes - a.bytes),
    misplacedBytes: elsewhere.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function expectWhole(what: string, value: number): void {
  if (Number.isInteger(value) && value > 0 && value < 2 ** 31) return;
  throw new HmsError(
    "BAD_OPTION",
    "EINVAL",
    `Read the memory of a process: a ${what} is a whole number from 1, not ${value}.`,
  );
}
