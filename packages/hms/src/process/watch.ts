// Looks at a command's memory while it runs: afterwards there is nothing left to look at.
import { readdirSync, readFileSync } from "node:fs";
import { readLimits } from "@hms/host-linux/numa";
import { MappingReader, NODES_MAX } from "@hms/host-linux/proc";
import { type PlacementReport, ReportBuilder } from "@hms/policy";
import { formatSize } from "@hms/topology";
import type { CommandPlan } from "./plan.ts";

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

/** What was seen at once of a command's processes: base pages by node. */
interface Look {
  readonly atSeconds: number;
  processes: number;
  /** Pages that a policy places, in all and by node. */
  pages: number;
  readonly placed: Float64Array;
  readonly files: Float64Array;
  /** Policies of mappings that are not the command's: what its programs have set themselves. */
  readonly ownPolicies: Set<string>;
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
    this.#timer = setTimeout(() => this.#look(), afterMs);
    this.#timer.unref();
  }

  #look(): void {
    const from = performance.now();
    const look: Look = {
      atSeconds: (from - this.#started) / 1000,
      processes: 0,
      pages: 0,
      placed: new Float64Array(NODES_MAX),
      files: new Float64Array(NODES_MAX),
      ownPolicies: new Set(),
    };
    for (const pid of family(this.#pid)) {
      try {
        lookAt(pid, this.#plan, look);
        look.processes++;
      } catch {
        // It ended meanwhile, or is another user's now (sudo): what cannot be seen is not in the report.
      }
    }
    if (this.#ended) return;
    if (look.processes > 0) this.#keep(look);
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
      processes: look.processes,
      filePages: [...byTarget(this.#plan, look.files)].map(([place, pages]) => ({ place, pages })),
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

/** Policies that are told of. */
const OWN_POLICIES_MAX = 4;

/** Adds what a process has to a look. */
function lookAt(pid: number, { policy }: CommandPlan, look: Look): void {
  using mappings = new MappingReader(`/proc/${pid}`, { names: true, nodes: true, details: false });
  while (mappings.next()) {
    const { pages, kind } = mappings;
    if (pages === null || pages.pages === 0) continue;
    const size = pages.pageBytes / PAGE_BYTES;
    // Of a file's private mapping the kernel tells how many pages were written to, and so are the process's own, but
    // not on which node these are: those on the policy's nodes go first.
    let own = kind === "file" ? Math.min(pages.anonymous, pages.pages) : pages.pages;
    look.pages += own * size;
    if (own > 0 && look.ownPolicies.size < OWN_POLICIES_MAX && !pages.policy.startsWith(policy.name))
      look.ownPolicies.add(pages.policy);
    for (const first of [true, false]) {
      for (let i = 0; i < pages.nodeCount; i++) {
        const node = pages.nodes[i] as number;
        if (policy.nodes.has(node) !== first) continue;
        const there = pages.pagesOf[node] as number;
        const mine = Math.min(own, there);
        own -= mine;
        look.placed[node] = (look.placed[node] as number) + mine * size;
        look.files[node] = (look.files[node] as number) + (there - mine) * size;
      }
    }
  }
}

/** Pages by target, of nodes that have any. */
function byTarget({ machine }: CommandPlan, pages: Float64Array): Map<string, number> {
  const found = new Map<string, number>();
  for (let node = 0; node < pages.length; node++) {
    const count = pages[node] as number;
    if (count === 0) continue;
    const id = machine.targets.find(({ numaNode }) => numaNode === node)?.id ?? `node${node}`;
    found.set(id, count);
  }
  return found;
}

function reportOf(plan: CommandPlan, look: Look): PlacementReport {
  const { decision } = plan;
  const pages = byTarget(plan, look.placed);
  const total = look.pages;
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
    if (first === undefined) continue;
    const { id, numaNode } = first.target;
    builder.refused({ target: id, ...reasonOf(numaNode, look), now: place }, count);
  }
  return builder.done();
}

/** Why pages are in none of the targets, as far as it can be told afterwards. */
function reasonOf(
  node: number | null,
  { ownPolicies }: Look,
): { readonly by: "kernel" | "capacity"; readonly errno: "ENOMEM" | null; readonly why: string } {
  if (ownPolicies.size > 0) {
    const why = `the program has policies of its own for some of its memory (${[...ownPolicies].join(", ")})`;
    return { by: "kernel", errno: null, why };
  }
  const memory = node === null ? undefined : readLimits().nodes.get(node);
  const free = memory === undefined ? "" : `; ${formatSize(memory.freeBytes)} are free there now`;
  return { by: "capacity", errno: "ENOMEM", why: `there was no room when they were made${free}` };
}
