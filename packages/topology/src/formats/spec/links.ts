import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import { MEMORY_KINDS } from "../../model/facts.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import { type Draft, instances, readVersion, statedKind } from "./draft.ts";
import { type Field, type Fields, shown } from "./field.ts";
import type { Ids } from "./ids.ts";
import { DEVICES_MAX, LINKS_MAX } from "./limits.ts";
import { PROPERTY_FIELDS, readMedium, readProperties } from "./numbers.ts";
import { IMPLIED_PREFIX } from "./pairs.ts";

const TARGET_FIELDS = [
  "count",
  "id",
  "version",
  "kind",
  "size",
  "free",
  "numa-node",
  "device",
  "label",
  "because",
  "source",
];
const LINK_FIELDS = ["count", "id", "version", "from", "to", ...PROPERTY_FIELDS];
const BRIDGE_FIELDS = ["count", "id", "version", "links", "for", ...PROPERTY_FIELDS];

/** Reads `targets:`, memories that are neither NUMA nodes nor stated with a device. */
export function readTargets(list: Field | undefined, draft: Draft): void {
  for (const entry of list?.list() ?? []) {
    for (const instance of instances(entry, () => draft.facts.targetFacts.length, DEVICES_MAX, "targets")) {
      readTarget(instance, draft);
    }
  }
}

function readTarget(entry: Field, draft: Draft): void {
  const version = readVersion(entry);
  const known = version === OBJECT_VERSION;
  const idField = entry.peek("id") ?? entry.fail("id is missing: the name of the target");
  const id = idField.name();
  draft.targets.add(id, idField);
  if (!known) {
    const kind = { kind: "unknown", reason: "of a version that is not known" } as const;
    const nothing = { size: null, free: null, numaNode: null, device: null, label: null };
    draft.facts.targetFacts.push({ version, id, kind, ...nothing });
    return;
  }
  const fields = entry.fields(TARGET_FIELDS);
  const source = draft.numbers.source(fields.get("source"), draft.source);
  const size = draft.numbers.size(fields.get("size"), source);
  const kind = fields.require("kind", `one of ${MEMORY_KINDS.join(", ")}`).choice(MEMORY_KINDS);
  const node = fields.get("numa-node");
  const device = fields.get("device");
  draft.facts.targetFacts.push({
    version,
    id,
    kind: statedKind(fields, kind, size.source),
    size: size.bytes,
    free: draft.numbers.size(fields.get("free"), source).bytes,
    numaNode: node === undefined ? null : draft.node(node).index,
    device: device === undefined ? null : deviceName(device, draft),
    label: fields.get("label")?.prose() ?? null,
  });
}

/** The device that a memory belongs to: by id, by another of its names, or by PCI address. */
function deviceName(field: Field, draft: Draft): string {
  const name = field.name();
  const known = draft.facts.initiatorFacts.some(
    (fact) => fact.pciAddress === name || fact.aliases.includes(name),
  );
  return known ? name : draft.initiators.one(field);
}

/** Reads `links:`, as they are. */
export function readLinks(list: Field | undefined, draft: Draft): void {
  let made = 0;
  for (const entry of list?.list() ?? []) {
    for (const instance of instances(entry, () => made, LINKS_MAX, "links")) {
      made++;
      readLink(instance, draft);
    }
  }
}

/** The id of a link or bridge: the one given, or its place in the list. */
function readId(entry: Field, ids: Ids): string {
  const field = entry.peek("id");
  const id = field?.name() ?? `${entry.path}${entry.instance === null ? "" : `[${entry.instance.index}]`}`;
  if (id.startsWith(IMPLIED_PREFIX))
    field?.fail(
      `${shown(IMPLIED_PREFIX)} starts the ids of links that follow from other statements; take another id`,
    );
  ids.add(id, field ?? entry);
  return id;
}

function readLink(entry: Field, draft: Draft): void {
  const version = readVersion(entry);
  const id = readId(entry, draft.links);
  if (version !== OBJECT_VERSION) {
    draft.facts.linkFacts.push({
      id,
      version,
      medium: "unknown",
      initiators: [],
      targets: [],
      properties: UNKNOWN_PROPERTIES,
    });
    return;
  }
  const fields = entry.fields(LINK_FIELDS);
  const initiators = members(fields, "from", draft.initiators);
  const targets = members(fields, "to", draft.targets);
  if (initiators.length === 0 && targets.length === 0) {
    entry.fail("a link joins something; give it from (initiators), to (targets), or both");
  }
  draft.countMembers(entry, initiators.length + targets.length);
  draft.facts.linkFacts.push({
    id,
    version,
    medium: readMedium(fields, "unknown"),
    initiators,
    targets,
    properties: readProperties(fields, draft.numbers, draft.source),
  });
}

function members(fields: Fields, name: string, ids: Ids): string[] {
  const field = fields.get(name);
  return field === undefined ? [] : ids.resolve(field);
}

/** Reads `bridges:`, as they are. */
export function readBridges(list: Field | undefined, draft: Draft): void {
  let made = 0;
  for (const entry of list?.list() ?? []) {
    for (const instance of instances(entry, () => made, LINKS_MAX, "bridges")) {
      made++;
      readBridge(instance, draft);
    }
  }
}

function readBridge(entry: Field, draft: Draft): void {
  const version = readVersion(entry);
  const id = readId(entry, draft.bridges);
  if (version !== OBJECT_VERSION) {
    const nothing = {
      medium: "unknown",
      links: ["", ""],
      initiators: [],
      properties: UNKNOWN_PROPERTIES,
    } as const;
    draft.facts.bridgeFacts.push({ id, version, ...nothing });
    return;
  }
  const fields = entry.fields(BRIDGE_FIELDS);
  const joined = fields.require("links", "the ids of the two links that it joins");
  const ends = joined.list();
  const [a, b] = ends.map((field) => draft.links.one(field));
  if (a === undefined || b === undefined || ends.length !== 2) {
    throw joined.fail(`expected the ids of two links, but got ${ends.length}`);
  }
  if (a === b) joined.fail(`a bridge joins two links, but both are ${shown(a)}`);
  const initiators = draft.initiators.resolve(fields.require("for", "the initiators that may use it"));
  draft.countMembers(entry, initiators.length);
  draft.facts.bridgeFacts.push({
    id,
    version,
    medium: readMedium(fields, "unknown"),
    links: [a, b],
    initiators,
    properties: readProperties(fields, draft.numbers, draft.source),
  });
}
