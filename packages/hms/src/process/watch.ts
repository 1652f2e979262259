// Looks at a command's memory while it runs: afterwards there is nothing left to look at.
import { readdirSync, readFileSync } from "node:fs";
import { readLimits } from "@hms/host-linux/numa";
import { type PlacementReport, ReportBuilder } from "@hms/policy";
import { formatSize, HmsError } from "@hms/topology";
import { memoryOf } from "./memory-of.ts";
import type { CommandPlan } from "./plan.ts";
import type { ProcessMemory } from "./process-memory.ts";

const PAGE_BYTES = 4096;
/** Processes of one command that are looked at: itself, and what it started. */
export const FAMILY_MAX = 256;
/** Milliseconds before the first look, and the least between two. */
const FIRST_MS = 20;
const BETWEEN_MS = 50;
/** The most between two, however long a look takes. */
const BETWEEN_MAX_MS = 2000;
/** Looking may take this share of the time. */
const LOOKING_SHARE = 0.1;

/** What a report of a command is of. */
export interface MemorySeen {
  /** Seconds after its start: the look at which it had the most memory. */
  readonly atSeconds: number;
  /** How often it was looked at. */
  readonly looks: number;
  /** Processes that it was then. Pages that several of them map count for each. */
  readonly processes: number;
  /** Base pages of files (programs, libraries, what it maps) by target: these are placed when a file is first read, by whoever does. */
  readonly filePages: readonly { readonly place: string; readonly pages: number }[];
}

interface Look {
  readonly atSeconds: number;
  readonly processes: readonly ProcessMemory[];
  /** Base pages that a process's policy places. */
  readonly pages: number;
}

/** What is known at the end of a command. */
export interface Watched {
  readonly report: PlacementReport | null;
  readonly seen: MemorySeen | null;
  readonly notes: readonly string[];
}

export class CommandWatch {
  readonly #plan: CommandPlan;
  readonly #started = performance.now();
  readonly #killsBefore = outOfMemoryKills();
  #pid = 0;
  #timer: NodeJS.Timeout | null = null;
  #looks = 0;
  #largest: Look | null = null;
  #ended = false;

  constructor(plan: CommandPlan) {
    this.#plan = plan;
  }

  start(pid: number): void {
    this.#pid = pid;
    this.#next(FIRST_MS);
  }

  #next(afterMs: number): void {
    this.#timer = setTimeout(() => {
      void this.#look();
    }, afterMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const from = performance.now();
    const processes: ProcessMemory[] = [];
    for (const pid of family(this.#pid)) {
      try {
        processes.push(await memoryOf(pid, { machine: this.#plan.machine }));
      } catch (error) {
        // It ended meanwhile, or is another user's now (sudo): what cannot be seen is not in the report.
        if (!HmsError.is(error)) throw error;
      }
    }
    if (this.#ended) return;
    if (processes.length > 0)
      this.#keep({ atSeconds: (from - this.#started) / 1000, processes, pages: placedPages(processes) });
    const took = performance.now() - from;
    this.#next(Math.min(BETWEEN_MAX_MS, Math.max(BETWEEN_MS, took / LOOKING_SHARE)));
  }

  #keep(look: Look): void {
    this.#looks++;
    // The last of the largest: what was placed late counts too.
    if (this.#largest === null || look.pages >= this.#largest.pages) this.#largest = look;
  }

  /** The command has ended, by this signal if by one. */
  end(signal: NodeJS.Signals | null): Watched {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const notes: string[] = [];
    if (signal === "SIGKILL" && outOfMemoryKills() > this.#killsBefore) {
      const { policy } = this.#plan;
      notes.push(
        `It was killed while the kernel was out of memory${policy.name === "bind" ? `: with mode strict there is nothing but node ${policy.nodes.toList()}; give it more targets, or use mode preferred` : ""}.`,
      );
    }
    const look = this.#largest;
    if (look === null) {
      notes.push("It ended before its memory could be looked at.");
      return { report: null, seen: null, notes };
    }
    const seen: MemorySeen = {
      atSeconds: look.atSeconds,
      looks: this.#looks,
      processes: look.processes.length,
      filePages: filePages(look.processes),
    };
    return { report: reportOf(this.#plan, look), seen, notes };
  }
}

/** A process and its descendants, parents first. */
function family(pid: number): number[] {
  const found = [pid];
  for (let i = 0; i < found.length && found.length < FAMILY_MAX; i++) {
    const folder = `/proc/${found[i]}/task`;
    try {
      for (const thread of readdirSync(folder)) {
        const children = readFileSync(`${folder}/${thread}/children`, "utf8").trim();
        if (children !== "") found.push(...children.split(/\s+/).map(Number));
      }
    } catch {
      // It has ended, or the kernel tells of no children.
    }
  }
  return found.slice(0, FAMILY_MAX);
}

/** Kills for want of memory since the machine started. */
function outOfMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const fileBytes = (place: ProcessMemory["places"][number]): number => place.kinds.file ?? 0;

function placedPages(processes: readonly ProcessMemory[]): number {
  let bytes = 0;
  for (const one of processes) for (const place of one.places) bytes += place.bytes - fileBytes(place);
  return Math.round(bytes / PAGE_BYTES);
}

function byTarget(
  processes: readonly ProcessMemory[],
  bytesOf: (place: ProcessMemory["places"][number]) => number,
): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const { places } of processes) {
    for (const place of places) bytes.set(place.target, (bytes.get(place.target) ?? 0) + bytesOf(place));
  }
  const pages = new Map<string, number>();
  for (const [target, sum] of bytes) pages.set(target, Math.round(sum / PAGE_BYTES));
  return pages;
}

function filePages(processes: readonly ProcessMemory[]): MemorySeen["filePages"] {
  return [...byTarget(processes, fileBytes)]
    .filter(([, pages]) => pages > 0)
    .map(([place, pages]) => ({ place, pages }));
}

function reportOf({ decision, policy }: CommandPlan, look: Look): PlacementReport {
  const pages = byTarget(look.processes, (place) => place.bytes - fileBytes(place));
  const total = [...pages.values()].reduce((sum, one) => sum + one, 0);
  const builder = new ReportBuilder(decision.mode, total);
  const weights = decision.targets.reduce((sum, { weight }) => sum + weight, 0);
  const inTurn = decision.mode === "interleave" || decision.mode === "weighted";
  decision.targets.forEach(({ target, weight }, i) => {
    const share = inTurn ? Math.floor((total * weight) / weights) : i === 0 ? total : 0;
    builder.wanted(target.id, share).placed(target.id, pages.get(target.id) ?? 0);
  });
  for (const { target, by, errno, why } of decision.refused)
    builder.refused({ target: target.id, by, errno, why }, 0);
  const [first] = decision.targets;
  for (const [place, count] of pages) {
    if (count === 0 || decision.targets.some(({ target }) => target.id === place)) continue;
    builder.elsewhere(place, count);
    if (first !== undefined) {
      builder.refused(
        { target: first.target.id, ...reasonOf(first.target.numaNode, policy.name, look), now: place },
        count,
      );
    }
  }
  return builder.done();
}

/** Why pages are in none of the targets, as far as it can be told afterwards. */
function reasonOf(
  node: number | null,
  policy: string,
  look: Look,
): { readonly by: "kernel" | "capacity"; readonly errno: "ENOMEM" | null; readonly why: string } {
  const own = new Set<string>();
  for (const { policies } of look.processes) {
    for (const one of policies) if (one.bytes > 0 && one.policy.split(":")[0] !== policy) own.add(one.policy);
  }
  if (own.size > 0) {
    return {
      by: "kernel",
      errno: null,
      why: `the program has policies of its own (${[...own].slice(0, 4).join(", ")})`,
    };
  }
  const memory = node === null ? undefined : readLimits().nodes.get(node);
  const free = memory === undefined ? "" : `; ${formatSize(memory.freeBytes)} are free there now`;
  return { by: "capacity", errno: "ENOMEM", why: `there was no room when they were made${free}` };
}
