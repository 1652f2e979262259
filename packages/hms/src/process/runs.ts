import type { ThreadPlace } from "@hms/host-linux/proc";
import { IndexSet, type Initiator, type Machine } from "@hms/topology";
import type { Runs } from "./process-memory.ts";

/** Share of a process's time on CPUs from which on an initiator counts as one that it runs on. */
export const RUNS_SHARE_MIN = 0.1;

/**
 * Where a process runs: the CPUs that its threads ran on last, each thread by the time it has had on CPUs, so that a
 * helper that woke once does not count as much as one that computes.
 */
export function runsOf(machine: Machine, threads: readonly ThreadPlace[]): Runs {
  const cpus = machine.initiators.filter((one) => one.class === "cpu");
  const allowedCpus = threads.reduce(
    (all, { cpusAllowed }) => (cpusAllowed === null ? all : all.or(cpusAllowed)),
    IndexSet.EMPTY,
  );
  const allowed = cpus.filter((one) => one.cpus.intersects(allowedCpus));
  const ticks = new Map<Initiator, number>();
  let total = 0;
  for (const { cpu, cpuTicks } of threads) {
    const initiator = cpus.find((one) => one.cpus.has(cpu));
    if (initiator === undefined) continue;
    // A process that has just started has had no whole tick yet.
    const weight = Math.max(cpuTicks, Number.MIN_VALUE);
    ticks.set(initiator, (ticks.get(initiator) ?? 0) + weight);
    total += weight;
  }
  const on = cpus.filter(
    (one) => (ticks.get(one) ?? 0) > 0 && (ticks.get(one) ?? 0) >= total * RUNS_SHARE_MIN,
  );
  const bound = on.length > 0 && allowed.every((one) => on.includes(one));
  return { on, allowed, bound };
}
