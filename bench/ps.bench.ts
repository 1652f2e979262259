// `hms ps` of a process with 100,000 mappings: against numastat of numactl, against what the kernel takes for the text
// alone, and how much memory it takes for it.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Benchmark, inTurns, type Measured, missingTool, root, timeProcess } from "./benchmark.ts";

const MAPPINGS = 100_000;
/** What a Node process has beside. */
const MAPPINGS_BESIDE = 2000;
const ROUNDS = 7;
const PROMISED_MS = 2000;
const LIMIT = "/proc/sys/vm/max_map_count";
const HMS = join(root, "packages/cli/bin/hms.js");

/** Why it cannot be measured here. */
function skip(...tools: readonly string[]): string | undefined {
  for (const tool of tools) {
    const missing = missingTool(tool);
    if (missing !== undefined) return missing;
  }
  if (limit() >= MAPPINGS + MAPPINGS_BESIDE || process.geteuid?.() === 0) return undefined;
  return `vm.max_map_count is ${limit()} and only root can raise it to ${MAPPINGS + MAPPINGS_BESIDE}`;
}

function limit(): number {
  return Number(readFileSync(LIMIT, "utf8"));
}

/** With a process of so many mappings; the limit on them is raised for its time where need be, and put back. */
async function withMappings(count: number, measure: (pid: string) => Measured): Promise<Measured> {
  const before = limit();
  const raised = before < count + MAPPINGS_BESIDE;
  if (raised) writeFileSync(LIMIT, String(count + MAPPINGS_BESIDE));
  let child: ChildProcess | null = null;
  try {
    const program = join(root, "bench/ps/many-mappings.ts");
    child = spawn(process.execPath, [program, String(count)], { stdio: ["pipe", "pipe", "inherit"] });
    if (child.stdout === null) throw new Error("the program has no output");
    const [first] = await Promise.race([once(child.stdout, "data"), once(child, "exit").then(() => [null])]);
    if (first === null) throw new Error("the program ended before it had its mappings");
    const measured = measure(String(first).trim());
    return raised
      ? { ...measured, how: `${measured.how}; vm.max_map_count raised from ${before} for it` }
      : measured;
  } finally {
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      child.stdin?.end();
      await once(child, "exit");
    }
    if (raised) writeFileSync(LIMIT, String(before));
  }
}

function timePs(pid: string): number {
  return timeProcess(process.execPath, [HMS, "ps", pid]);
}

/** KiB that `hms ps` had in memory at most. */
function peakOfPs(...args: readonly string[]): number {
  const preload = join(root, "bench/ps/peak.cjs");
  const { stderr } = spawnSync(process.execPath, ["--require", preload, HMS, "ps", ...args], {
    encoding: "utf8",
  });
  const peak = /^peak (\d+)$/m.exec(stderr)?.[1];
  if (peak === undefined) throw new Error(`hms ps failed: ${stderr}`);
  return Number(peak);
}

function against(
  name: string,
  bound: number,
  peer: (pid: string) => readonly [string, readonly string[]],
): Benchmark {
  return {
    name: `hms ps of 100,000 mappings, against ${name}`,
    unit: "ms",
    better: "lower",
    bound,
    run() {
      const skipped = skip(peer("1")[0]);
      if (skipped !== undefined) return { skipped };
      return withMappings(MAPPINGS, (pid) => {
        timePs(pid);
        const [command, args] = peer(pid);
        return {
          ...inTurns(
            ROUNDS,
            () => timePs(pid),
            () => timeProcess(command, args),
          ),
          how: `whole processes; lower quartiles of ${ROUNDS} runs in turns`,
        };
      });
    },
  };
}

export const benchmarks: readonly Benchmark[] = [
  against("numastat -p", 5, (pid) => ["numastat", ["-p", pid]]),
  against("cat numa_maps", 7, (pid) => ["cat", [`/proc/${pid}/numa_maps`]]),
  {
    name: "hms ps --regions of 100,000 mappings, against what is promised",
    unit: "ms",
    better: "lower",
    bound: 1,
    run() {
      const skipped = skip();
      if (skipped !== undefined) return { skipped };
      return withMappings(MAPPINGS, (pid) => {
        const regions = (): number => timeProcess(process.execPath, [HMS, "ps", "--regions", pid]);
        regions();
        return {
          ...inTurns(ROUNDS, regions, () => PROMISED_MS),
          how: "whole process; the peer is the promise of 2 s",
        };
      });
    },
  },
  {
    name: "memory of hms ps --regions: 100,000 mappings, against 100",
    unit: "KiB",
    better: "lower",
    bound: 1.5,
    async run() {
      const skipped = skip();
      if (skipped !== undefined) return { skipped };
      const few = await withMappings(100, (pid) => ({ ours: peakOfPs("--regions", pid), peer: 1, how: "" }));
      return await withMappings(MAPPINGS, (pid) => ({
        ours: peakOfPs("--regions", pid),
        peer: few.ours,
        how: "the most memory that the process had at once (maxRSS)",
      }));
    },
  },
];
