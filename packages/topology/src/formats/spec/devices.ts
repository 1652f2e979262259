import { dominates, UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import { INITIATOR_TYPES, type InitiatorFact, type LinkProperties, MEMORY_KINDS } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import { type Draft, instances, readVersion, statedKind } from "./draft.ts";
import type { Field, Fields } from "./field.ts";
import { addHardware, attach, readAddress, readSlot } from "./hardware.ts";
import { DEVICES_MAX } from "./limits.ts";
import { PROPERTY_FIELDS, readMedium, readProperties } from "./numbers.ts";
import { IMPLIED_PREFIX } from "./pairs.ts";

const DEVICE_FIELDS = [
  "count",
  "id",
  "version",
  "type",
  "label",
  "aliases",
  "near",
  "numa-node",
  "cpu-list",
  "pci",
  "pci-id",
  "pci-class",
  "pcie",
  "attach",
  "memory",
  "cpu-access",
  "peers",
  "reaches",
  "source",
];
const MEMORY_FIELDS = [
  "id",
  "version",
  "kind",
  "size",
  "free",
  "numa-node",
  "label",
  "because",
  ...PROPERTY_FIELDS,
];

/** What is done when all nodes, devices and targets are known. */
type Later = () => void;

/** Reads `devices:`; what refers to other objects is done by the functions returned. */
export function readDevices(list: Field | undefined, draft: Draft): Later[] {
  const later: Later[] = [];
  let made = 0;
  for (const entry of list?.list() ?? []) {
    const group: Group = { members: [] };
    for (const instance of instances(entry, () => made, DEVICES_MAX, "devices")) {
      made++;
      if (readVersion(instance) === OBJECT_VERSION) later.push(...readDevice(instance, draft, group));
      else readUnknown(instance, draft);
    }
  }
  return later;
}

/** A device's own memory: its target, and what the device gets from it. */
interface OwnMemory {
  readonly id: string;
  readonly properties: LinkProperties;
}

/** The devices of one entry, for what it says of them as peers. */
interface Group {
  readonly members: { readonly id: string; readonly memory: OwnMemory | null }[];
}

/** A device of a version that we do not know: it is absent, but what refers to it is no mistake. */
function readUnknown(entry: Field, draft: Draft): void {
  const field = entry.peek("id") ?? entry.fail("id is missing: the name of the device");
  const id = field.name();
  draft.initiators.add(id, field);
  draft.targets.add(`${id}/memory`, field);
  draft.facts.initiatorFacts.push({
    version: readVersion(entry),
    id,
    type: "generic",
    aliases: [],
    label: null,
    cpus: IndexSet.EMPTY,
    numaNode: null,
    pciAddress: null,
  });
}

function readDevice(entry: Field, draft: Draft, group: Group): Later[] {
  const fields = entry.fields(DEVICE_FIELDS);
  const source = draft.numbers.source(fields.get("source"), draft.source);
  const idField = fields.require("id", "the name of the device, with <i> where there is a count");
  const id = idField.name();
  const type = fields.require("type", `one of ${INITIATOR_TYPES.join(", ")}`).choice(INITIATOR_TYPES);
  // What a node's CPUs are follows from the node, but may be stated in full instead.
  const ofNode = (type === "cpu" || type === "generic") && draft.isNodeInitiator(id);
  if (!ofNode) draft.initiators.add(id, idField);
  const near = (fields.get("near")?.oneOrMore() ?? []).map((field) => draft.node(field));
  const nearCpus = near.reduce((cpus, node) => cpus.or(node.nearCpus), IndexSet.EMPTY);
  const address = readAddress(fields);
  const fact: InitiatorFact = {
    version: OBJECT_VERSION,
    id,
    type,
    aliases: (fields.get("aliases")?.oneOrMore() ?? []).map((field) => field.name()),
    label: fields.get("label")?.prose() ?? null,
    cpus: fields.get("cpu-list")?.indexes() ?? nearCpus,
    numaNode: readNumaNode(fields, draft) ?? (near.length === 1 ? (near[0]?.index ?? null) : null),
    pciAddress: address,
  };
  draft.facts.initiatorFacts.push(fact);
  const slot = readSlot(fields);
  addHardware(fields, draft, fact, slot);
  attach(fields, draft, { fact, near, slot, source });
  const memory = fields.get("memory");
  const own = memory === undefined ? null : readMemory(memory, draft, fact, source);
  group.members.push({ id, memory: own });
  return [
    ...cpuAccess(fields, draft, own?.id ?? null, source),
    // What is said of an entry's devices as peers is said once.
    ...(group.members.length === 1 ? peers(fields, draft, group, source) : []),
    ...reaches(fields, draft, id, source),
  ];
}

function readNumaNode(fields: Fields, draft: Draft): number | null {
  const field = fields.get("numa-node");
  return field === undefined ? null : draft.node(field).index;
}

function readMemory(field: Field, draft: Draft, owner: InitiatorFact, outer: string | null): OwnMemory {
  const version = readVersion(field);
  if (version !== OBJECT_VERSION) {
    const id = field.peek("id")?.name() ?? `${owner.id}/memory`;
    draft.targets.add(id, field);
    draft.facts.targetFacts.push({
      version,
      id,
      kind: { kind: "unknown", reason: "of a version that is not known" },
      size: null,
      free: null,
      numaNode: null,
      device: owner.id,
      label: null,
    });
    return { id, properties: UNKNOWN_PROPERTIES };
  }
  const fields = field.fields(MEMORY_FIELDS);
  const source = draft.numbers.source(fields.get("source"), outer);
  const id = fields.get("id")?.name() ?? `${owner.id}/memory`;
  draft.targets.add(id, fields.get("id") ?? field);
  const kind = fields.get("kind")?.choice(MEMORY_KINDS) ?? (owner.type === "gpu" ? "gpu" : "device");
  const size = draft.numbers.size(fields.get("size"), source);
  draft.facts.targetFacts.push({
    version,
    id,
    kind: statedKind(fields, kind, size.source),
    size: size.bytes,
    free: draft.numbers.size(fields.get("free"), source).bytes,
    numaNode: readNumaNode(fields, draft),
    device: owner.id,
    label: fields.get("label")?.prose() ?? null,
  });
  const properties = readProperties(fields, draft.numbers, source);
  draft.pairs.state(owner.id, id, readMedium(fields, "memory"), properties);
  return { id, properties };
}

/** `cpu-access`: CPUs can map the device's memory; without it they cannot. */
function cpuAccess(fields: Fields, draft: Draft, memory: string | null, outer: string | null): Later[] {
  const field = fields.get("cpu-access");
  if (field === undefined) return [];
  if (memory === null) return field.fail("there is no memory to access; give the device one");
  return [
    () => {
      const inner = field.fields(["from", ...PROPERTY_FIELDS]);
      const from = inner.get("from");
      const cpus =
        from === undefined
          ? [...draft.nodes.values()].filter((node) => node.isInitiator).map((node) => `node${node.index}`)
          : draft.initiators.resolve(from);
      const properties = readProperties(inner, draft.numbers, outer);
      draft.countMembers(field, cpus.length);
      for (const cpu of cpus) draft.pairs.state(cpu, memory, readMedium(inner, "pcie"), properties);
    },
  ];
}

/**
 * `peers`: what the devices of an entry get from the memory of the others. One link for all of them where their own
 * memory is better in everything (the best link of a pair counts), as a switch between them is one thing.
 */
function peers(fields: Fields, draft: Draft, group: Group, outer: string | null): Later[] {
  const field = fields.get("peers");
  if (field === undefined) return [];
  return [
    () => {
      const { members } = group;
      const inner = field.fields(PROPERTY_FIELDS);
      const properties = readProperties(inner, draft.numbers, outer);
      const medium = readMedium(inner, "unknown");
      draft.countMembers(field, members.length * members.length);
      if (members.some(({ memory }) => memory === null)) {
        field.fail("the devices have no memory that peers could reach; give them one");
      }
      if (members.every(({ memory }) => memory !== null && dominates(memory.properties, properties))) {
        draft.facts.linkFacts.push({
          id: `${IMPLIED_PREFIX}${field.path}`,
          version: OBJECT_VERSION,
          medium,
          initiators: members.map(({ id }) => id),
          targets: members.flatMap(({ memory }) => memory?.id ?? []),
          properties,
        });
        return;
      }
      for (const { id } of members) {
        for (const { id: other, memory } of members) {
          if (other !== id && memory !== null) draft.pairs.state(id, memory.id, medium, properties);
        }
      }
    },
  ];
}

/** `reaches`: targets that a device reaches directly. */
function reaches(fields: Fields, draft: Draft, id: string, outer: string | null): Later[] {
  return (fields.get("reaches")?.oneOrMore() ?? []).map((field) => () => {
    const inner = field.fields(["to", ...PROPERTY_FIELDS]);
    const targets = draft.targets.resolve(inner.require("to", "ids of the targets that it reaches"));
    const properties = readProperties(inner, draft.numbers, outer);
    draft.countMembers(field, targets.length);
    for (const target of targets) draft.pairs.state(id, target, readMedium(inner, "unknown"), properties);
  });
}
