// Placement: deciding on a request, and finding the policy of a page as a fault does.
import { join } from "node:path";
import { decide, type Limits, NO_LIMITS, type PlacementRequest, PolicyStore } from "@hms/policy";
import { discover, IndexSet, type Machine } from "@hms/topology";
import { type Benchmark, captures, inTurns, lowerQuartile, missing } from "./benchmark.ts";

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
  {
    name: "policy of a page: in the range of the page before",
    unit: "ns",
    better: "lower",
    bound: 1,
    run: () => ({
      ours: lookUp(RANGES_MANY, nearby(RANGES_MANY)),
      peer: LOOK_UP_REQUIRED,
      how: `${RANGES_MANY} ranges, 64 pages of each one after the other; peer is the required cost: 1 % of a fault of 10 µs`,
    }),
  },
  {
    name: "policy of a page: each in another range",
    unit: "ns",
    better: "lower",
    bound: 1,
    run: () => ({
      ours: lookUp(RANGES_FEW, anywhere(RANGES_FEW)),
      peer: LOOK_UP_REQUIRED,
      how: `${RANGES_FEW} ranges, pages at random; peer is the required cost: 1 % of a fault of 10 µs`,
    }),
  },
  {
    name: "policy of a page: a thousand times the ranges",
    unit: "ns",
    better: "lower",
    bound: 6,
    run: () => ({
      ...inTurns(
        5,
        () => lookUp(RANGES_MANY, anywhere(RANGES_MANY)),
        () => lookUp(RANGES_FEW, anywhere(RANGES_FEW)),
      ),
      how: `${RANGES_MANY} ranges against ${RANGES_FEW}, pages at random: twice the steps, and memory that is in no cache`,
    }),
  },
  {
    name: "policies of a space: bytes a range",
    unit: "bytes",
    better: "lower",
    bound: 1,
    run() {
      const store = storeOf(RANGES_MANY);
      return {
        ours: Math.round(store.bytes / store.size),
        peer: 64,
        how: `${RANGES_MANY} ranges that do not touch, set in an order that jumps; peer is the bound that is promised`,
      };
    },
  },
];

/** What this thread has had of a processor: what is required is required of one core, and others use it too. */
function ownNanoseconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1000;
}

const RANGES_MANY = 1_000_000;
const RANGES_FEW = 1000;
/** ns: one in a hundred of a fault, which takes more than 10 µs (npm run bench faults). */
const LOOK_UP_REQUIRED = 100;
/** Pages of a range, with as many between two of them. */
const RANGE_PAGES = 64;
const LOOK_UPS = 1 << 18;

const stores = new Map<number, PolicyStore<string>>();

function storeOf(ranges: number): PolicyStore<string> {
  let store = stores.get(ranges);
  if (store === undefined) {
    store = new PolicyStore<string>();
    for (let i = 0; i < ranges; i++) {
      // A step without a common factor: every range comes once.
      const range = (i * 7919) % ranges;
      store.set({ first: range * 2 * RANGE_PAGES, count: RANGE_PAGES }, i % 2 === 0 ? "near" : "far");
    }
    stores.set(ranges, store);
  }
  return store;
}

/** Pages one after the other, a range at a time. */
function nearby(ranges: number): Float64Array {
  return Float64Array.from({ length: LOOK_UPS }, (_, i) => {
    const range = Math.imul(Math.floor(i / RANGE_PAGES), 40_503) & 0x7fffffff;
    return (range % ranges) * 2 * RANGE_PAGES + (i % RANGE_PAGES);
  });
}

/** Pages anywhere. */
function anywhere(ranges: number): Float64Array {
  let state = 1;
  return Float64Array.from({ length: LOOK_UPS }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * ranges * 2 * RANGE_PAGES);
  });
}

/** Nanoseconds of a look-up: the lower quartile of a few rounds. */
function lookUp(ranges: number, pages: Float64Array): number {
  const store = storeOf(ranges);
  const costs: number[] = [];
  for (let round = 0; round < 8; round++) {
    let found = 0;
    const started = ownNanoseconds();
    for (let i = 0; i < pages.length; i++) if (store.at(pages[i] as number) !== null) found++;
    costs.push((ownNanoseconds() - started) / pages.length);
    if (found === 0) throw new Error("no page had a policy");
  }
  return Number(lowerQuartile(costs).toPrecision(3));
}

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
  const started = ownNanoseconds();
  for (let i = 0; i < CALLS; i++) {
    const request = requests[next++ % requests.length] as PlacementRequest;
    found += decide(machine, request, limits).targets.length;
  }
  const seconds = (ownNanoseconds() - started) / 1e9;
  if (found < CALLS / 2) throw new Error("requests were decided without targets");
  return seconds / CALLS;
}
