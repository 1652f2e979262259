import type { CpuCache, CpuGroup, CpuKind } from "../../model/facts.ts";
import type { FactsDraft } from "../../model/facts-draft.ts";
import type { IndexSet } from "../../model/index-set.ts";
import type { ElementReader } from "./elements.ts";
import type { Element } from "./parse.ts";
import { GROUP_KINDS, GROUP_SUBTYPES, GROUP_TYPES } from "./vocabulary.ts";

const GROUP_BY_TYPE: ReadonlyMap<string, CpuGroup["type"]> = new Map<string, CpuGroup["type"]>([
  ...Object.entries(GROUP_TYPES).map(([own, hwloc]) => [hwloc, own as keyof typeof GROUP_TYPES] as const),
  // A machine inside a machine (hwloc 1 joined several into one), and what later versions may call a group.
  ["Machine", "group"],
  ["Tile", "group"],
  ["Module", "group"],
]);
const GROUP_BY_SUBTYPE: ReadonlyMap<string, CpuGroup["type"]> = new Map<string, CpuGroup["type"]>([
  ...Object.entries(GROUP_SUBTYPES).map(
    ([own, hwloc]) => [hwloc, own as keyof typeof GROUP_SUBTYPES] as const,
  ),
  ["Die", "die"],
]);

/** CPUs of the root object: online and allowed ones are in its cpuset, others only in its complete one. */
export function readProcessors(facts: FactsDraft, root: Element, reader: ElementReader): void {
  const cpuset = reader.mask(root, "cpuset");
  const allowedSet =
    root.attributes.allowed_cpuset === undefined ? cpuset : reader.mask(root, "allowed_cpuset");
  // hwloc does not say which of those that are not usable are offline and which only disallowed; those that
  // belong to a package or core are there.
  const present = facts.groups.reduce<IndexSet>((set, group) => set.or(group.cpus), cpuset);
  for (const index of reader.mask(root, "complete_cpuset").or(cpuset)) {
    const usable = cpuset.has(index) && allowedSet.has(index);
    const online = usable || present.has(index);
    facts.processors.push({ index, online, allowed: usable || !online });
  }
}

/** A package, die, core or group; null for a group that is there only because memory or devices are near its CPUs. */
export function readGroup(element: Element, reader: ElementReader): CpuGroup | null {
  const { type, subtype } = element.attributes;
  const cpus = completeSet(element, reader);
  const info = reader.info(element);
  if (type === "Group") {
    const kind = reader.whole(element, "kind");
    const bySubtype = GROUP_BY_SUBTYPE.get(subtype ?? "");
    const made = kind === GROUP_KINDS.memory || kind === GROUP_KINDS.io;
    if (made && bySubtype === undefined && Object.keys(info).length === 0) return null;
    return { type: bySubtype ?? "group", index: reader.osIndex(element), cpus, info };
  }
  const group = GROUP_BY_TYPE.get(type ?? "");
  return group === undefined ? null : { type: group, index: reader.osIndex(element), cpus, info };
}

/** Whether an object is a group of CPUs of some sort. */
export function isGroup(type: string): boolean {
  return type === "Group" || GROUP_BY_TYPE.has(type);
}

/** A cache of CPUs by its type's name (`L1iCache`); null for another object. */
export function readCache(element: Element, reader: ElementReader): CpuCache | null {
  const match = /^L([1-9])(i?)Cache$/.exec(element.attributes.type ?? "");
  if (match === null) return null;
  const type = match[2] === "i" ? "instruction" : element.attributes.cache_type === "1" ? "data" : "unified";
  const { Inclusive: inclusive } = reader.info(element);
  const associativity = element.attributes.cache_associativity;
  return {
    level: Number(match[1]),
    type,
    size: reader.whole(element, "cache_size") ?? 0,
    lineSize: reader.whole(element, "cache_linesize") ?? 0,
    associativity: associativity === "-1" ? -1 : (reader.whole(element, "cache_associativity") ?? 0),
    index: reader.osIndex(element),
    cpus: completeSet(element, reader),
    inclusive: inclusive === undefined ? null : inclusive === "1",
  };
}

/** CPUs of one sort. */
export function readCpuKind(element: Element, reader: ElementReader): CpuKind {
  const efficiency = element.attributes.forced_efficiency;
  return {
    cpus: reader.mask(element, "cpuset"),
    efficiency:
      efficiency === undefined || efficiency === "-1" ? null : reader.whole(element, "forced_efficiency"),
    info: reader.info(element),
  };
}

/** The CPUs of an object, offline and disallowed ones included. */
export function completeSet(element: Element, reader: ElementReader): IndexSet {
  return reader.mask(
    element,
    element.attributes.complete_cpuset === undefined ? "cpuset" : "complete_cpuset",
  );
}
