// Measures one pair: what the CPUs of a node get from a memory.
import { errnoText } from "@hms/host-linux";
import type { MeasuredChase, MeasuredPair, MeasuredRates, MeasureSettings } from "@hms/topology/measured";
import type { Done, Work } from "./area.ts";
import type { Crew, Placed } from "./crew.ts";
import type { PlannedInitiator, PlannedTarget, Sizes } from "./plan.ts";
import { sampleOf } from "./statistics.ts";

/** So much of the memory has to be the target's: a page here or there does not matter. */
const PLACED_MIN = 0.99;
/** Runs before those that count. */
const WARM_RUNS = 1;
const MS_PER_SECOND = 1000;
/** The least of a CPU that a thread has even on a busy machine. */
const CPU_MIN = 0.05;
const NS_PER_MS = 1e6;
const SEED = 0x9e3779b9;

export const RATES = ["read", "write", "copy"] as const;

/** How a pair is measured. */
export interface PairOptions {
  readonly settings: MeasureSettings;
  /** The chase is done in small pages too. */
  readonly smallPages: boolean;
  readonly lineBytes: number;
  /** There is one memory only: what is not asked of the kernel is known all the same. */
  readonly onlyNode: boolean;
  /** Called before each step, to say what is done, and to stop by throwing. */
  readonly step: (what: string) => void;
}

/** Steps that a pair takes, for progress. */
export function stepsOf(threads: number, { smallPages }: Pick<PairOptions, "smallPages">): number {
  return 2 + (smallPages ? 1 : 0) + (threads > 1 ? 1 : 0);
}

/** Measures a pair, or says why that cannot be: the end of a sentence. */
export async function measurePair(
  crew: Crew,
  of: { readonly initiator: PlannedInitiator; readonly target: PlannedTarget; readonly sizes: Sizes },
  options: PairOptions,
): Promise<MeasuredPair | string> {
  const { initiator, target, sizes } = of;
  const { step, lineBytes, settings } = options;
  const { node } = target;
  const rates: MeasuredRates[] = [];
  const chases: MeasuredChase[] = [];
  const place = async (threads: number, bytes: number, huge: boolean): Promise<Where> =>
    whereOf(await crew.place(threads, node, bytes, huge), node, options.onlyNode);
  const chase = async (where: Where): Promise<void> => {
    await crew.link(sizes.oneBytes, lineBytes, SEED);
    const latency = sampleOf(await runs(crew, 1, "chase", sizes.oneBytes, settings));
    chases.push({ bytes: sizes.oneBytes, hugePages: where.hugePart, latency });
  };

  step("bandwidth of one CPU");
  const first = await place(1, sizes.oneBytes, true);
  if (first.why !== null) return first.why;
  rates.push(await ratesOf(crew, 1, sizes.oneBytes, settings));
  step("latency");
  await chase(first);
  if (options.smallPages) {
    step("latency in small pages");
    const where = await place(1, sizes.oneBytes, false);
    if (where.why !== null) return where.why;
    if (first.hugePart > 0) await chase(where);
  }
  if (sizes.threads > 1) {
    step(`bandwidth of ${sizes.threads} CPUs`);
    const where = await place(sizes.threads, sizes.eachBytes, true);
    if (where.why !== null) return where.why;
    rates.push(await ratesOf(crew, sizes.threads, sizes.eachBytes, settings));
  }
  crew.release();
  const placement = first.verified ? "verified" : "only node";
  return { initiator: initiator.id, target: target.id, rates, chases, placement, notes: sizes.notes };
}

/** The kernel's answers for several threads in one. */
interface Where {
  readonly hugePart: number;
  readonly verified: boolean;
  /** Why the memory is not the target's, as far as is known; null: it is. */
  readonly why: string | null;
}

function whereOf(placed: readonly Placed[], node: number, onlyNode: boolean): Where {
  let there = 0;
  let all = 0;
  const elsewhere = new Set<number>();
  const cameFrom = (): string => {
    const others = [...elsewhere].sort((a, b) => a - b).map((other) => `node${other}`);
    const percent = Math.floor((100 * there) / all);
    return `only ${percent} % of the memory came from it, the rest from ${others.join(", ") || "nowhere"}: it has too little that is free`;
  };
  let huge = 0;
  let why: string | null = null;
  let verified = true;
  let refused = 0;
  for (const { bound, found, hugePart } of placed) {
    huge += (hugePart ?? 0) / placed.length;
    if (bound < 0) refused = bound;
    if (typeof found === "number") {
      verified = false;
      if (!onlyNode)
        why ??= `the kernel does not say where pages are: move_pages answers ${errnoText(found)}`;
      continue;
    }
    all += found.unknown;
    for (const [where, pages] of found.byNode) {
      all += pages;
      if (where === node) there += pages;
      else elsewhere.add(where);
    }
  }
  // Without mbind there is still what a thread touches first: it comes from the node that the thread is on.
  if (why === null && verified && there < all * PLACED_MIN)
    why = refused < 0 ? `memory cannot be asked of it: mbind answers ${errnoText(refused)}` : cameFrom();
  return { hugePart: Math.round(huge * 1000) / 1000, verified, why };
}

async function ratesOf(
  crew: Crew,
  threads: number,
  bytes: number,
  settings: MeasureSettings,
): Promise<MeasuredRates> {
  const values: Record<(typeof RATES)[number], number[]> = { read: [], write: [], copy: [] };
  // In turns: what disturbs the machine for a while disturbs all of them.
  for (let run = 0; run < WARM_RUNS + settings.runs; run++) {
    for (const work of RATES) {
      const value = await once(crew, threads, work, bytes, settings);
      if (run >= WARM_RUNS) values[work].push(value);
    }
  }
  return {
    threads,
    bytes: threads * bytes,
    read: sampleOf(values.read),
    write: sampleOf(values.write),
    copy: sampleOf(values.copy),
  };
}

async function runs(
  crew: Crew,
  threads: number,
  work: Work,
  bytes: number,
  settings: MeasureSettings,
): Promise<number[]> {
  const values: number[] = [];
  for (let run = 0; run < WARM_RUNS + settings.runs; run++) {
    const value = await once(crew, threads, work, bytes, settings);
    if (run >= WARM_RUNS) values.push(value);
  }
  return values;
}

/**
 * Bytes/s of all threads together, or ns a load. A thread alone is judged by the time that it had of its CPU, so that
 * another program on the same CPU does not count; with several, what one does not take the others get, so that the time
 * on the wall counts.
 */
export async function once(
  crew: Crew,
  threads: number,
  work: Work,
  bytes: number,
  settings: Pick<MeasureSettings, "windowMs" | "write" | "copy">,
): Promise<number> {
  const library = (work === "write" || work === "copy") && settings[work] === "library";
  const done = await crew.run(threads, { work, library, bytes, windowMs: settings.windowMs });
  const [one] = done;
  if (one === undefined) throw new RangeError("At least one thread has to run.");
  if (work === "chase") return (ownMs(one) * NS_PER_MS) / one.amount;
  if (threads === 1) return (one.amount / ownMs(one)) * MS_PER_SECOND;
  return done.reduce((sum, { amount, elapsedMs }) => sum + (amount / elapsedMs) * MS_PER_SECOND, 0);
}

/** Clocks of the CPU's time tick coarsely on some kernels: what is far too little is none. */
function ownMs({ cpuMs, elapsedMs }: Done): number {
  return cpuMs > elapsedMs * CPU_MIN ? Math.min(cpuMs, elapsedMs) : elapsedMs;
}
