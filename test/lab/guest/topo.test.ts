// lab: hmat, full
// hms topo of the guest says what QEMU's command line says, and what hwloc reads; limits of a cpuset are shown.
import { deepEqual, equal, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import {
  type Difference,
  differences,
  describe as inWords,
  summarise,
} from "../../../tools/compare-hwloc.ts";
import { hwlocOfThisMachine, installedHwloc } from "../../hwloc-run.ts";
import { machine, nodeOf } from "./machine.ts";

const MIB = 2 ** 20;
/** A node has less than it was given: what the kernel and its firmware keep, and the kernel's list of its pages. */
const LEAST = 0.6;

interface Value {
  readonly value: number;
  readonly origin: string;
}

interface Topology {
  readonly targets: readonly {
    readonly uid: number;
    readonly id: string;
    readonly numaNode: number | null;
  }[];
  readonly initiators: readonly {
    readonly uid: number;
    readonly class: string;
    readonly numaNode: number | null;
  }[];
  readonly links: readonly {
    readonly initiators: readonly number[];
    readonly targets: readonly number[];
    readonly properties: Readonly<Record<string, Value | null>>;
  }[];
  readonly nodes: readonly {
    readonly index: number;
    readonly allowed: boolean;
    readonly cpus: string;
    readonly size: number;
    readonly sideCaches: readonly { readonly size: number; readonly lineSize: number }[];
  }[];
  readonly distances: readonly { readonly nodes: readonly number[]; readonly values: readonly number[] }[];
  readonly processors: readonly { readonly index: number; readonly allowed: boolean }[];
  readonly cxlMemdevs: readonly { readonly ramSize: number; readonly pmemSize: number }[];
}

function hmsTopo(format: string, through: readonly string[] = []): string {
  const hms = [process.execPath, "packages/cli/bin/hms.js", "topo", "--no-measured", "--format", format];
  const [command = "", ...args] = [...through, ...hms];
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  equal(status, 0, stderr);
  return stdout;
}

describe("hms topo and the command line", () => {
  let topology: Topology;
  before(() => {
    topology = JSON.parse(hmsTopo("json")) as Topology;
  });
  const node = (index: number) => {
    const found = topology.nodes.find((one) => one.index === index);
    ok(found !== undefined, `node ${index} is not shown`);
    return found;
  };

  test("sizes and CPUs of nodes", () => {
    for (const { domain, memoryMib, cpus } of machine.domains) {
      if (memoryMib === 0) continue;
      const { size, cpus: shown } = node(nodeOf(domain));
      ok(size <= memoryMib * MIB && size >= LEAST * memoryMib * MIB, `domain ${domain}: ${size} bytes`);
      equal(shown, cpus.join(","));
    }
  });

  test("distances", () => {
    const [{ nodes, values } = { nodes: [], values: [] }] = topology.distances;
    const at = (a: number, b: number) => values[nodes.indexOf(a) * nodes.length + nodes.indexOf(b)];
    let compared = 0;
    for (const { from, to, value } of machine.distances) {
      const [a = -1, b = -1] = [machine.nodes[from], machine.nodes[to]];
      // An NVDIMM's node comes with its memory, and a port is none.
      if (!nodes.includes(a) || !nodes.includes(b)) continue;
      deepEqual([at(a, b), at(b, a)], [value, value], `domains ${from} and ${to}`);
      compared++;
    }
    ok(compared >= 6, `only ${compared} pairs were compared`);
  });

  test("bandwidths and latencies of the HMAT: those that Linux tells are the command line's", () => {
    const domainOf = new Map(Object.entries(machine.nodes).map(([domain, index]) => [index, Number(domain)]));
    const nodeBy = (list: readonly { uid: number; numaNode: number | null }[], uid: number | undefined) =>
      domainOf.get(list.find((one) => one.uid === uid)?.numaNode ?? -1);
    const told = new Map<number, Set<number>>();
    for (const { initiators, targets, properties } of topology.links) {
      if (properties.readBandwidth?.origin !== "hmat") continue;
      const target = nodeBy(topology.targets, targets[0]);
      for (const uid of initiators) {
        const initiator = nodeBy(topology.initiators, uid);
        const row = machine.performance.find((one) => one.initiator === initiator && one.target === target);
        ok(row !== undefined && target !== undefined, `domain ${initiator} to ${target} is in no table`);
        deepEqual(
          ["readBandwidth", "writeBandwidth", "readLatency", "writeLatency"].map(
            (name) => properties[name]?.value,
          ),
          [row.readMBps * 1e6, row.writeMBps * 1e6, row.readLatencyNs, row.writeLatencyNs],
          `domain ${initiator} to ${target}`,
        );
        told.set(target, (told.get(target) ?? new Set()).add(row.initiator));
      }
    }
    // Each memory has the nearest CPU's numbers, and the best initiator's if that is none.
    const fastest = (target: number, among: readonly number[]) =>
      machine.performance
        .filter((one) => one.target === target && among.includes(one.initiator))
        .sort((a, b) => a.readLatencyNs - b.readLatencyNs)[0]?.initiator;
    const withCpus = machine.domains.filter(({ cpus }) => cpus.length > 0).map(({ domain }) => domain);
    for (const { domain, memoryMib } of machine.domains) {
      if (memoryMib === 0) continue;
      ok(told.get(domain)?.has(fastest(domain, withCpus) ?? -1), `domain ${domain} from its CPU`);
      const all = Object.keys(machine.nodes).map(Number);
      ok(told.get(domain)?.has(fastest(domain, all) ?? -1), `domain ${domain} from its best initiator`);
    }
  });

  test("the cache in front of the slow memory", () => {
    const { domain, mib, lineBytes } = machine.cache;
    const shown = node(nodeOf(domain)).sideCaches.map(({ size, lineSize }) => [size, lineSize]);
    deepEqual(shown, [[mib * MIB, lineBytes]]);
  });

  test("CXL devices, and initiators that are no CPUs", () => {
    const bytes = (kind: string) =>
      machine.cxl.filter((one) => one.kind === kind).map((one) => one.memoryMib * MIB);
    const shown = (size: "ramSize" | "pmemSize") =>
      topology.cxlMemdevs.map((one) => one[size]).filter((count) => count > 0);
    deepEqual([shown("ramSize"), shown("pmemSize")], [bytes("ram"), bytes("pmem")]);
    const generic = topology.initiators.filter((one) => one.class === "generic").map((one) => one.numaNode);
    deepEqual(
      generic,
      machine.domains.filter(({ role }) => role === "initiator").map(({ domain }) => nodeOf(domain)),
    );
  });
});

/**
 * hwloc leaves a node out that has neither CPUs nor memory, as an accelerator's is; hms shows it as the initiator. So it
 * is missing in what hwloc says of it, and of the CPUs that it is near to.
 */
function isOfInitiator({ item, expected, actual }: Difference): boolean {
  const initiators = machine.domains
    .filter(({ role }) => role === "initiator")
    .map(({ domain }) => nodeOf(domain));
  return initiators.some((node) => {
    if (new RegExp(`\\b(NUMANode|node) ${node}\\b`).test(item)) return expected === null;
    const nodeset = (text: string | null) => Number(/nodeset (0x[0-9a-f]+)/.exec(text ?? "")?.[1]);
    return nodeset(actual) - nodeset(expected) === 2 ** node;
  });
}

test("hms topo and lstopo say the same", { skip: installedHwloc().missing }, () => {
  const found = differences(summarise(hwlocOfThisMachine()), summarise(hmsTopo("hwloc-xml")));
  deepEqual(found.filter((one) => !isOfInitiator(one)).map(inWords), []);
});

test("what a cpuset leaves out is shown as not allowed", () => {
  const group = "/sys/fs/cgroup/topo-test";
  writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
  mkdirSync(group);
  try {
    writeFileSync(`${group}/cpuset.mems`, "0");
    writeFileSync(`${group}/cpuset.cpus`, "1");
    const inside = ["sh", "-c", `echo $$ > ${group}/cgroup.procs; exec "$@"`, "sh"];
    const { nodes, processors } = JSON.parse(hmsTopo("json", inside)) as Topology;
    deepEqual(
      nodes.filter(({ allowed, size }) => allowed && size > 0).map(({ index }) => index),
      [0],
    );
    deepEqual(
      processors.filter(({ allowed }) => allowed).map(({ index }) => index),
      [1],
    );
  } finally {
    rmdirSync(group);
    writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "-cpuset");
  }
});
