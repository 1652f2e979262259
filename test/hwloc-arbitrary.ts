import fc from "fast-check";
import {
  type CpuCache,
  type CpuGroup,
  type CpuKind,
  type DistanceMatrix,
  MEMORY_KINDS,
  type MemorySideCache,
  type NumaNode,
  type OsDevice,
  type PciDevice,
  type Processor,
  type Reach,
} from "../packages/topology/src/model/facts.ts";
import { emptyFacts, type FactsDraft } from "../packages/topology/src/model/facts-draft.ts";
import { IndexSet } from "../packages/topology/src/model/index-set.ts";
import { quantity } from "../packages/topology/src/model/quantity.ts";

// Generates facts of machines, for property tests. They are made of packages of cores of PUs with their CPU numbers shuffled, so that sets are not ranges.

const text = fc.string({ unit: "binary", maxLength: 8 });
const infos = fc.dictionary(fc.stringMatching(/^[A-Z][a-z]{1,6}$/), text, { maxKeys: 3 });
const small = fc.nat(4096);

interface Skeleton {
  readonly processors: Processor[];
  readonly packages: IndexSet[];
  readonly cores: IndexSet[];
}

const skeleton: fc.Arbitrary<Skeleton> = fc
  .record({
    packages: fc.integer({ min: 1, max: 3 }),
    cores: fc.integer({ min: 1, max: 3 }),
    pus: fc.integer({ min: 1, max: 2 }),
    stride: fc.constantFrom(1, 3, 40),
  })
  .chain(({ packages, cores, pus, stride }) => {
    const count = packages * cores * pus;
    const numbers = Array.from({ length: count }, (_, i) => i * stride);
    return fc
      .record({
        order: fc.shuffledSubarray(numbers, { minLength: count, maxLength: count }),
        states: fc.array(fc.constantFrom("usable", "usable", "usable", "offline", "disallowed"), {
          minLength: count,
          maxLength: count,
        }),
      })
      .map(({ order, states }) => {
        const part = (size: number): IndexSet[] =>
          Array.from({ length: count / size }, (_, i) => IndexSet.of(order.slice(i * size, (i + 1) * size)));
        return {
          processors: numbers.map((index, i) => ({
            index,
            online: states[i] !== "offline",
            allowed: states[i] !== "disallowed",
          })),
          packages: part(cores * pus),
          cores: part(pus),
        };
      });
  });

function cache(level: number, type: CpuCache["type"], cpus: IndexSet): fc.Arbitrary<CpuCache> {
  return fc.record({
    level: fc.constant(level),
    type: fc.constant(type),
    size: small,
    lineSize: small,
    associativity: fc.integer({ min: -1, max: 20 }),
    index: fc.option(small),
    cpus: fc.constant(cpus),
    inclusive: fc.option(fc.boolean()),
  });
}

function groups({ packages, cores }: Skeleton): fc.Arbitrary<CpuGroup[]> {
  const of = (type: CpuGroup["type"], cpus: IndexSet): fc.Arbitrary<CpuGroup> =>
    fc.record({
      type: fc.constant(type),
      index: fc.option(small),
      cpus: fc.constant(cpus),
      info: type === "group" || type === "book" ? fc.constant({}) : infos,
    });
  const [first, second, third] = packages;
  const book =
    first !== undefined && second !== undefined && third !== undefined ? [of("book", first.or(second))] : [];
  return fc.tuple(
    ...packages.map((set) => of("package", set)),
    ...cores.map((set) => of("core", set)),
    ...book,
  );
}

function caches({ packages, cores }: Skeleton): fc.Arbitrary<CpuCache[]> {
  return fc.tuple(
    ...packages.map((set) => cache(3, "unified", set)),
    ...cores.map((set) => cache(2, "unified", set)),
    ...cores.map((set) => cache(1, "data", set)),
    ...cores.map((set) => cache(1, "instruction", set)),
  );
}

const sideCache: fc.Arbitrary<Omit<MemorySideCache, "level">> = fc.record({
  size: small,
  lineSize: small,
  associativity: fc.constantFrom("direct", "unknown"),
  writePolicy: fc.constant("unknown"),
  addressMode: fc.constant("unknown"),
});

function node(
  index: number,
  given: Pick<NumaNode, "cpus" | "nearCpus">,
  kinds: readonly NumaNode["kind"]["kind"][],
) {
  return fc.record({
    index: fc.constant(index),
    online: fc.constant(true),
    allowed: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
    cpus: fc.constant(given.cpus),
    nearCpus: fc.constant(given.nearCpus),
    size: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    free: fc.constant(null),
    kind: fc.record({ kind: fc.constantFrom(...kinds), reason: fc.constant("made up") }),
    pageSizes: fc.uniqueArray(
      fc.record({ size: small.map((n) => n + 1), count: small, free: fc.constant(null) }),
      {
        maxLength: 3,
        selector: (page) => page.size,
      },
    ),
    sideCaches: fc
      .array(sideCache, { maxLength: 2 })
      .map((list) => list.map((c, i) => ({ ...c, level: i + 1 }))),
    access: fc.constant([]),
    tier: fc.constant(null),
    genericInitiator: fc.constant(false),
    info: infos,
  });
}

/** First the nodes with CPUs, one for each package, then memory near some CPUs without any of its own. */
function nodes({ packages, cores }: Skeleton): fc.Arbitrary<NumaNode[]> {
  const all = packages.reduce((set, part) => set.or(part), IndexSet.EMPTY);
  return fc
    .array(fc.constantFrom(...packages, ...cores, all, IndexSet.EMPTY), { maxLength: 4 })
    .chain((near) =>
      fc.tuple(
        ...packages.map((cpus, i) => node(i, { cpus, nearCpus: cpus }, ["dram"])),
        ...near.map((nearCpus, i) => node(20 + 3 * i, { cpus: IndexSet.EMPTY, nearCpus }, MEMORY_KINDS)),
      ),
    );
}

function pciFunction(address: string, parent: string | null, nearCpus: IndexSet): fc.Arbitrary<PciDevice> {
  const last = Number.parseInt(address.slice(5, 7), 16);
  const bits = fc.integer({ min: 0, max: 0xffff });
  return fc.record({
    address: fc.constant(address),
    classCode: parent === null ? fc.constant(0x0604) : bits,
    vendor: bits,
    device: bits,
    subVendor: bits,
    subDevice: bits,
    revision: fc.integer({ min: 0, max: 0xff }),
    label: fc.constant(null),
    slot: fc.option(fc.stringMatching(/^[a-z0-9]{1,4}$/)),
    driver: fc.constant(null),
    parent: fc.constant(parent),
    bridge: fc.constant(parent === null ? { secondaryBus: last + 1, subordinateBus: last + 1 } : null),
    link: fc.constant(null),
    numaNode: fc.constant(null),
    localCpus: fc.constant(nearCpus),
    iommuGroup: fc.constant(null),
  });
}

function osDevice(name: string, pciAddress: string | null, localCpus: IndexSet): fc.Arbitrary<OsDevice> {
  return fc.record({
    name: fc.constant(name),
    kernelClass: fc.constant(null),
    type: fc.constantFrom("block", "gpu", "network", "openfabrics", "dma", "coprocessor"),
    subtype: fc.option(fc.stringMatching(/^[A-Z][a-z]{1,6}$/)),
    pciAddress: fc.constant(pciAddress),
    numaNode: fc.constant(null),
    localCpus: fc.constant(localCpus),
    info: infos,
  });
}

/** A root bus for each package with a bridge and a function behind it, and devices with and without one. */
function devices({ packages, cores }: Skeleton): fc.Arbitrary<Pick<FactsDraft, "pci" | "devices">> {
  const bus = (i: number): string => (i * 16).toString(16).padStart(2, "0");
  const near = [...packages, ...cores, IndexSet.EMPTY];
  return fc.record({
    pci: fc.tuple(
      ...packages.flatMap((cpus, i) => [
        pciFunction(`0000:${bus(i)}:00.0`, null, cpus),
        pciFunction(`0000:${bus(i).replace(/0$/, "1")}:1f.7`, `0000:${bus(i)}:00.0`, cpus),
      ]),
    ),
    devices: fc.tuple(
      ...packages.map((cpus, i) => osDevice(`below${i}`, `0000:${bus(i).replace(/0$/, "1")}:1f.7`, cpus)),
      ...near.map((cpus, i) => osDevice(`free${i}`, null, cpus)),
    ),
  });
}

function numbers(
  count: number,
  nodeNumbers: readonly number[],
): fc.Arbitrary<Pick<FactsDraft, "distances" | "reaches">> {
  const bandwidth = fc.option(
    fc.integer({ min: 1, max: 1_000_000 }).map((megabytes) => megabytes * 1_000_000),
  );
  const latency = fc.option(fc.integer({ min: 1, max: 10_000 }));
  const reach = fc
    .record({
      initiator: fc.nat(count - 1).map((i) => `node${i}`),
      target: fc.constantFrom(...nodeNumbers).map((i) => `node${i}`),
      read: bandwidth,
      write: bandwidth,
      readNs: latency,
      writeNs: latency,
    })
    .map(
      ({ initiator, target, read, write, readNs, writeNs }): Reach => ({
        initiator,
        target,
        medium: "memory",
        properties: {
          readBandwidth: quantity(read, "hmat"),
          writeBandwidth: quantity(write, "hmat"),
          readLatency: quantity(readNs, "hmat"),
          writeLatency: quantity(writeNs, "hmat"),
          distance: null,
          coherent: null,
          atomics: null,
        },
      }),
    );
  const distances = fc
    .array(fc.integer({ min: 0, max: 255 }), {
      minLength: nodeNumbers.length ** 2,
      maxLength: nodeNumbers.length ** 2,
    })
    .map((values): DistanceMatrix => ({ name: "NUMALatency", nodes: nodeNumbers, values }));
  return fc.record({
    distances: fc.array(distances, { maxLength: 1 }),
    reaches: fc.uniqueArray(reach, { maxLength: 6, selector: (r) => `${r.initiator} ${r.target}` }),
  });
}

function cpuKinds({ packages }: Skeleton): fc.Arbitrary<CpuKind[]> {
  return fc.tuple(
    ...packages.map((cpus) =>
      fc.record({ cpus: fc.constant(cpus), efficiency: fc.option(fc.nat(9)), info: infos }),
    ),
  );
}

/** Facts of a machine that hwloc can describe, some of its CPUs and nodes offline or disallowed. */
export const machineFacts: fc.Arbitrary<FactsDraft> = skeleton.chain((parts) =>
  nodes(parts).chain((nodeList) =>
    fc
      .record({
        info: infos,
        groups: groups(parts),
        caches: caches(parts),
        cpuKinds: cpuKinds(parts),
        io: devices(parts),
        numbers: numbers(
          parts.packages.length,
          nodeList.map((n) => n.index),
        ),
      })
      .map(({ io, numbers: n, ...rest }) => ({
        ...emptyFacts(),
        ...rest,
        ...io,
        ...n,
        processors: parts.processors,
        nodes: nodeList,
      })),
  ),
);
