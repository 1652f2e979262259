import { Document, isMap, isSeq } from "yaml";
import type { Machine, Target } from "../../model/machine.ts";
import { DISTANCE_MAX, NAME_MAX } from "./limits.ts";
import { SPEC_VERSION } from "./words.ts";
import { writeCpus } from "./write-cpus.ts";
import { writeDevice, writeNode } from "./write-nodes.ts";
import { info, prose, some, Writer, type Written } from "./writer.ts";

/**
 * Writes a machine as a spec (YAML), which reads back to the same targets, initiators, links and bridges. Numbers
 * keep their values; where they came from is kept as their source. What a spec cannot say (caches, PCI bridges, DAX
 * and CXL devices, …) is left out.
 */
export function specToYaml(machine: Machine): string {
  const writer = new Writer(machine);
  const targets = new Map(machine.targets.map((target) => [target.uid, target]));
  const initiators = new Map(machine.initiators.map((initiator) => [initiator.uid, initiator]));
  const nodeIds = new Set(machine.nodes.map((node) => `node${node.index}`));
  const { top, nodes: nodeCpus } = writeCpus(machine);
  const body: Written = {
    info: info(machine.info),
    ...top,
    nodes: machine.nodes.map((node) => writeNode(writer, node, nodeCpus.get(node.index) ?? {})),
    distances: writeDistances(machine),
    devices: some(machine.initiators.flatMap((initiator) => writeDevice(writer, initiator) ?? [])),
    targets: some(
      machine.targets
        .filter((target) => !nodeIds.has(target.id))
        .map((target) => writeTarget(writer, target)),
    ),
    links: some(
      machine.links.map((link) => ({
        id: `link${link.uid}`,
        medium: link.medium,
        from: some(writer.ids(link.initiators, initiators)),
        to: some(writer.ids(link.targets, targets)),
        ...writer.properties(link.properties),
      })),
    ),
    bridges: some(
      machine.bridges.map((bridge) => ({
        id: `bridge${bridge.uid}`,
        medium: bridge.medium,
        links: bridge.links.map((uid) => `link${uid}`),
        for: writer.ids(bridge.initiators, initiators),
        ...writer.properties(bridge.properties),
      })),
    ),
  };
  return print({
    "hms-spec": SPEC_VERSION,
    name: machine.name.replace(/\p{Cc}/gu, "?").slice(0, NAME_MAX) || undefined,
    sources: writer.sources.size === 0 ? undefined : Object.fromEntries(writer.sources),
    // All links are written below; none follow from the nodes.
    "implied-links": false,
    ...body,
  });
}

function writeTarget(writer: Writer, target: Target): Written {
  const device = target.device;
  const known = writer.machine.initiators.some(
    (one) =>
      device !== null && (one.id === device || one.pciAddress === device || one.aliases.includes(device)),
  );
  const node = writer.machine.nodes.some((one) => one.index === target.numaNode);
  return {
    id: writer.id(target.id),
    ...writer.kind(target),
    free: writer.size(target.free),
    "numa-node": node ? target.numaNode : undefined,
    device: device !== null && known ? writer.id(device) : undefined,
    label: prose(target.label),
  };
}

/** The firmware's distances, a row for each node. */
function writeDistances(machine: Machine): Written | undefined {
  const matrix = machine.distances.find((one) => one.name === "NUMALatency");
  const there = new Set(machine.nodes.map((node) => node.index));
  if (matrix === undefined || !matrix.nodes.every((node) => there.has(node)) || matrix.nodes.length === 0)
    return undefined;
  const fits = matrix.values.every((value) => Number.isInteger(value) && value >= 0 && value <= DISTANCE_MAX);
  if (!fits) return undefined;
  const size = matrix.nodes.length;
  const rows = matrix.nodes.map((_, row) => matrix.values.slice(row * size, (row + 1) * size).join(" "));
  return { nodes: matrix.nodes.join(","), values: rows };
}

/** Lists whose entries are written in a line each. */
const ONE_LINE = new Set(["targets", "links", "bridges", "groups"]);

function print(spec: Written): string {
  const document = new Document(withoutUndefined(spec), { aliasDuplicateObjects: false });
  const { contents } = document;
  if (isMap(contents)) {
    for (const { key, value } of contents.items) {
      const name = String(key);
      if (isSeq(value)) for (const item of value.items) style(item, ONE_LINE.has(name));
      if (isMap(value) && name !== "info" && name !== "sources") style(value, false);
    }
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** Entries on one line, or with only what is inside them on one line. */
function style(item: unknown, oneLine: boolean): void {
  if (!isMap(item)) return;
  if (oneLine) item.flow = true;
  for (const { key, value } of item.items) {
    if (isMap(value) || (isSeq(value) && String(key) !== "values")) value.flow = true;
  }
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutUndefined(inner)]));
}
