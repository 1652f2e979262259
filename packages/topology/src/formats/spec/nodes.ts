import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import {
  type LinkMedium,
  type LinkProperties,
  MEMORY_KINDS,
  type MemorySideCache,
  type MemoryTier,
  type NumaNode,
} from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { tryParseSize } from "../../model/units.ts";
import type { CpuDraft } from "./cpus.ts";
import { type Draft, instances, type NodeDraft, readInfo, statedKind } from "./draft.ts";
import type { Field, Fields } from "./field.ts";
import { NODES_MAX, TIER_MAX } from "./limits.ts";
import { overlay, PROPERTY_FIELDS, readMedium, readProperties } from "./numbers.ts";

const NODE_FIELDS = [
  "count",
  "index",
  "kind",
  "size",
  "free",
  "because",
  "cpus",
  "cpu-list",
  "threads",
  "package",
  "cpu-model",
  "near",
  "near-cpus",
  "remote",
  "online",
  "allowed",
  "generic-initiator",
  "tier",
  "side-caches",
  "info",
  ...PROPERTY_FIELDS,
];

/** What CPUs that are not near a node get from it. */
interface RemoteRule {
  readonly samePackage: boolean;
  readonly medium: LinkMedium;
  readonly properties: LinkProperties;
}

interface NodeReading {
  readonly draft: NodeDraft;
  /** Nodes whose CPUs are near, as the spec names them; null when it does not say. */
  readonly near: readonly Field[] | null;
  readonly nearCpus: IndexSet | null;
  readonly medium: LinkMedium;
  readonly local: LinkProperties;
  readonly remote: readonly RemoteRule[];
}

/** A NUMA node is system memory, which CPUs share coherently. */
const SYSTEM_MEMORY: LinkProperties = Object.freeze({ ...UNKNOWN_PROPERTIES, coherent: true });

/** Reads `nodes:`; with implied links, states what each node's CPUs reach. */
export function readNodes(list: Field | undefined, draft: Draft, cpus: CpuDraft): void {
  const readings: NodeReading[] = [];
  for (const entry of list?.list() ?? []) {
    for (const instance of instances(entry, () => readings.length, NODES_MAX, "nodes")) {
      readings.push(readNode(instance, draft, cpus));
    }
  }
  for (const reading of readings) placeNode(reading, draft, readings);
  draft.facts.nodes.sort((a, b) => a.index - b.index);
  draft.facts.tiers.push(...tiers(draft.facts.nodes));
  if (draft.implied) for (const reading of readings) stateReaches(reading, draft, cpus, readings);
}

function readNode(entry: Field, draft: Draft, cpus: CpuDraft): NodeReading {
  const fields = entry.fields(NODE_FIELDS);
  fields.exclude("cpus", "cpu-list");
  fields.exclude("near", "near-cpus");
  const source = draft.numbers.source(fields.get("source"), draft.source);
  const index = readIndex(fields, draft);
  const own = cpus.readNodeCpus(fields, index);
  if (!own.isEmpty) {
    for (const name of ["near", "near-cpus"]) {
      fields
        .get(name)
        ?.fail(`${name} is for a node without CPUs; this one has ${own.size}, which are near it`);
    }
  }
  const size = draft.numbers.size(fields.get("size"), source);
  const online = fields.get("online")?.flag() ?? true;
  const generic = fields.get("generic-initiator")?.flag() ?? false;
  const remote = (fields.get("remote")?.oneOrMore() ?? []).map((rule) => readRemote(rule, draft, source));
  const kind =
    size.bytes === 0
      ? (fields.get("kind")?.choice(MEMORY_KINDS) ?? "unknown")
      : fields.require("kind", `what memory it is: one of ${MEMORY_KINDS.join(", ")}`).choice(MEMORY_KINDS);
  const tier = fields.get("tier")?.integer({ min: 0, max: TIER_MAX }) ?? null;
  const node: NumaNode = {
    index,
    online,
    allowed: fields.get("allowed")?.flag() ?? true,
    cpus: own,
    nearCpus: own,
    size: size.bytes,
    free: draft.numbers.size(fields.get("free"), source).bytes,
    kind: statedKind(fields, kind, size.source),
    pageSizes: [],
    sideCaches: (fields.get("side-caches")?.oneOrMore() ?? []).map(readSideCache),
    access: [],
    tier,
    genericInitiator: generic,
    info: readInfo(fields.get("info")),
  };
  checkFree(fields, node);
  draft.facts.nodes.push(node);
  const nodeDraft: NodeDraft = {
    field: entry,
    index,
    online,
    cpus: own,
    nearCpus: own,
    near: [],
    isTarget: online && !(size.bytes === 0 && (!own.isEmpty || generic)),
    isInitiator: online && (!own.isEmpty || generic),
  };
  draft.nodes.set(index, nodeDraft);
  if (nodeDraft.isTarget) draft.targets.add(`node${index}`, entry);
  if (nodeDraft.isInitiator) draft.initiators.add(`node${index}`, entry);
  return {
    draft: nodeDraft,
    near: fields.get("near")?.oneOrMore() ?? null,
    nearCpus: fields.get("near-cpus")?.indexes() ?? null,
    medium: readMedium(fields, "memory"),
    local: overlay(localDistance(remote, own), readProperties(fields, draft.numbers, source)),
    remote,
  };
}

function readIndex(fields: Fields, draft: Draft): number {
  const field = fields.get("index");
  let index = 0;
  if (field === undefined) while (draft.nodes.has(index)) index++;
  else {
    index = field.integer({ min: 0, max: IndexSet.INDEX_MAX });
    // A plain number with a count is the first of that many.
    if (field.value.kind === "scalar" && /^\d+$/.test(field.value.text))
      index += fields.place.instance?.index ?? 0;
    if (draft.nodes.has(index)) field.fail(`there are two nodes ${index}; give one another index`);
  }
  return index;
}

function checkFree(fields: Fields, node: NumaNode): void {
  if (node.free !== null && node.size !== null && node.free > node.size) {
    fields.get("free")?.fail(`expected at most the size of ${node.size} bytes, but got ${node.free}`);
  }
}

/** Where the distance of others is stated, that of a node's own CPUs is too: 10, as the word is defined. */
function localDistance(remote: readonly RemoteRule[], own: IndexSet): LinkProperties {
  if (own.isEmpty || remote.every((rule) => rule.properties.distance === null)) return SYSTEM_MEMORY;
  return { ...SYSTEM_MEMORY, distance: { value: 10, origin: "spec", detail: "10 is local" } };
}

function readRemote(field: Field, draft: Draft, outer: string | null): RemoteRule {
  const fields = field.fields(["within", ...PROPERTY_FIELDS]);
  return {
    samePackage: fields.get("within")?.choice(["package", "machine"]) === "package",
    medium: readMedium(fields, "memory"),
    properties: overlay(SYSTEM_MEMORY, readProperties(fields, draft.numbers, outer)),
  };
}

const SIDE_CACHE_FIELDS = ["level", "size", "line", "associativity", "write", "mode"];

function readSideCache(field: Field, i: number): MemorySideCache {
  const fields = field.fields(SIDE_CACHE_FIELDS);
  const size = tryParseSize(fields.require("size", "how large the cache is").raw("a size"));
  if (typeof size === "string") return fields.get("size")?.fail(size) ?? field.fail(size);
  return {
    level: fields.get("level")?.integer({ min: 1, max: 16 }) ?? i + 1,
    size,
    lineSize: fields.get("line")?.integer({ min: 0, max: 2 ** 30 }) ?? 0,
    associativity: fields.get("associativity")?.choice(["direct", "complex", "none", "unknown"]) ?? "unknown",
    writePolicy:
      fields.get("write")?.choice(["write-back", "write-through", "other", "unknown"]) ?? "unknown",
    addressMode: fields.get("mode")?.choice(["transparent", "extended-linear", "unknown"]) ?? "unknown",
  };
}

function tiers(nodes: readonly NumaNode[]): MemoryTier[] {
  const numbers = [...new Set(nodes.flatMap((node) => node.tier ?? []))].sort((a, b) => a - b);
  return numbers.map((index) => ({
    index,
    nodes: IndexSet.of(nodes.filter((node) => node.tier === index).map((node) => node.index)),
  }));
}

/** Decides which CPUs are near a node, once all nodes are known: where the spec does not say, none is nearer than others. */
function placeNode(reading: NodeReading, draft: Draft, all: readonly NodeReading[]): void {
  const { draft: node, near, nearCpus } = reading;
  const nodes = all.map((other) => other.draft);
  if (!node.cpus.isEmpty) node.near = [node];
  else if (near !== null) node.near = near.map((field) => draft.node(field));
  else if (nearCpus === null || nearCpus.isEmpty) node.near = nodes;
  else node.near = nodes.filter((other) => other.cpus.intersects(nearCpus));
  if (!node.cpus.isEmpty) return;
  const stated = near === null ? IndexSet.EMPTY : IndexSet.of(node.near.flatMap((other) => [...other.cpus]));
  node.nearCpus = nearCpus ?? stated;
  const i = draft.facts.nodes.findIndex((fact) => fact.index === node.index);
  const fact = draft.facts.nodes[i];
  if (fact !== undefined) draft.facts.nodes[i] = { ...fact, nearCpus: node.nearCpus };
}

/** States what every node's CPUs get from this node's memory: its own numbers near it, those of `remote` elsewhere. */
function stateReaches(reading: NodeReading, draft: Draft, cpus: CpuDraft, all: readonly NodeReading[]): void {
  const { draft: node, remote, local, medium } = reading;
  if (!node.isTarget) return;
  const near = new Set(node.near.map((other) => other.index)).add(node.index);
  const packages = new Set(node.near.map((other) => cpus.packageOf(other.index)));
  for (const { draft: from } of all) {
    if (!from.isInitiator) continue;
    if (near.has(from.index)) {
      draft.pairs.state(`node${from.index}`, `node${node.index}`, medium, local);
      continue;
    }
    const rule = remote.find((one) => !one.samePackage || packages.has(cpus.packageOf(from.index)));
    const properties = rule?.properties ?? SYSTEM_MEMORY;
    draft.pairs.state(`node${from.index}`, `node${node.index}`, rule?.medium ?? "memory", properties);
  }
}
