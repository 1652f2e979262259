import { readdirSync, readFileSync } from "node:fs";
import { IndexSet } from "@hms/topology";
import type { ByteCount } from "../sys/units.ts";

const KIB = 1024;

/** What `/proc/PID/status` says; bytes, null for what is not there (a kernel thread has no memory). */
export interface ProcessStatus {
  /** The first 15 bytes of the program's name, or what the program calls itself. */
  readonly name: string;
  /** The kernel's letter: `R` running, `S` sleeping, `D` waiting for a device, `T` stopped, `Z` ended. */
  readonly state: string;
  /** The process: of a thread's status it is another number than was asked for. */
  readonly pid: number;
  readonly parent: number;
  /** User whose rights count. */
  readonly user: number;
  readonly threads: number;
  readonly size: ByteCount | null;
  readonly resident: ByteCount | null;
  readonly anonymous: ByteCount | null;
  readonly file: ByteCount | null;
  readonly shmem: ByteCount | null;
  readonly swapped: ByteCount | null;
  readonly hugetlb: ByteCount | null;
  /** CPUs that it may run on. */
  readonly cpusAllowed: IndexSet | null;
  /** Nodes that its cpuset gives memory of. */
  readonly nodesAllowed: IndexSet | null;
}

/** Takes the text of a status apart. */
export function parseStatus(text: string): ProcessStatus {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const number = (name: string, column = 0): number => {
    const value = Number(fields.get(name)?.split(/\s+/)[column] ?? "");
    return Number.isFinite(value) ? value : 0;
  };
  const bytes = (name: string): ByteCount | null => (fields.has(name) ? number(name) * KIB : null);
  const set = (name: string): IndexSet | null => IndexSet.tryParseList(fields.get(name) ?? "-") ?? null;
  return {
    name: fields.get("Name") ?? "",
    state: fields.get("State")?.charAt(0) ?? "",
    pid: number("Tgid"),
    parent: number("PPid"),
    user: number("Uid", 1),
    threads: number("Threads"),
    size: bytes("VmSize"),
    resident: bytes("VmRSS"),
    anonymous: bytes("RssAnon"),
    file: bytes("RssFile"),
    shmem: bytes("RssShmem"),
    swapped: bytes("VmSwap"),
    hugetlb: bytes("HugetlbPages"),
    cpusAllowed: set("Cpus_allowed_list"),
    nodesAllowed: set("Mems_allowed_list"),
  };
}

/** What `/proc/PID/stat` says. */
export interface ProcessStat {
  /** Time on CPUs since it started, in ticks of 1/100 s. */
  readonly cpuTicks: number;
  /** When it started, in ticks since the machine did: with the number, this is the process. */
  readonly startTicks: number;
  /** The CPU that it runs on, or ran on last. */
  readonly cpu: number;
}

/** Takes the text of a stat apart; its second field is a name in brackets that may hold anything. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => {
    const value = Number(fields[number - 3] ?? "");
    return Number.isFinite(value) ? value : 0;
  };
  return { cpuTicks: field(14) + field(15), startTicks: field(22), cpu: field(39) };
}

/** Threads of a process that are looked at: of one with more the rest is as these are. */
export const THREADS_MAX = 1024;

/** One thread: where it runs, how much, and where it may. */
export interface ThreadPlace {
  readonly cpu: number;
  readonly cpuTicks: number;
  readonly cpusAllowed: IndexSet | null;
}

/** Numbers of the processes that there are, in order. */
export function processNumbers(proc: string): number[] {
  return numbersIn(proc).sort((a, b) => a - b);
}

/** The threads of a process, up to THREADS_MAX of them. One that ends meanwhile is left out. */
export function threadPlaces(proc: string, pid: number): ThreadPlace[] {
  const folder = `${proc}/${pid}/task`;
  const places: ThreadPlace[] = [];
  for (const thread of numbersIn(folder).slice(0, THREADS_MAX)) {
    try {
      const { cpu, cpuTicks } = parseStat(readFileSync(`${folder}/${thread}/stat`, "utf8"));
      const { cpusAllowed } = parseStatus(readFileSync(`${folder}/${thread}/status`, "utf8"));
      places.push({ cpu, cpuTicks, cpusAllowed });
    } catch {
      // It has ended.
    }
  }
  return places;
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
