/** Machines at random, for properties: small, but with everything that a machine may have. */
import fc from "fast-check";
import { assemble } from "../assemble/assemble.ts";
import { MACHINE } from "../formats/json/machine-shape.ts";
import type { Kind, Shape } from "../formats/json/shape.ts";
import {
  type Facts,
  INITIATOR_TYPES,
  LINK_MEDIA,
  type LinkProperties,
  MEMORY_KINDS,
  type NumaNode,
} from "../model/facts.ts";
import { emptyFacts } from "../model/facts-draft.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Machine } from "../model/machine.ts";
import { ORIGINS, type Quantity } from "../model/quantity.ts";

/** Text that is hard on formats: quotes, colons, brackets, things that look like numbers, other scripts. */
export const hardText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "node0",
    "0000:c1:00.0/vram",
    "yes",
    "null",
    "~",
    "1e3",
    "- a: [b]",
    "# no",
    "<i>",
    "*",
    "é漢😀",
    'a "b" c',
    "x: y",
  ),
  fc.string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" }).filter((text) => text.trim() !== ""),
);

const indexSet: fc.Arbitrary<IndexSet> = fc
  .uniqueArray(fc.nat({ max: 40 }), { maxLength: 8 })
  .map((indexes) => IndexSet.of(indexes));

function quantity(max: number): fc.Arbitrary<Quantity | null> {
  const value = fc.oneof(
    fc.integer({ min: 1, max: Math.min(max, 2 ** 31) }),
    fc.double({ min: 1e-3, max, noNaN: true }),
  );
  const known = fc
    .record({ value, origin: fc.constantFrom(...ORIGINS), detail: fc.option(hardText, { nil: null }) })
    .map(({ detail, ...rest }): Quantity => (detail === null ? rest : { ...rest, detail }));
  return fc.option(known, { nil: null });
}

const properties: fc.Arbitrary<LinkProperties> = fc.record({
  readBandwidth: quantity(1e15),
  writeBandwidth: quantity(1e15),
  readLatency: quantity(1e9),
  writeLatency: quantity(1e9),
  distance: fc.option(
    fc.record({ value: fc.integer({ min: 1, max: 255 }), origin: fc.constant("distance" as const) }),
    { nil: null },
  ),
  coherent: fc.option(fc.boolean(), { nil: null }),
  atomics: fc.option(fc.boolean(), { nil: null }),
});

const kind = fc.record({ kind: fc.constantFrom(...MEMORY_KINDS), reason: hardText });
const size = fc.option(fc.oneof(fc.constantFrom(0, 2 ** 30, 80e9, 123_456_789), fc.maxSafeNat()), {
  nil: null,
});
const texts = fc.dictionary(fc.constantFrom("CPUModel", "DMIName", "a: b", "é"), hardText, { maxKeys: 2 });

interface NodeSeed {
  readonly kind: NumaNode["kind"];
  readonly size: number | null;
  readonly cpus: number;
  readonly online: boolean;
  readonly genericInitiator: boolean;
  readonly info: Record<string, string>;
}

const nodeSeed: fc.Arbitrary<NodeSeed> = fc.record({
  kind,
  size,
  cpus: fc.nat({ max: 4 }),
  online: fc.boolean(),
  genericInitiator: fc.boolean(),
  info: texts,
});

function nodesOf(seeds: readonly NodeSeed[]): NumaNode[] {
  let next = 0;
  return seeds.map((seed, i) => {
    const cpus = IndexSet.range(next, next + seed.cpus - 1);
    next += seed.cpus;
    return {
      index: i * 2,
      online: seed.online,
      allowed: i % 3 !== 2,
      cpus,
      nearCpus: cpus.isEmpty ? IndexSet.range(0, next - 1) : cpus,
      size: seed.size,
      free: seed.size === null ? null : Math.floor(seed.size / 2),
      kind: seed.kind,
      pageSizes: [],
      sideCaches: [],
      access: [],
      tier: i % 2 === 0 ? null : i,
      genericInitiator: seed.genericInitiator,
      info: seed.info,
    };
  });
}

const membership = fc.record({
  medium: fc.constantFrom(...LINK_MEDIA),
  properties,
  // Which of the initiators and targets are on it, by bit.
  initiators: fc.nat({ max: 255 }),
  targets: fc.nat({ max: 255 }),
});

const pick = <T>(list: readonly T[], bits: number): T[] =>
  list.filter((_, i) => ((bits >> (i % 8)) & 1) === 1);

/** Facts of a machine that states its links. */
const facts: fc.Arbitrary<Facts> = fc
  .record({
    nodes: fc.array(nodeSeed, { maxLength: 4 }),
    devices: fc.uniqueArray(
      fc.record({
        id: hardText,
        type: fc.constantFrom(...INITIATOR_TYPES),
        label: fc.option(hardText, { nil: null }),
        aliases: fc.array(hardText, { maxLength: 2 }),
        cpus: indexSet,
        numaNode: fc.option(fc.constantFrom(0, 2), { nil: null }),
      }),
      { selector: (device) => device.id, maxLength: 3 },
    ),
    targets: fc.uniqueArray(
      fc.record({ id: hardText, kind, size, label: fc.option(hardText, { nil: null }) }),
      {
        selector: (target) => target.id,
        maxLength: 3,
      },
    ),
    links: fc.array(membership, { minLength: 1, maxLength: 4 }),
    bridges: fc.array(membership, { maxLength: 3 }),
    groups: fc.boolean(),
    info: texts,
  })
  .map((seed) => {
    const nodes = nodesOf(seed.nodes);
    const nodeIds = nodes.map((node) => `node${node.index}`);
    const free = (id: string): boolean => !nodeIds.includes(id);
    const hasNode = (index: number | null): number | null =>
      nodes.some((node) => node.index === index) ? index : null;
    const initiatorIds = [...nodeIds, ...seed.devices.map((device) => device.id)];
    const targetIds = [...nodeIds, ...seed.targets.map((target) => target.id)];
    const all = nodes.reduce((cpus, node) => cpus.or(node.cpus), IndexSet.EMPTY);
    return {
      ...emptyFacts(),
      info: seed.info,
      nodes,
      processors: [...all].map((index) => ({ index, online: index % 5 !== 4, allowed: index % 7 !== 6 })),
      groups: seed.groups
        ? [...all].map((cpu) => ({ type: "core" as const, index: cpu, cpus: IndexSet.of([cpu]), info: {} }))
        : [],
      initiatorFacts: seed.devices
        .filter((device) => free(device.id))
        .map((device) => ({ ...device, version: 1, numaNode: hasNode(device.numaNode), pciAddress: null })),
      targetFacts: seed.targets
        .filter((target) => free(target.id))
        .map((target, i) => ({
          ...target,
          version: 1,
          free: null,
          numaNode: hasNode(0),
          device: i === 0 ? (seed.devices.find((device) => free(device.id))?.id ?? null) : null,
        })),
      linkFacts: seed.links.map((link, i) => ({
        id: `l${i}`,
        version: 1,
        medium: link.medium,
        properties: link.properties,
        initiators: pick(initiatorIds, link.initiators),
        targets: pick(targetIds, link.targets),
      })),
      bridgeFacts: (seed.links.length < 2 ? [] : seed.bridges).map((bridge, i) => ({
        id: `b${i}`,
        version: 1,
        medium: bridge.medium,
        properties: bridge.properties,
        links: [`l${i % seed.links.length}`, `l${(i + 1) % seed.links.length}`] as const,
        initiators: pick(initiatorIds, bridge.initiators),
      })),
    };
  });

/** Machines with nodes, devices, targets, links and bridges at random. */
export const arbitraryMachine: fc.Arbitrary<Machine> = facts.map((made) =>
  assemble(made, { kind: "capture", path: "random" }, "a random machine"),
);

/** Values of a shape, at random. */
export function arbitraryOf(shape: Shape<never>, depth = 0): fc.Arbitrary<unknown> {
  const kind: Kind = shape.kind;
  switch (kind.is) {
    case "string":
      return fc.oneof(hardText, fc.string({ unit: "binary", maxLength: 8 }));
    case "number": {
      const min = kind.min ?? (kind.above === null ? -1e6 : 1);
      if (kind.integer) return fc.integer({ min, max: kind.max ?? 1e9 });
      return fc.double({ min, max: 1e18, noNaN: true }).map((value) => (value === 0 ? 1 : value));
    }
    case "boolean":
      return fc.boolean();
    case "one-of":
      return fc.constantFrom(...kind.values);
    case "indexes":
      return indexSet;
    case "nullable":
      return fc.option(arbitraryOf(kind.of, depth), { nil: null });
    case "optional":
      return depth > 6
        ? fc.constant(undefined)
        : fc.option(arbitraryOf(kind.of, depth + 1), { nil: undefined });
    case "same-as":
      return arbitraryOf(kind.of(), depth + 1);
    case "list":
      return fc.array(
        arbitraryOf(kind.of, depth + 1),
        kind.length === null ? { maxLength: 2 } : { minLength: kind.length, maxLength: kind.length },
      );
    case "texts":
      return fc.dictionary(fc.oneof(hardText, fc.constant("__proto__")), fc.string(), { maxKeys: 3 });
    case "object": {
      const entries = Object.entries(kind.entries).map(([name, entry]) => [
        name,
        arbitraryOf(entry, depth + 1),
      ]);
      return fc
        .record(Object.fromEntries(entries) as Record<string, fc.Arbitrary<unknown>>)
        .map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)));
    }
  }
}

/** Machines whose every field is at random; what refers to each other does so rightly. */
export const arbitraryFullMachine: fc.Arbitrary<Machine> = fc
  .tuple(arbitraryMachine, arbitraryOf(MACHINE as unknown as Shape<never>) as fc.Arbitrary<Machine>)
  .map(([right, made]) => ({
    ...made,
    distances: made.distances.map((matrix) => ({
      ...matrix,
      values: Array.from({ length: matrix.nodes.length ** 2 }, (_, i) => matrix.values[i] ?? i),
    })),
    targets: right.targets,
    initiators: right.initiators,
    links: right.links,
    bridges: right.bridges,
  }));
