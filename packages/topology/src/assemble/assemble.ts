import type {
  BridgeFact,
  Facts,
  InitiatorFact,
  LinkFact,
  NumaNode,
  TargetFact,
  Warning,
} from "../model/facts.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Bridge, Initiator, Link, Machine, MachineInput, Target } from "../model/machine.ts";
import { OBJECT_VERSION } from "../model/object-version.ts";
import { attachmentFacts } from "./attachments.ts";
import { fillCells } from "./cells.ts";
import { groupLinks } from "./links.ts";

/**
 * Makes targets, initiators, links and bridges out of what the sources found (the HMS model; docs/concepts/topology.md).
 * Uids count through targets, initiators, links and bridges in this order, and are the same for the same input.
 */
export function assemble(facts: Facts, input: MachineInput, name: string = defaultName(input)): Machine {
  const warnings: Warning[] = [...facts.warnings];
  const versions = new VersionGate(warnings);
  const targetFacts = versions.known("target", [...nodeTargets(facts), ...facts.targetFacts]);
  const initiatorFacts = versions.known("initiator", [...nodeInitiators(facts), ...facts.initiatorFacts]);
  const stated = {
    links: versions.known("link", facts.linkFacts),
    bridges: versions.known("bridge", facts.bridgeFacts),
  };

  const initiatorIds = unique(initiatorFacts, "initiator", warnings);
  const targetIds = unique(targetFacts, "target", warnings);
  // A machine that states its links states all of them; elsewhere every CPU can use every NUMA node.
  const implicit = facts.linkFacts.length === 0;
  const cells = fillCells(facts, [...initiatorIds.keys()], [...targetIds.keys()], implicit);
  const grouped: LinkFact[] = groupLinks(cells).map((group, i) => {
    const combination = cells.combinations[group.combination];
    if (combination === undefined) throw new Error(`link ${i} has no property combination`);
    return {
      id: `link${i}`,
      version: OBJECT_VERSION,
      medium: combination.medium,
      initiators: group.initiators.map((index) => cells.initiators[index] ?? ""),
      targets: group.targets.map((index) => cells.targets[index] ?? ""),
      properties: combination.properties,
    };
  });
  const direct = [...stated.links, ...grouped];
  const attached = attachmentFacts(facts.attachments, direct, initiatorFacts, targetIds);
  const uids = new UidCounter();
  const targetUid = new Map([...targetIds.keys()].map((id) => [id, uids.next()]));
  const initiatorUid = new Map([...initiatorIds.keys()].map((id) => [id, uids.next()]));
  const membership = new Membership(initiatorUid, targetUid, warnings);
  const linkUid = new Map<string, number>();
  const links: Link[] = [];
  for (const fact of [...direct, ...attached.links]) {
    const link = membership.link(fact, uids);
    if (link === null) continue;
    linkUid.set(fact.id, link.uid);
    links.push(link);
  }
  const bridges: Bridge[] = [];
  for (const fact of [...stated.bridges, ...attached.bridges]) {
    const bridge = membership.bridge(fact, linkUid, uids);
    if (bridge !== null) bridges.push(bridge);
  }

  const linksOf = memberships(links, (link) => [...link.targets, ...link.initiators]);
  const bridgesOf = memberships(bridges, (bridge) => bridge.initiators);
  const targets: Target[] = [...targetIds].map(([id, fact]) => {
    const uid = targetUid.get(id) ?? -1;
    return { ...fact, type: "target", uid, version: OBJECT_VERSION, links: linksOf.get(uid) ?? [] };
  });
  const initiators: Initiator[] = [...initiatorIds].map(([id, fact]) => {
    const { type, ...rest } = fact;
    const uid = initiatorUid.get(id) ?? -1;
    return {
      ...rest,
      class: type,
      type: "initiator",
      uid,
      version: OBJECT_VERSION,
      links: linksOf.get(uid) ?? [],
      bridges: bridgesOf.get(uid) ?? [],
    };
  });
  const {
    initiatorFacts: _i,
    targetFacts: _t,
    reaches: _r,
    attachments: _a,
    linkFacts: _l,
    bridgeFacts: _b,
    ...kept
  } = facts;
  return deepFreeze({
    name,
    input,
    ...kept,
    targets,
    initiators,
    links,
    bridges,
    unknownVersions: versions.unknown,
    warnings,
  });
}

function defaultName(input: MachineInput): string {
  if (input.path === null) return "this machine";
  const base = input.path.replace(/\/+$/, "").replace(/^.*\//, "");
  return base.replace(/\.(tar(\.\w+)?|tgz|xml|json|ya?ml)$/, "") || input.path;
}

/** A node is a memory unless it is offline, or holds CPUs or a generic initiator only. One without any is a memory to come. */
function nodeTargets(facts: Facts): TargetFact[] {
  return facts.nodes
    .filter((node) => node.online && !(node.size === 0 && (!node.cpus.isEmpty || node.genericInitiator)))
    .map((node) => ({
      id: `node${node.index}`,
      version: OBJECT_VERSION,
      kind: node.kind,
      size: node.size,
      free: node.free,
      numaNode: node.index,
      device: node.info.PCIBusID ?? null,
      label: null,
    }));
}

function nodeInitiators(facts: Facts): InitiatorFact[] {
  const stated = new Set(facts.initiatorFacts.map((fact) => fact.id));
  const offline = IndexSet.of(facts.processors.filter(({ online }) => !online).map(({ index }) => index));
  return facts.nodes
    .map((node) => ({ ...node, cpus: node.cpus.intersects(offline) ? node.cpus.andNot(offline) : node.cpus }))
    .filter(
      (node) =>
        node.online && (!node.cpus.isEmpty || node.genericInitiator) && !stated.has(`node${node.index}`),
    )
    .map((node) => ({
      id: `node${node.index}`,
      version: OBJECT_VERSION,
      type: node.cpus.isEmpty ? ("generic" as const) : ("cpu" as const),
      aliases: [],
      label: node.cpus.isEmpty ? "generic initiator" : cpuLabel(facts, node),
      cpus: node.cpus,
      numaNode: node.index,
      pciAddress: null,
    }));
}

function cpuLabel(facts: Facts, node: NumaNode): string | null {
  const packages = facts.groups.filter(
    (group) => group.type === "package" && group.cpus.intersects(node.cpus),
  );
  return packages[0]?.info.CPUModel ?? facts.info.CPUModel ?? null;
}

/** First of each id; a second one is a fault of the input. */
function unique<T extends { readonly id: string }>(
  facts: readonly T[],
  what: string,
  warnings: Warning[],
): Map<string, T> {
  const byId = new Map<string, T>();
  for (const fact of facts) {
    if (byId.has(fact.id))
      warnings.push({ path: "", message: `${what} ${fact.id} is there twice: the first is used` });
    else byId.set(fact.id, fact);
  }
  return byId;
}

/** Leaves out what has a version that this library does not know (a program must treat it as absent) and counts it. */
class VersionGate {
  unknown = 0;
  readonly #warnings: Warning[];

  constructor(warnings: Warning[]) {
    this.#warnings = warnings;
  }

  known<T extends { readonly id: string; readonly version: number }>(what: string, facts: readonly T[]): T[] {
    const absent = facts.filter((fact) => fact.version !== OBJECT_VERSION);
    this.unknown += absent.length;
    if (absent.length > 0) {
      const names = absent.slice(0, 4).map((fact) => `${fact.id} (version ${fact.version})`);
      const more = absent.length > 4 ? ` and ${absent.length - 4} more` : "";
      this.#warnings.push({
        path: "",
        message: `${absent.length} ${what}${absent.length === 1 ? " has" : "s have"} a version other than ${OBJECT_VERSION} and ${absent.length === 1 ? "is" : "are"} treated as absent: ${names.join(", ")}${more}`,
      });
    }
    return facts.filter((fact) => fact.version === OBJECT_VERSION);
  }
}

class UidCounter {
  #next = 0;
  next(): number {
    return this.#next++;
  }
}

/** Turns the ids of stated links and bridges into uids; what is absent is left out. */
class Membership {
  readonly #initiators: ReadonlyMap<string, number>;
  readonly #targets: ReadonlyMap<string, number>;
  readonly #warnings: Warning[];

  constructor(
    initiators: ReadonlyMap<string, number>,
    targets: ReadonlyMap<string, number>,
    warnings: Warning[],
  ) {
    this.#initiators = initiators;
    this.#targets = targets;
    this.#warnings = warnings;
  }

  link(fact: LinkFact, uids: UidCounter): Link | null {
    const initiators = present(fact.initiators, this.#initiators);
    const targets = present(fact.targets, this.#targets);
    if (initiators.length === 0 && targets.length === 0) {
      this.#warnings.push({ path: "", message: `link ${fact.id} is left out: none of its members is there` });
      return null;
    }
    const { medium, properties } = fact;
    return {
      type: "link",
      uid: uids.next(),
      version: OBJECT_VERSION,
      medium,
      targets,
      initiators,
      properties,
    };
  }

  bridge(fact: BridgeFact, linkUid: ReadonlyMap<string, number>, uids: UidCounter): Bridge | null {
    const [a, b] = fact.links.map((id) => linkUid.get(id));
    const initiators = present(fact.initiators, this.#initiators);
    if (a === undefined || b === undefined || initiators.length === 0) {
      const why =
        initiators.length === 0 ? "none of its initiators is there" : "it joins a link that is not there";
      this.#warnings.push({ path: "", message: `bridge ${fact.id} is left out: ${why}` });
      return null;
    }
    const { medium, properties } = fact;
    return {
      type: "bridge",
      uid: uids.next(),
      version: OBJECT_VERSION,
      medium,
      links: [a, b],
      initiators,
      properties,
    };
  }
}

function present(ids: readonly string[], uids: ReadonlyMap<string, number>): number[] {
  return [...new Set(ids.map((id) => uids.get(id)).filter((uid) => uid !== undefined))].sort((a, b) => a - b);
}

function memberships<T extends { readonly uid: number }>(
  objects: readonly T[],
  members: (object: T) => readonly number[],
): Map<number, number[]> {
  const of = new Map<number, number[]>();
  for (const object of objects) {
    for (const member of members(object)) {
      const list = of.get(member);
      if (list === undefined) of.set(member, [object.uid]);
      else list.push(object.uid);
    }
  }
  return of;
}

/** Freezes plain objects and arrays all the way down; sets of indexes are immutable already. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || value instanceof IndexSet)
    return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
  return value;
}
