/**
 * Where everything of a machine is: packages, dies, shared caches with their cores, the memory and the devices of
 * each. Made from the tree of what is inside what; what has no place in the tree (a spec may have no CPUs, a device
 * no node) hangs at the machine.
 */

import { buildObjectTree } from "../../model/build-object-tree.ts";
import type { CpuCache, MemorySideCache, OsDevice } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Initiator, Machine, Target } from "../../model/machine.ts";
import type { CpuObject, MachineObject, MemoryObject } from "../../model/object-tree.ts";
import type { Survey } from "../survey.ts";

/** A memory where it is. */
export interface PlacedMemory {
  readonly target: Target;
  /** Caches in front of it, the one nearest to the CPUs first. */
  readonly sideCaches: readonly MemorySideCache[];
}

/** A device where it is. */
export interface PlacedDevice {
  readonly initiator: Initiator;
  /** Its own memories. */
  readonly memories: readonly Target[];
  /** The PCI bridge that it shares with other devices, null for none. */
  readonly bridge: string | null;
}

/** Cores of a place that are in no place inside it. */
export interface Cores {
  /** CPUs of each core, the slower kind first. */
  readonly cores: readonly IndexSet[];
  /** How many of them are of the slower kind. */
  readonly small: number;
  readonly cpus: IndexSet;
  /** CPUs that are offline or not allowed. */
  readonly unusable: IndexSet;
  /** Caches of cores, one of each level and type. */
  readonly caches: readonly CpuCache[];
}

/** What holds CPUs. */
export interface Place {
  readonly type:
    | "machine"
    | "drawer"
    | "book"
    | "package"
    | "die"
    | "cluster"
    | "group"
    | "cache"
    | "core"
    | "cpus";
  readonly index: number | null;
  /** `CPUModel`, or another name. */
  readonly model: string | null;
  /** The cache that a cache place is, or that all its CPUs share. */
  readonly shared: readonly CpuCache[];
  readonly cpus: IndexSet;
  /** The CPUs of these are exactly here. */
  readonly initiators: Initiator[];
  readonly memories: PlacedMemory[];
  readonly devices: PlacedDevice[];
  readonly places: Place[];
  readonly cores: Cores | null;
}

/** The places of a machine, the machine itself first. */
export function findPlaces(survey: Survey): Place {
  return new PlaceFinder(survey).root;
}

type Container = MachineObject | Exclude<CpuObject, { type: "pu" }>;

class PlaceFinder {
  readonly root: Place;
  readonly #survey: Survey;
  readonly #placeOfNode = new Map<number, Place>();
  readonly #targetOfNode: ReadonlyMap<number, Target>;
  readonly #placed = new Set<number>();
  readonly #ownMemories = new Map<number, Target[]>();
  readonly #childOfCpu = new Map<Place, Map<number, Place>>();
  readonly #osDevices = new Map<string, OsDevice>();
  readonly #slower: IndexSet;

  constructor(survey: Survey) {
    this.#survey = survey;
    const { machine } = survey;
    this.#targetOfNode = new Map(
      machine.targets.filter((one) => one.numaNode !== null).map((one) => [one.numaNode ?? -1, one]),
    );
    for (const target of machine.targets) {
      const owner = survey.owner(target);
      if (owner === undefined || owner.class === "cpu") continue;
      this.#placed.add(target.uid);
      const list = this.#ownMemories.get(owner.uid);
      if (list === undefined) this.#ownMemories.set(owner.uid, [target]);
      else list.push(target);
    }
    for (const device of machine.devices) this.#osDevices.set(device.name, device);
    this.#slower = slowerCpus(survey);
    this.root = this.#place(buildObjectTree(machine).root);
    this.#placeInitiators();
    this.#placeRest();
  }

  #place(object: Container): Place {
    const { shared, inside, memory } = this.#through(object);
    const places: Place[] = [];
    const loose: CpuObject[] = [];
    for (const child of inside) {
      if (isPlace(child)) places.push(this.#place(child));
      else loose.push(child);
    }
    const place: Place = {
      type: object.type,
      index: object.osIndex,
      model: "group" in object ? (object.group?.info.CPUModel ?? null) : null,
      shared,
      cpus: object.cpuset,
      initiators: [],
      memories: [],
      devices: [],
      places,
      cores: this.#cores(loose, object),
    };
    this.#childOfCpu.set(place, cpuIndex(places));
    for (const one of memory) this.#hang(place, one);
    return place;
  }

  /** Goes through what has the same CPUs as its inside and nothing of its own: one box is enough for all. */
  #through(object: Container): {
    readonly shared: CpuCache[];
    readonly inside: readonly CpuObject[];
    readonly memory: readonly MemoryObject[];
  } {
    const shared: CpuCache[] = object.type === "cache" ? [object.cache] : [];
    const memory = [...object.memoryChildren];
    let inside = object.children;
    for (let only = inside[0]; inside.length === 1 && only !== undefined; only = inside[0]) {
      const transparent =
        only.type !== "pu" &&
        only.cpuset.equals(object.cpuset) &&
        (only.type === "cache"
          ? only.cache.level >= SHARED_LEVEL
          : only.type !== "core" && only.type !== "package");
      if (!transparent || only.type === "pu") break;
      if (only.type === "cache" && only.cache.type !== "instruction") shared.push(only.cache);
      memory.push(...only.memoryChildren);
      inside = only.children;
    }
    return { shared, inside, memory };
  }

  #hang(place: Place, object: MemoryObject): void {
    const sideCaches: MemorySideCache[] = [];
    let at = object;
    while (at.type === "memory-cache") {
      sideCaches.push(at.cache);
      at = at.memoryChildren[0];
    }
    this.#placeOfNode.set(at.osIndex, place);
    const target = this.#targetOfNode.get(at.osIndex);
    if (target === undefined || this.#placed.has(target.uid)) return;
    this.#placed.add(target.uid);
    place.memories.push({ target, sideCaches });
  }

  /** Counts the cores among objects, and below them. */
  #cores(objects: readonly CpuObject[], holder: Container): Cores | null {
    const cores: IndexSet[] = [];
    const caches = new Map<string, CpuCache>();
    const visit = (object: CpuObject): void => {
      if (object.type === "core" || object.type === "pu") cores.push(object.cpuset);
      if (object.type === "cache") noteCache(caches, object.cache);
      // Caches of a core are inside of it where the core is the outer one.
      if (object.type !== "pu") for (const child of object.children) if (object.type !== "core") visit(child);
    };
    if (holder.type === "core") cores.push(holder.cpuset);
    else for (const object of objects) visit(object);
    if (cores.length === 0) return null;
    const cpus = cores.reduce((all, one) => all.or(one), IndexSet.EMPTY);
    const slow = cores.filter((core) => this.#slower.intersects(core));
    return {
      cores: [...slow, ...cores.filter((core) => !this.#slower.intersects(core))],
      small: slow.length,
      cpus,
      unusable:
        objects.length === holder.children.length
          ? holder.completeCpuset.andNot(holder.cpuset)
          : IndexSet.EMPTY,
      caches: [...caches.values()],
    };
  }

  #placeInitiators(): void {
    const { machine } = this.#survey;
    const homeless: Initiator[] = [];
    for (const initiator of machine.initiators) {
      if (initiator.class !== "cpu") continue;
      const place = this.#placeOfCpus(initiator);
      if (place === undefined) homeless.push(initiator);
      else place.initiators.push(initiator);
    }
    // Without CPUs in the tree each of them is a place of its own (a spec, or a capture of devices only).
    for (const initiator of homeless) this.root.places.push(this.#placeFor(initiator));
    const shared = sharedBridges(this.#survey);
    for (const initiator of machine.initiators) {
      if (initiator.class === "cpu") continue;
      const bridge = shared.get(initiator.pciAddress ?? "") ?? null;
      const memories = this.#ownMemories.get(initiator.uid) ?? [];
      this.#placeOfDevice(initiator).devices.push({ initiator, memories, bridge });
    }
  }

  #placeOfCpus(initiator: Initiator): Place | undefined {
    const byNode = initiator.numaNode === null ? undefined : this.#placeOfNode.get(initiator.numaNode);
    // Some of its CPUs may be offline, and these are in no place.
    const online = initiator.cpus.and(this.root.cpus);
    if (online.isEmpty) return byNode;
    return byNode?.cpus.equals(online) === true ? byNode : this.#smallestAround(online);
  }

  #placeFor(initiator: Initiator): Place {
    const place: Place = {
      type: "cpus",
      index: null,
      model: initiator.label,
      shared: [],
      cpus: initiator.cpus,
      initiators: [initiator],
      memories: [],
      devices: [],
      places: [],
      cores: null,
    };
    if (initiator.numaNode !== null && !this.#placeOfNode.has(initiator.numaNode)) {
      this.#placeOfNode.set(initiator.numaNode, place);
    }
    return place;
  }

  /** The innermost place with all of some CPUs; undefined when there is none. */
  #smallestAround(cpus: IndexSet): Place | undefined {
    if (cpus.isEmpty || !this.root.cpus.includes(cpus)) return undefined;
    let place = this.root;
    for (;;) {
      const child = this.#childOfCpu.get(place)?.get(cpus.first);
      if (child === undefined || !child.cpus.includes(cpus)) return place;
      place = child;
    }
  }

  #placeOfDevice(initiator: Initiator): Place {
    const byNode = initiator.numaNode === null ? undefined : this.#placeOfNode.get(initiator.numaNode);
    if (byNode !== undefined) return byNode;
    const local =
      this.#survey.pciOf(initiator)?.localCpus ?? this.#osDevices.get(initiator.aliases[0] ?? "")?.localCpus;
    const around = local === undefined ? undefined : this.#smallestAround(local);
    return around ?? this.#placeOfBridged(initiator) ?? this.root;
  }

  /** Where the CPUs are that its bridges lead to, when these are at one place. */
  #placeOfBridged(initiator: Initiator): Place | undefined {
    const { links, machine } = this.#survey;
    if (initiator.bridges.length === 0) return undefined;
    const own = new Set(initiator.bridges);
    const nodes = new Set<number>();
    for (const bridge of machine.bridges) {
      if (!own.has(bridge.uid)) continue;
      for (const link of bridge.links) {
        for (const uid of links.get(link)?.initiators ?? []) {
          const other = this.#survey.initiators.get(uid);
          if (other?.class === "cpu" && other.numaNode !== null) nodes.add(other.numaNode);
        }
      }
    }
    const [only] = nodes;
    return nodes.size === 1 && only !== undefined ? this.#placeOfNode.get(only) : undefined;
  }

  /** Memories that the tree does not have: those that are no nodes, and nodes whose CPUs it does not have. */
  #placeRest(): void {
    const { machine } = this.#survey;
    const nodes = nodesOfNames(machine);
    for (const target of machine.targets) {
      if (this.#placed.has(target.uid)) continue;
      const node = target.numaNode ?? nodes.get(target.id) ?? null;
      const byNode = node === null ? undefined : this.#placeOfNode.get(node);
      const home = byNode ?? this.#placeOfHome(target) ?? this.root;
      home.memories.push({ target, sideCaches: this.#survey.node(target)?.sideCaches ?? [] });
    }
  }

  /** Where the nearest CPUs are, when these are at one place. */
  #placeOfHome(target: Target): Place | undefined {
    const [home, second] = this.#survey.local(target).home;
    if (home === undefined || second !== undefined) return undefined;
    return this.root.places.find((place) => place.initiators.includes(home));
  }
}

/** The node that a memory which is none itself is near to, by the names it may have. */
function nodesOfNames(machine: Machine): Map<string, number> {
  const nodes = new Map<string, number>();
  const put = (name: string | null, node: number | null): void => {
    if (name !== null && node !== null) nodes.set(name, node);
  };
  for (const region of machine.pmem) {
    put(region.name, region.numaNode);
    for (const space of region.namespaces) {
      put(space.name, region.numaNode);
      put(space.device, region.numaNode);
    }
  }
  for (const region of machine.cxlRegions) put(region.name, region.numaNode);
  for (const dax of machine.dax) put(dax.name, dax.numaNode);
  return nodes;
}

/** Caches of this level and above are shared by so many cores that they show as a box. */
const SHARED_LEVEL = 3;

/** Whether an object is drawn as a box of its own, or counted among the cores of what it is in. */
function isPlace(object: CpuObject): object is Exclude<CpuObject, { type: "pu" }> {
  if (object.type === "pu") return false;
  if (hasOwn(object)) return true;
  if (object.type === "cache")
    return object.cache.level >= SHARED_LEVEL && object.cache.type !== "instruction";
  return object.type !== "core" && object.type !== "cluster";
}

/** Whether memory hangs at an object or at anything inside of it. */
function hasOwn(object: CpuObject): boolean {
  if (object.type === "pu") return false;
  return object.memoryChildren.length > 0 || object.children.some(hasOwn);
}

function cpuIndex(places: readonly Place[]): Map<number, Place> {
  const index = new Map<number, Place>();
  for (const place of places) for (const cpu of place.cpus) index.set(cpu, place);
  return index;
}

function noteCache(caches: Map<string, CpuCache>, cache: CpuCache): void {
  const key = `${cache.level}${cache.type}`;
  if (!caches.has(key)) caches.set(key, cache);
}

/** CPUs of all kinds but the fastest, on a machine with several. */
function slowerCpus(survey: Survey): IndexSet {
  const { cpuKinds } = survey.machine;
  const ranks = cpuKinds.map((kind) => kind.efficiency).filter((rank) => rank !== null);
  const top = ranks.length === 0 ? null : Math.max(...ranks);
  return cpuKinds
    .filter((kind) => kind.efficiency !== null && kind.efficiency !== top)
    .reduce((all, kind) => all.or(kind.cpus), IndexSet.EMPTY);
}

/** Bridges above a device that are looked at, at most: an input may have loops. */
const BRIDGES_MAX = 32;

/** For each initiator's PCI address the nearest bridge above it with a second initiator below. */
function sharedBridges(survey: Survey): Map<string, string> {
  const below = new Map<string, Set<string>>();
  const chains = new Map<string, string[]>();
  for (const initiator of survey.machine.initiators) {
    const address = initiator.pciAddress;
    if (address === null) continue;
    const chain: string[] = [];
    let at = survey.pci.get(address)?.parent ?? null;
    while (at !== null && chain.length < BRIDGES_MAX && !chain.includes(at)) {
      chain.push(at);
      const devices = below.get(at) ?? new Set();
      // Functions of one card count as one.
      devices.add(address.replace(/\.[0-9a-f]$/i, ""));
      below.set(at, devices);
      at = survey.pci.get(at)?.parent ?? null;
    }
    chains.set(address, chain);
  }
  const shared = new Map<string, string>();
  for (const [address, chain] of chains) {
    const bridge = chain.find((one) => (below.get(one)?.size ?? 0) > 1);
    if (bridge !== undefined) shared.set(address, bridge);
  }
  return shared;
}
