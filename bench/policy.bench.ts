// Placement: deciding on a request, and finding the policy of a page as a fault does.
import { join } from "node:path";
import { decide, type Limits, NO_LIMITS, type PlacementRequest } from "@hms/policy";
import { discover, IndexSet, type Machine } from "@hms/topology";
import { type Benchmark, captures, lowerQuartile, missing } from "./benchmark.ts";

/** What is required, requests a second: there is no peer that answers this question. */
const DECISIONS_REQUIRED = 100_000;
/** Short rounds and their best quarter: what else the machine does disturbs those little. */
const ROUNDS = 60;
const CALLS = 3000;

export const benchmarks: readonly Benchmark[] = [
  {
    name: "decide() on the 65-node machine",
    unit: "requests/s",
    better: "higher",
    bound: 1,
    async run() {
      const archive = join(captures, "kfd/mi300-cpx.tar.xz");
      const skipped = missing(archive);
      if (skipped !== undefined) return { skipped };
      const machine = await discover(archive);
      const [limits, requests] = [limitsOf(machine), requestsFor(machine)];
      const costs = Array.from({ length: ROUNDS }, () => secondsEach(machine, requests, limits));
      return {
        ours: Math.round(1 / lowerQuartile(costs)),
        peer: DECISIONS_REQUIRED,
        how: `${machine.targets.length} targets; initiators, pairs of them, lists, both; all modes; with the kernel's limits; ${requests.length} objects in turn, each checked as one never seen; peer is the required rate; lower quartile of ${ROUNDS} × ${CALLS}`,
      };
    },
  },
];

function limitsOf(machine: Machine): Limits {
  const nodes = machine.nodes.map(({ index }) => index);
  return {
    ...NO_LIMITS,
    allowedNodes: IndexSet.of(nodes),
    memoryNodes: IndexSet.of(nodes),
    freeBytes: new Map(nodes.map((node) => [node, 2 ** 33])),
    memory: { group: "/user.slice", leftBytes: 2 ** 34 },
  };
}

/** Requests of every form for every initiator. */
function requestsFor({ initiators, targets }: Machine): PlacementRequest[] {
  return initiators.flatMap((one, i) => {
    const next = initiators[(i + 1) % initiators.length] ?? one;
    const own = targets.find(({ device }) => device === one.id) ?? targets[0];
    const list = [own?.id ?? "", "node0"].filter((id, k, all) => id !== "" && all.indexOf(id) === k);
    return [
      { for: [one.id] },
      { for: [one.id, next.id], prefer: "latency" },
      { for: [one.id], mode: "strict", size: 2 ** 30 },
      { for: [one.id], mode: "interleave" },
      { for: [one.id], targets: list, migrate: true },
      { targets: list, mode: "weighted", weights: list.map((_, k) => k + 1) },
      { for: [one.id], prefer: "capacity" },
    ] satisfies PlacementRequest[];
  });
}

let next = 0;

/** Decides in turn, going on where it left off the last time. */
function secondsEach(machine: Machine, requests: readonly PlacementRequest[], limits: Limits): number {
  let found = 0;
  const started = performance.now();
  for (let i = 0; i < CALLS; i++) {
    const request = requests[next++ % requests.length] as PlacementRequest;
    found += decide(machine, request, limits).targets.length;
  }
  const seconds = (performance.now() - started) / 1000;
  if (found < CALLS / 2) throw new Error("requests were decided without targets");
  return seconds / CALLS;
}
