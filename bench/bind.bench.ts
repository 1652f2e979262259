// Placement in programs: what looking up where a page should be adds to a fault.

import type { Space } from "@hms/hmm";
import type { NodeChoice } from "@hms/host-linux";
import { probe } from "@hms/host-linux";
import { decide } from "@hms/policy";
import { discoverLive } from "@hms/topology";
import { open } from "hms";
import { Nodes } from "../packages/hms/src/kernel/placement/nodes.ts";
import { Policies } from "../packages/hms/src/kernel/placement/policies.ts";
import { Policy } from "../packages/hms/src/kernel/placement/policy.ts";
import { Rooms } from "../packages/hms/src/kernel/placement/rooms.ts";
import { type Benchmark, lowerQuartile } from "./benchmark.ts";

/** Ranges with a policy of their own: more than a program is likely to make. */
const RANGES = 1000;
const RANGE_PAGES = 512;
const CALLS = 20_000;
const ROUNDS = 40;
/** Pages that are touched to see what a fault of one page costs. */
const FAULTS = 4000;

/** Nanoseconds of one look-up, as the host makes one for each window of fresh pages. */
function lookUpNs(): number {
  const policies = new Policies();
  const machine = discoverLive();
  for (let range = 0; range < RANGES; range++) {
    const request = { targets: [machine.targets[0]?.id ?? "node0"] };
    const policy = new Policy(request, decide(machine, request), { origin: "bind", when: 0, devices: [] });
    policies.set(2 * range * RANGE_PAGES, RANGE_PAGES, policy);
  }
  using rooms = new Rooms(() => performance.now() * 1e6);
  const nodes = new Nodes(() => policies, rooms);
  const choice: NodeChoice = { node: -1, count: 1, strict: false, told: false, full: false };
  const space = {} as Space;
  let chosen = 0;
  const costs = Array.from({ length: ROUNDS }, (_, round) => {
    const started = performance.now();
    for (let i = 0; i < CALLS; i++) {
      // As a program that goes through its regions: neighbours first, then the next region.
      const page = 2 * RANGE_PAGES * ((round * 7 + (i >> 6)) % RANGES) + (i & 63);
      if (nodes.choose(space, page, 1, true, choice)) chosen += choice.node;
    }
    return ((performance.now() - started) * 1e6) / CALLS;
  });
  if (chosen !== 0) throw new Error("the look-ups found another node than the first");
  return lowerQuartile(costs);
}

/** Nanoseconds that the kernel thread takes for a fault of one page in a region that is bound. */
async function faultNs(): Promise<number> {
  using hms = await open({ ram: "256MiB" });
  const x = hms.space.alloc(Uint8Array, FAULTS * 4096, { huge: false });
  hms.space.advise(x, "random");
  const before = hms.statistics();
  for (let page = 0; page < FAULTS; page++) x.view[page * 4096] = 1;
  const after = hms.statistics();
  return ((after.faultMs - before.faultMs) * 1e6) / (after.cpuFaults - before.cpuFaults);
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "where a fresh page should be, in a fault",
    unit: "ns",
    better: "lower",
    bound: 1,
    async run() {
      if (probe().userfaultfd === "none") return { skipped: "this machine has no userfaultfd" };
      const fault = await faultNs();
      const ours = lookUpNs();
      return {
        ours: Math.round(ours),
        peer: Math.round(fault / 100),
        how: `${RANGES} ranges with policies of their own; peer is 1 % of what the kernel thread takes for a fault of 4 KiB (${(fault / 1000).toFixed(1)} µs over ${FAULTS} faults); lower quartile of ${ROUNDS} × ${CALLS}`,
      };
    },
  },
];
