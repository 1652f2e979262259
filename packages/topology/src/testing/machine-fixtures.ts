/** Machines made by hand, for tests of what reads a Machine: small ones of each sort, large ones, odd ones. */
import { assemble } from "../assemble/assemble.ts";
import type {
  CpuCache,
  CpuGroup,
  InitiatorType,
  KindConclusion,
  LinkProperties,
  MemoryKind,
  NumaNode,
  OsDevice,
  PciDevice,
} from "../model/facts.ts";
import { emptyFacts, type FactsDraft } from "../model/facts-draft.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Machine } from "../model/machine.ts";
import { OBJECT_VERSION } from "../model/object-version.ts";
import { type Origin, quantity } from "../model/quantity.ts";

const KiB = 2 ** 10;
const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** Properties of a link with the numbers given, the rest unknown. Bandwidths in GB/s, latencies in ns. */
export function properties(
  numbers: {
    readonly read?: number;
    readonly write?: number;
    readonly ns?: number;
    readonly writeNs?: number;
  },
  origin: Origin = "hmat",
): LinkProperties {
  const { read, write = read, ns, writeNs = ns } = numbers;
  const rate = (gigabytes: number | undefined): number | null =>
    gigabytes === undefined ? null : gigabytes * 1e9;
  return {
    readBandwidth: quantity(rate(read), origin),
    writeBandwidth: quantity(rate(write), origin),
    readLatency: quantity(ns, origin),
    writeLatency: quantity(writeNs, origin),
    distance: null,
    coherent: null,
    atomics: null,
  };
}

export function concluded(kind: MemoryKind): KindConclusion {
  return { kind, reason: `made up as ${kind} by a test` };
}

/** A NUMA node; all that is not given is unknown or absent. */
export function node(index: number, given: Partial<NumaNode> = {}): NumaNode {
  const cpus = given.cpus ?? IndexSet.EMPTY;
  const size = given.size === undefined ? 64 * GiB : given.size;
  return {
    index,
    online: true,
    allowed: true,
    cpus,
    nearCpus: cpus,
    size,
    free: size === null ? null : size * 0.75,
    kind: concluded("dram"),
    pageSizes: [],
    sideCaches: [],
    access: [],
    tier: null,
    genericInitiator: false,
    info: {},
    ...given,
  };
}

/** An access class 0 of one initiator node. Bandwidths in GB/s, latencies in ns. */
export function access(
  initiator: number,
  numbers: Parameters<typeof properties>[0],
): NumaNode["access"][number] {
  const { readBandwidth, writeBandwidth, readLatency, writeLatency } = properties(numbers);
  return { index: 0, initiators: [initiator], readBandwidth, writeBandwidth, readLatency, writeLatency };
}

export function group(type: CpuGroup["type"], index: number, cpus: IndexSet, model?: string): CpuGroup {
  return { type, index, cpus, info: model === undefined ? {} : { CPUModel: model } };
}

export function cache(level: number, size: number, cpus: IndexSet): CpuCache {
  return {
    level,
    type: "unified",
    size,
    lineSize: 64,
    associativity: 16,
    index: null,
    cpus,
    inclusive: null,
  };
}

/** A PCI function near a node. */
export function pci(address: string, classCode: number, given: Partial<PciDevice> = {}): PciDevice {
  return {
    address,
    slot: null,
    classCode,
    vendor: 0x1234,
    device: 0x0001,
    subVendor: 0,
    subDevice: 0,
    revision: 0,
    label: null,
    driver: null,
    parent: null,
    bridge: null,
    link: null,
    numaNode: null,
    localCpus: IndexSet.EMPTY,
    iommuGroup: null,
    ...given,
  };
}

function osDevice(name: string, type: OsDevice["type"], pciAddress: string, cpus: IndexSet): OsDevice {
  return {
    name,
    type,
    subtype: null,
    kernelClass: null,
    pciAddress,
    numaNode: null,
    localCpus: cpus,
    info: {},
  };
}

/** Adds packages with cores of `threads` CPUs each, numbered in order, with a last-level cache a package. */
function addPackages(
  facts: FactsDraft,
  packages: number,
  cores: number,
  threads: number,
  model: string,
): IndexSet[] {
  const sets: IndexSet[] = [];
  for (let p = 0; p < packages; p++) {
    const first = p * cores * threads;
    const cpus = IndexSet.range(first, first + cores * threads - 1);
    sets.push(cpus);
    facts.groups.push(group("package", p, cpus, model));
    facts.caches.push(cache(3, 32 * MiB, cpus));
    for (let c = 0; c < cores; c++) {
      const own = IndexSet.range(first + c * threads, first + (c + 1) * threads - 1);
      facts.groups.push(group("core", c, own));
      facts.caches.push(cache(2, 1 * MiB, own));
      for (const index of own) facts.processors.push({ index, online: true, allowed: true });
    }
  }
  return sets;
}

/** A device as an initiator, with its PCI function, in a slot near a node. */
function addDevice(
  facts: FactsDraft,
  device: {
    readonly address: string;
    readonly type: InitiatorType;
    readonly name: string;
    readonly label?: string;
    readonly near: number;
    readonly cpus: IndexSet;
    readonly speed?: number;
    readonly speedCurrent?: number;
    readonly width?: number;
    readonly parent?: string;
  },
): void {
  const { address, type, name, near, cpus } = device;
  const [speed, width] = [device.speed ?? 16, device.width ?? 16];
  facts.pci.push(
    pci(address, type === "gpu" ? 0x0302 : type === "nic" ? 0x0200 : 0x1200, {
      numaNode: near,
      localCpus: cpus,
      parent: device.parent ?? null,
      link: {
        speedMax: speed,
        widthMax: width,
        speedCurrent: device.speedCurrent ?? speed,
        widthCurrent: width,
      },
    }),
  );
  facts.devices.push(osDevice(name, type === "nic" ? "network" : "gpu", address, cpus));
  facts.initiatorFacts.push({
    version: OBJECT_VERSION,
    id: address,
    type,
    aliases: [name],
    label: device.label ?? null,
    cpus: IndexSet.EMPTY,
    numaNode: near,
    pciAddress: address,
  });
  facts.attachments.push({
    initiator: address,
    near: [`node${near}`],
    medium: "pcie",
    properties: properties({ read: speed * width * 0.123 }, "pci"),
  });
}

function addDistances(facts: FactsDraft, local: number, remote: (a: number, b: number) => number): void {
  const nodes = facts.nodes.map((one) => one.index);
  const values = nodes.flatMap((a) => nodes.map((b) => (a === b ? local : remote(a, b))));
  facts.distances.push({ name: "NUMALatency", nodes, values });
}

function made(facts: FactsDraft, name: string): Machine {
  facts.info.OSName = "Linux";
  facts.info.OSRelease = "6.12.0";
  facts.info.Architecture = "x86_64";
  return assemble(facts, { kind: "spec", path: name });
}

/** Two sockets of 8 cores × 2, a node each, with numbers; a GPU and a NIC. */
export function twoSockets(): Machine {
  const facts = emptyFacts();
  const [a = IndexSet.EMPTY, b = IndexSet.EMPTY] = addPackages(facts, 2, 8, 2, "Example 9000 CPU @ 2.00GHz");
  const numbers = { read: 200, write: 180, ns: 90 };
  facts.nodes.push(node(0, { cpus: a, access: [access(0, numbers)], tier: 4 }));
  facts.nodes.push(node(1, { cpus: b, access: [access(1, numbers)], tier: 4, free: 12 * GiB }));
  addDistances(facts, 10, () => 21);
  addDevice(facts, {
    address: "0000:3b:00.0",
    type: "gpu",
    name: "card0",
    label: "Example GPU",
    near: 0,
    cpus: a,
    speedCurrent: 2.5,
  });
  addDevice(facts, { address: "0000:af:00.0", type: "nic", name: "eth0", near: 1, cpus: b, width: 8 });
  facts.targetFacts.push({
    version: OBJECT_VERSION,
    id: "0000:3b:00.0/vram",
    kind: concluded("gpu"),
    size: 24 * GiB,
    free: 23 * GiB,
    numaNode: null,
    device: "0000:3b:00.0",
    label: null,
  });
  facts.reaches.push({
    initiator: "0000:3b:00.0",
    target: "0000:3b:00.0/vram",
    medium: "memory",
    properties: properties({ read: 936 }, "spec"),
  });
  return made(facts, "two-sockets");
}

/** `count` equal nodes of `cpus` CPUs each, with distances in quads; no packages. */
export function equalNodes(count: number, cpus: number): Machine {
  const facts = emptyFacts();
  for (let n = 0; n < count; n++) {
    const own = IndexSet.range(n * cpus, (n + 1) * cpus - 1);
    for (const index of own) facts.processors.push({ index, online: true, allowed: true });
    // Firmware takes a little from the first node, as it does everywhere.
    facts.nodes.push(
      node(n, { cpus: own, size: n === 0 ? 15.7 * GiB : 16 * GiB, free: (8 + (n % 5)) * GiB }),
    );
  }
  addDistances(facts, 10, (a, b) => (a >> 2 === b >> 2 ? 22 : 34));
  return made(facts, `${count}-nodes`);
}

/** Every kind of memory, and each of the odd things: no size, no CPUs, no numbers, out of reach. */
export function everyKind(): Machine {
  const facts = emptyFacts();
  const [cpus = IndexSet.EMPTY] = addPackages(facts, 1, 4, 2, "Example 7");
  facts.processors[7] = { index: 7, online: false, allowed: false };
  const near = { nearCpus: cpus };
  facts.nodes.push(node(0, { cpus, access: [access(0, { read: 100, write: 90, ns: 80 })], tier: 4 }));
  facts.nodes.push(
    node(1, {
      ...near,
      kind: concluded("hbm"),
      size: 16 * GiB,
      access: [access(0, { read: 400, ns: 95 })],
      tier: 3,
    }),
    node(2, {
      ...near,
      kind: concluded("cxl"),
      size: 256 * GiB,
      free: null,
      access: [access(0, { read: 30, write: 28, ns: 250, writeNs: 300 })],
      tier: 8,
      sideCaches: [
        {
          level: 1,
          size: 4 * GiB,
          lineSize: 64,
          associativity: "direct",
          writePolicy: "write-back",
          addressMode: "transparent",
        },
      ],
    }),
    node(3, {
      ...near,
      kind: concluded("nvm"),
      size: 512 * GiB,
      access: [access(0, { read: 8, write: 2, ns: 300 })],
    }),
    node(4, { size: 0, free: 0, kind: concluded("unknown") }),
    node(5, { ...near, size: null, free: null, kind: concluded("unknown") }),
    node(6, { size: 0, genericInitiator: true, kind: concluded("unknown") }),
  );
  addDevice(facts, { address: "0000:01:00.0", type: "accelerator", name: "accel0", near: 0, cpus });
  for (const [id, kind, device] of [
    ["0000:01:00.0/memory", "device", "0000:01:00.0"],
    ["dax0.0", "file", null],
    ["far0", "far", null],
  ] as const) {
    facts.targetFacts.push({
      version: OBJECT_VERSION,
      id,
      kind: concluded(kind),
      size: 32 * GiB,
      free: null,
      numaNode: null,
      device,
      label: null,
    });
  }
  facts.reaches.push({
    initiator: "0000:01:00.0",
    target: "0000:01:00.0/memory",
    medium: "memory",
    properties: { ...properties({}, "spec"), coherent: false, atomics: false },
  });
  facts.reaches.push({
    initiator: "node0",
    target: "far0",
    medium: "network",
    properties: properties({ read: 12.5, ns: 3000 }, "measurement"),
  });
  facts.tiers.push({ index: 3, nodes: IndexSet.of([1]) }, { index: 4, nodes: IndexSet.of([0]) });
  for (let i = 0; i < 7; i++) facts.warnings.push({ path: `sys/devices/odd${i}`, message: "is odd" });
  return made(facts, "every-kind");
}

/** Two CPU sockets and GPUs in partitions: near all of one GPU, farther to the others, and to no file. */
export function gpuPartitions(gpus: number, partitions: number): Machine {
  const facts = emptyFacts();
  const sets = addPackages(facts, 2, 16, 2, "Example 9004");
  sets.forEach((cpus, n) => {
    facts.nodes.push(node(n, { cpus, size: 768 * GiB, free: null }));
  });
  addDistances(facts, 10, () => 32);
  const ids: { id: string; gpu: number }[] = [];
  for (let g = 0; g < gpus; g++) {
    const near = g < gpus / 2 ? 0 : 1;
    for (let p = 0; p < partitions; p++) {
      const id = `0000:${(5 + 32 * g).toString(16).padStart(2, "0")}:00.${p}`;
      ids.push({ id, gpu: g });
      addDevice(facts, {
        address: id,
        type: "gpu",
        name: `renderD${128 + ids.length - 1}`,
        label: "Example 300X",
        near,
        cpus: sets[near] ?? IndexSet.EMPTY,
        speed: 32,
      });
      facts.targetFacts.push({
        version: OBJECT_VERSION,
        id: `${id}/vram`,
        kind: concluded("gpu"),
        size: 24 * GiB,
        free: null,
        numaNode: null,
        device: id,
        label: null,
      });
    }
  }
  for (const from of ids) {
    for (const to of ids) {
      const numbers = from === to ? { read: 1200, ns: 300 } : from.gpu === to.gpu ? { read: 819.2 } : {};
      facts.reaches.push({
        initiator: from.id,
        target: `${to.id}/vram`,
        medium: from === to ? "memory" : "xgmi",
        properties: properties(numbers, "kfd"),
      });
    }
  }
  return made(facts, `${gpus}-gpus`);
}

/** `nodes` nodes with a package each, `cpus` CPUs in all, `devices` PCI devices. */
export function hugeMachine(nodes: number, cpus: number, devices: number): Machine {
  const facts = emptyFacts();
  const sets = addPackages(facts, nodes, Math.max(1, cpus / nodes / 2), 2, "Example");
  sets.forEach((own, n) => {
    facts.nodes.push(
      node(n, { cpus: own, size: (2 + (n % 3)) * GiB, access: [access(n, { read: 100 + (n % 7), ns: 90 })] }),
    );
  });
  addDistances(facts, 10, (a, b) => 20 + ((a ^ b) & 7));
  for (let d = 0; d < devices; d++) {
    const near = d % nodes;
    const bus = (d >> 3).toString(16).padStart(2, "0");
    addDevice(facts, {
      address: `0000:${bus}:${(d & 7).toString(16).padStart(2, "0")}.0`,
      type: d % 2 === 0 ? "nic" : "accelerator",
      name: `dev${d}`,
      near,
      cpus: sets[near] ?? IndexSet.EMPTY,
    });
  }
  return made(facts, "huge");
}

/** What a machine is mixed of. */
export interface Mix {
  readonly nodes: number;
  readonly cores: number;
  /** Distances that occur between nodes. */
  readonly distances: readonly number[];
  /** Bandwidths in GB/s that the nodes' access classes state, none for unknown. */
  readonly bandwidths: readonly number[];
  /** Memories without CPUs: the node they are near, and their kind. */
  readonly memories: readonly {
    readonly near: number;
    readonly kind: MemoryKind;
    readonly cached: boolean;
  }[];
  readonly devices: readonly {
    readonly near: number;
    readonly type: InitiatorType;
    /** GiB of memory of its own, 0 for none. */
    readonly memory: number;
    /** Devices of one switch share a bridge. */
    readonly bridge: number;
  }[];
  /** GB/s between devices with memory, by turns; 0 for no link, none for unknown. */
  readonly peers: readonly (number | undefined)[];
}

/** A machine with nodes, memories, devices and links as they are given. */
export function mixedMachine(mix: Mix): Machine {
  const facts = emptyFacts();
  const sets = addPackages(facts, mix.nodes, mix.cores, 1, "Example");
  const turn = <T>(list: readonly T[], i: number): T | undefined => list[i % Math.max(1, list.length)];
  sets.forEach((cpus, n) => {
    const read = turn(mix.bandwidths, n);
    facts.nodes.push(node(n, { cpus, access: read === undefined ? [] : [access(n, { read, ns: 90 + n })] }));
  });
  mix.memories.forEach(({ near, kind, cached }, i) => {
    const home = near % mix.nodes;
    const side = {
      level: 1,
      size: 4 * GiB,
      lineSize: 64,
      associativity: "direct",
      writePolicy: "write-back",
      addressMode: "transparent",
    } as const;
    facts.nodes.push(
      node(mix.nodes + i, {
        nearCpus: sets[home] ?? IndexSet.EMPTY,
        kind: concluded(kind),
        sideCaches: cached ? [side] : [],
        access: [access(home, { read: 10 + i, write: 8, ns: 200 + i })],
      }),
    );
  });
  let pair = 0;
  addDistances(facts, 10, () => turn(mix.distances, pair++) ?? 20);
  const bridges = new Set(mix.devices.map((device) => device.bridge));
  for (const bridge of bridges) {
    const bus = bridge + 1;
    facts.pci.push(
      pci(`0000:00:${hex(bus)}.0`, 0x0604, { bridge: { secondaryBus: bus, subordinateBus: bus } }),
    );
  }
  const withMemory: string[] = [];
  mix.devices.forEach(({ near, type, memory, bridge }, i) => {
    const home = near % mix.nodes;
    const address = `0000:${hex(bridge + 1)}:${hex(i)}.0`;
    const cpus = sets[home] ?? IndexSet.EMPTY;
    addDevice(facts, {
      address,
      type,
      name: `dev${i}`,
      near: home,
      cpus,
      parent: `0000:00:${hex(bridge + 1)}.0`,
    });
    if (memory === 0) return;
    withMemory.push(address);
    facts.targetFacts.push({
      version: OBJECT_VERSION,
      id: `${address}/vram`,
      kind: concluded("gpu"),
      size: memory * GiB,
      free: null,
      numaNode: null,
      device: address,
      label: null,
    });
  });
  let peer = 0;
  for (const initiator of withMemory) {
    for (const owner of withMemory) {
      const read = initiator === owner ? 900 : turn(mix.peers, peer++);
      if (read === 0) continue;
      const medium = initiator === owner ? "memory" : "xgmi";
      const numbers = properties(read === undefined ? {} : { read }, "kfd");
      facts.reaches.push({ initiator, target: `${owner}/vram`, medium, properties: numbers });
    }
  }
  return made(facts, "mixed");
}

const hex = (number: number): string => number.toString(16).padStart(2, "0");

/** Nothing at all. */
export function nothing(): Machine {
  return made(emptyFacts(), "nothing");
}

/** Names that hold markup, a terminal's commands, wide characters, and no end. */
export function oddNames(): Machine {
  const facts = emptyFacts();
  const [cpus = IndexSet.EMPTY] = addPackages(facts, 1, 1, 1, '<b>&"CPU"</b>\u001b[31m\u0000');
  facts.nodes.push(node(0, { cpus, size: 640 * KiB }));
  addDevice(facts, {
    address: "0000:01:00.0",
    type: "gpu",
    name: `"]]><script>alert(1)</script>`,
    label: `内存设备\ud800 ${"very long ".repeat(40)}`,
    near: 0,
    cpus,
  });
  facts.warnings.push({ path: "sys/\u001b]0;title\u0007", message: "line one\nline two" });
  return made(facts, "odd <names> & more\u001b[2J");
}

/** One of each, by name. */
export function fixtures(): Record<string, Machine> {
  return {
    nothing: nothing(),
    "two-sockets": twoSockets(),
    "64-nodes": equalNodes(64, 4),
    "every-kind": everyKind(),
    "gpu-partitions": gpuPartitions(8, 8),
    "odd-names": oddNames(),
  };
}
