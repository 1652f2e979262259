/** What every rendering asks of a machine: whose memory is whose, what the nearest get from it, who is attached where. */
import type { NumaNode, PciDevice } from "../model/facts.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Initiator, Link, Machine, Target } from "../model/machine.ts";
import type { Origin } from "../model/quantity.ts";
import { formatBandwidth, formatLatency } from "../model/units.ts";
import { rowOf } from "../query/matrix.ts";
import type { PathValue, Way } from "../query/path.ts";
import { clean, readWrite, UNKNOWN } from "./words.ts";

/** What the nearest initiators get from a target. */
export interface Local {
  /** Those nearest to it: the device whose own memory it is, or the CPUs of its node, or those near it. */
  readonly home: readonly Initiator[];
  /** True when the home is its own device or the CPUs of its own node, not just the nearest ones. */
  readonly own: boolean;
  /** The one of them that gets the most, null when none reaches it. */
  readonly from: Initiator | null;
  readonly way: Way | null;
}

/** A machine with what is looked up in it again and again. Made once per rendering. */
export class Survey {
  readonly machine: Machine;
  /** Targets and initiators by uid. */
  readonly targets: ReadonlyMap<number, Target>;
  readonly initiators: ReadonlyMap<number, Initiator>;
  readonly links: ReadonlyMap<number, Link>;
  readonly pci: ReadonlyMap<string, PciDevice>;
  readonly #place: ReadonlyMap<number, number>;
  readonly #nodes: ReadonlyMap<number, NumaNode>;
  readonly #local = new Map<number, Local>();
  readonly #byName = new Map<string, Initiator>();
  #packages: ReadonlyMap<number, number> | undefined;
  readonly #cpus: readonly Initiator[];

  constructor(machine: Machine) {
    this.machine = machine;
    this.targets = new Map(machine.targets.map((target) => [target.uid, target]));
    this.initiators = new Map(machine.initiators.map((initiator) => [initiator.uid, initiator]));
    this.links = new Map(machine.links.map((link) => [link.uid, link]));
    this.pci = new Map(machine.pci.map((device) => [device.address, device]));
    this.#place = new Map(machine.targets.map((target, place) => [target.uid, place]));
    this.#nodes = new Map(machine.nodes.map((node) => [node.index, node]));
    this.#cpus = machine.initiators.filter((initiator) => initiator.class === "cpu");
    for (const initiator of [...machine.initiators].reverse()) {
      for (const alias of initiator.aliases) this.#byName.set(alias, initiator);
      if (initiator.pciAddress !== null) this.#byName.set(initiator.pciAddress, initiator);
    }
    for (const initiator of machine.initiators) this.#byName.set(initiator.id, initiator);
  }

  /** The way that an initiator takes to a target, null when it does not reach it. */
  way(initiator: Initiator, target: Target): Way | null {
    const row = rowOf(this.machine, initiator, "bandwidth");
    return row.ways[row.way[this.#place.get(target.uid) ?? -1] ?? -1] ?? null;
  }

  /** Who is nearest to a target, and what they get from it. */
  local(target: Target): Local {
    let local = this.#local.get(target.uid);
    if (local === undefined) {
      local = this.#findLocal(target);
      this.#local.set(target.uid, local);
    }
    return local;
  }

  #findLocal(target: Target): Local {
    const { home, own } = this.#home(target);
    const candidates = home.length > 0 ? home : this.#direct(target);
    let from: Initiator | null = null;
    let best: Way | null = null;
    for (const initiator of candidates) {
      const way = this.way(initiator, target);
      if (way !== null && (best === null || better(way, best))) {
        best = way;
        from = initiator;
      }
    }
    return { home, own, from, way: best };
  }

  #home(target: Target): { home: readonly Initiator[]; own: boolean } {
    const device = target.device === null ? undefined : this.#byName.get(target.device);
    if (device !== undefined) return { home: [device], own: true };
    const { numaNode } = target;
    if (numaNode === null) return { home: [], own: false };
    const own = this.#cpus.filter((initiator) => initiator.numaNode === numaNode);
    if (own.length > 0) return { home: own, own: true };
    const near = this.nearCpus(target);
    return { home: near.isEmpty ? [] : this.#cpus.filter((one) => one.cpus.intersects(near)), own: false };
  }

  /** Initiators on a link with the target. */
  #direct(target: Target): Initiator[] {
    const uids = new Set(target.links.flatMap((uid) => this.links.get(uid)?.initiators ?? []));
    return this.machine.initiators.filter((initiator) => uids.has(initiator.uid));
  }

  /** CPUs near a target's node; empty when unknown or when it is no node. */
  nearCpus(target: Target): IndexSet {
    return this.node(target)?.nearCpus ?? IndexSet.EMPTY;
  }

  /** The NUMA node that a target is. */
  node(target: Target): NumaNode | undefined {
    return target.numaNode === null ? undefined : this.#nodes.get(target.numaNode);
  }

  /** Numbers of the packages that CPUs are in. */
  packagesOf(cpus: IndexSet): number[] {
    this.#packages ??= packageOfEachCpu(this.machine);
    const found = new Set<number>();
    for (const cpu of cpus) {
      const index = this.#packages.get(cpu);
      if (index !== undefined) found.add(index);
    }
    return [...found].sort((a, b) => a - b);
  }

  /** The device whose own memory a target is. */
  owner(target: Target): Initiator | undefined {
    return target.device === null ? undefined : this.#byName.get(target.device);
  }

  /** Links that hold a device but no memory: its slot. */
  slot(initiator: Initiator): Link | undefined {
    return initiator.links
      .map((uid) => this.links.get(uid))
      .find((link) => link !== undefined && link.targets.length === 0);
  }

  pciOf(initiator: Initiator): PciDevice | undefined {
    return initiator.pciAddress === null ? undefined : this.pci.get(initiator.pciAddress);
  }
}

function packageOfEachCpu(machine: Machine): Map<number, number> {
  const packages = new Map<number, number>();
  for (const { type, index, cpus } of machine.groups) {
    if (type !== "package" || index === null) continue;
    for (const cpu of cpus) packages.set(cpu, index);
  }
  return packages;
}

function better(a: Way, b: Way): boolean {
  const [x, y] = [a.bandwidth.value ?? 0, b.bandwidth.value ?? 0];
  if (x !== y) return x > y;
  const [p, q] = [a.latency.value, b.latency.value];
  if (p !== q) return p !== null && (q === null || p < q);
  return (a.distance ?? Number.POSITIVE_INFINITY) < (b.distance ?? Number.POSITIVE_INFINITY);
}

/** `mlx5_0`, or the id when the operating system has no name for it. */
export function shortName(initiator: Initiator): string {
  return clean(initiator.aliases.find((alias) => alias !== initiator.id) ?? initiator.id, 32);
}

/** Bandwidth of a way as text, reading/writing: `100/90 GB/s`; `≤31.5 GB/s` where only a part of it is known. */
export function wayBandwidth(way: Way | null): string {
  if (way === null) return "";
  const text = readWrite(way.readBandwidth.value, way.writeBandwidth.value, formatBandwidth);
  return text === UNKNOWN && way.bandwidth.bound !== null ? `≤${formatBandwidth(way.bandwidth.bound)}` : text;
}

/** Latency of a way as text; `≥200 ns` where only a part of it is known. */
export function wayLatency(way: Way | null): string {
  if (way === null) return "";
  const text = readWrite(way.readLatency.value, way.writeLatency.value, formatLatency);
  return text === UNKNOWN && way.latency.bound !== null ? `≥${formatLatency(way.latency.bound)}` : text;
}

/** Where the numbers of a way come from. */
export function wayOrigins(way: Way | null): (Origin | null)[] {
  if (way === null) return [];
  const shown = (value: PathValue): Origin | null =>
    (value.value ?? value.bound) === null ? null : value.origin;
  return [shown(way.bandwidth), shown(way.latency)];
}
