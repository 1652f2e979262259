import { getAffinity } from "@hms/host-linux";
import { readLimits } from "@hms/host-linux/numa";
import { discoverLive, HmsError } from "@hms/topology";
import {
  hostOfThisMachine,
  type MeasuredDevice,
  type MeasuredPair,
  type Measurements,
  type MeasureSettings,
  type NotMeasured,
} from "@hms/topology/measured";
import { expectOptions, type Known } from "../options.ts";
import { parseSize, type Size } from "../size.ts";
import { kernelsModule } from "./area.ts";
import { Bystanders } from "./busy.ts";
import { Crew, expectGoing } from "./crew.ts";
import { measureOwnDevices } from "./devices.ts";
import { measurePair, once, stepsOf } from "./pair.ts";
import { ONE_MAX, type Plan, type PlannedInitiator, planOf, SIZE_MIN, sizesFor } from "./plan.ts";

/** Runs of each measurement, at most. */
export const RUNS_MAX = 1000;
const RUNS = 5;
const RUNS_QUICK = 3;
/** How long a run is. Milliseconds. */
const WINDOW_MS = 60;
const WINDOW_QUICK_MS = 25;
/** Runs of each kernel to find out which is the faster, and how much faster the library's has to be to be used. */
const TRIAL_RUNS = 5;
const TRIAL_MS = 20;
const LIBRARY_GAIN = 1.1;

/** How far a measurement is. */
export interface MeasureProgress {
  /** Steps done, and steps in all. */
  readonly done: number;
  readonly total: number;
  /** What is measured now: `node0 → node1: latency`. */
  readonly what: string;
}

/** How it is measured. */
export interface MeasureOptions {
  /** Runs of each measurement, 1 to 1000; default 5. The median counts. */
  readonly runs?: number;
  /** Shorter runs, fewer of them, smaller working sets, and no latency in small pages. */
  readonly quick?: boolean;
  /**
   * What one CPU goes through, 4 MiB to 2 GiB: `"256MiB"`. Default: eight times what the last-level cache holds (four
   * times with `quick`), 64 MiB at least.
   */
  readonly size?: Size;
  /** Devices to measure besides, as `open` takes them: `accel:memory=64MiB`. Default: none. */
  readonly devices?: readonly string[];
  readonly onProgress?: (progress: MeasureProgress) => void;
  /** Stops it: it rejects with MEASURE_STOPPED (ECANCELED). */
  readonly signal?: AbortSignal;
}

const OPTIONS: Known<MeasureOptions> = {
  runs: "number",
  quick: "boolean",
  size: "any",
  devices: "array",
  onProgress: "function",
  signal: "object",
};

/**
 * Measures bandwidth and latency between the CPUs of each node and the memory of each node of this machine, with memory
 * traffic of threads that are pinned to the CPUs: reading, writing, copying, and loads that wait for each other. It
 * takes some seconds a pair, in which nothing else should run. Pairs that cannot be measured are named in `missing`.
 *
 * Rejects with BAD_OPTION, BAD_SIZE (EINVAL), MEASURE_NO_THREAD (ENOMEM, EINVAL), MEASURE_STOPPED (ECANCELED), ABI_MISMATCH
 * where the machine is none that hms knows.
 *
 * @example
 * ```ts
 * import { measure } from "hms/measure";
 * const { pairs } = await measure({ quick: true, runs: 1, size: "16MiB" });
 * for (const { initiator, target, chases } of pairs)
 *   console.log(`${initiator} → ${target}: ${chases[0]?.latency.median} ns`);
 * ```
 */
export async function measure(options: MeasureOptions = {}): Promise<Measurements> {
  const { quick, runs, size, devices, signal, onProgress } = checked(options);
  const machine = discoverLive();
  const plan = planOf(machine, readLimits(), {
    quick,
    affinity: getAffinity(),
    ...(size === null ? {} : { size }),
  });
  const bystanders = new Bystanders();
  const smallPages = !quick;
  const total = totalOf(plan, smallPages) + devices.length;
  let done = 0;
  const step = (what: string): void => {
    expectGoing(signal);
    onProgress?.({ done: done++, total, what });
  };
  const pairs: MeasuredPair[] = [];
  const missing: NotMeasured[] = [...plan.missing];
  let settings: MeasureSettings = {
    runs,
    windowMs: quick ? WINDOW_QUICK_MS : WINDOW_MS,
    write: "simd",
    copy: "simd",
  };
  // Devices first: what is wrong with them is known at once, and hms is closed again before the CPUs are measured.
  const measured: MeasuredDevice[] = await measureOwnDevices(devices, { runs, step });
  const module = kernelsModule();
  for (const [i, initiator] of plan.initiators.entries()) {
    if (plan.targets.length === 0) break;
    await using crew = await startCrew(module, plan, initiator, signal);
    if (i === 0) step("which loops are the fastest here");
    if (i === 0) settings = await fasterKernels(crew, oneBytes(plan, initiator), settings);
    for (const target of plan.targets) {
      const sizes = sizesFor(initiator, target);
      const pair = await measurePair(
        crew,
        { initiator, target, sizes },
        {
          settings,
          smallPages,
          lineBytes: plan.lineBytes,
          onlyNode: machine.nodes.filter((node) => node.online && node.size !== 0).length === 1,
          step: (what) => step(`${initiator.id} → ${target.id}: ${what}`),
        },
      );
      if (typeof pair === "string") missing.push({ initiator: initiator.id, target: target.id, why: pair });
      else pairs.push(pair);
    }
  }
  onProgress?.({ done: total, total, what: "done" });
  return {
    when: new Date().toISOString(),
    host: hostOfThisMachine(machine),
    settings,
    pairs,
    devices: measured,
    missing,
    warnings: bystanders.warnings(),
  };
}

interface Checked {
  readonly runs: number;
  readonly quick: boolean;
  readonly size: number | null;
  readonly devices: readonly string[];
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: MeasureProgress) => void) | undefined;
}

function checked(options: MeasureOptions): Checked {
  expectOptions("Measuring", options, OPTIONS);
  const { quick = false, devices = [], signal, onProgress } = options;
  const { runs = quick ? RUNS_QUICK : RUNS } = options;
  if (!Number.isInteger(runs) || runs < 1 || runs > RUNS_MAX)
    throw new HmsError(
      "BAD_OPTION",
      "EINVAL",
      `Measuring failed: runs must be a whole number from 1 to ${RUNS_MAX}, not ${runs}.`,
    );
  const size = options.size === undefined ? null : parseSize(options.size, "size");
  if (size !== null && (size < SIZE_MIN || size > ONE_MAX))
    throw new HmsError(
      "BAD_SIZE",
      "EINVAL",
      `Measuring failed: size must be ${SIZE_MIN / 2 ** 20} MiB to ${ONE_MAX / 2 ** 20} MiB, not ${size} bytes.`,
    );
  return { runs, quick, size, devices, signal, onProgress };
}

function totalOf(plan: Plan, smallPages: boolean): number {
  const pairs = plan.initiators.flatMap((initiator) =>
    plan.targets.map((target) => stepsOf(sizesFor(initiator, target).threads, { smallPages })),
  );
  return pairs.reduce((sum, steps) => sum + steps, pairs.length > 0 ? 1 : 0);
}

/** The areas are made once, as large as the largest target asks for. */
async function startCrew(
  module: ReturnType<typeof kernelsModule>,
  plan: Plan,
  initiator: PlannedInitiator,
  signal: AbortSignal | undefined,
): Promise<Crew> {
  const each = Math.max(...plan.targets.map((target) => sizesFor(initiator, target).eachBytes));
  const one = Math.max(each, ...plan.targets.map((target) => sizesFor(initiator, target).oneBytes));
  return await Crew.start(
    module,
    initiator.cpus.map((cpu, i) => ({ cpu, bytes: i === 0 ? one : each })),
    signal,
  );
}

/** What one CPU can go through in any of the targets. */
function oneBytes(plan: Plan, initiator: PlannedInitiator): number {
  return Math.min(...plan.targets.map((target) => sizesFor(initiator, target).oneBytes));
}

/**
 * The faster of the two ways to write and to copy on this machine: loops with SIMD instructions, or the C library's
 * routines, which know instructions that go past the caches. By the way, the runtime has made fast code of all loops.
 */
async function fasterKernels(crew: Crew, bytes: number, settings: MeasureSettings): Promise<MeasureSettings> {
  await crew.place(1, null, bytes, true);
  const short = { ...settings, windowMs: Math.min(settings.windowMs, TRIAL_MS) };
  const rate = (work: "write" | "copy", kernel: "simd" | "library"): Promise<number> =>
    once(crew, 1, work, bytes, { ...short, [work]: kernel });
  const faster = async (work: "write" | "copy"): Promise<"simd" | "library"> => {
    // In turns, and the best of each: what disturbs makes both slower, never faster.
    const best = { simd: 0, library: 0 };
    for (let run = 0; run < TRIAL_RUNS; run++) {
      best.simd = Math.max(best.simd, await rate(work, "simd"));
      best.library = Math.max(best.library, await rate(work, "library"));
    }
    return best.library > LIBRARY_GAIN * best.simd ? "library" : "simd";
  };
  await once(crew, 1, "read", bytes, settings);
  return { ...settings, write: await faster("write"), copy: await faster("copy") };
}
