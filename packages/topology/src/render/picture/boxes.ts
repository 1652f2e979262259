/** The boxes of memories, devices and cores, with their texts. Each builder takes one thing, or several that look alike. */
import type { CpuCache } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Initiator, Target } from "../../model/machine.ts";
import { formatSize } from "../../model/units.ts";
import { attachedText, slotBandwidth } from "../initiator-section.ts";
import { cacheWords } from "../memory-section.ts";
import { cpuRange, labelRange, nameRange, rangeText } from "../names.ts";
import { type Survey, shortName, wayBandwidth, wayLatency, wayOrigins } from "../survey.ts";
import {
  CLASS_WORDS,
  clean,
  count,
  KIND_WORDS,
  originText,
  pciCurrentText,
  times,
  UNKNOWN,
} from "../words.ts";
import type { Cores, PlacedDevice, PlacedMemory } from "./places.ts";
import type { Line, PlanNode } from "./plan.ts";

type Some<T> = readonly [T, ...T[]];

const sizeText = (size: number | null): string =>
  size === 0 ? "empty" : formatSize(size, { unknown: "size unknown" });

/** Uids of things. */
export function uids(things: readonly { readonly uid: number }[]): Set<number> {
  return new Set(things.map((thing) => thing.uid));
}

/** A box without anything inside. */
export function leaf(
  node: Pick<PlanNode, "key" | "look" | "lines" | "tooltip"> & Partial<PlanNode>,
): PlanNode {
  return {
    kind: null,
    copies: 1,
    rows: [],
    cores: null,
    members: new Set(),
    rails: [],
    notes: [],
    ...node,
  };
}

/** `100/90 GB/s · 80 ns`, with `?` for the one of them that is unknown; empty when both are. */
export function speedText(survey: Survey, target: Target): string {
  const { way } = survey.local(target);
  const [bandwidth, latency] = [wayBandwidth(way), wayLatency(way)];
  if (way === null || (bandwidth === UNKNOWN && latency === UNKNOWN)) return "";
  const mark = way.latency.origin === "distance" ? "~" : "";
  return [
    bandwidth === UNKNOWN ? "bandwidth ?" : bandwidth,
    latency === UNKNOWN ? "latency ?" : `${mark}${latency}`,
  ].join(" · ");
}

/** A memory, in the boxes of its caches. */
export function memoryBox(survey: Survey, memories: Some<PlacedMemory>): PlanNode {
  const [first] = memories;
  const targets = memories.map(({ target }) => target) as [Target, ...Target[]];
  const box = targetBox(survey, targets);
  return [...first.sideCaches].reverse().reduce<PlanNode>((inside, cache, i) => {
    const words = cacheWords(cache);
    return leaf({
      key: `${inside.key}/cache${i}`,
      look: "side-cache",
      copies: 1,
      lines: [
        { text: `Memory-side cache ${formatSize(cache.size)}`, style: "text" },
        ...(words === "" ? [] : [{ text: words, style: "small", faint: true } as const]),
      ],
      tooltip: [
        `Memory-side cache, level ${cache.level}: ${formatSize(cache.size)}`,
        words,
        cache.lineSize > 0 ? `lines of ${cache.lineSize} bytes` : "",
      ]
        .filter((part) => part !== "")
        .join("\n"),
      rows: [{ nodes: [inside], wrap: false, grows: true, bus: null, busText: [] }],
    });
  }, box);
}

/** A memory without its caches. */
export function targetBox(survey: Survey, targets: Some<Target>): PlanNode {
  const [first] = targets;
  const node = survey.node(first);
  const local = survey.local(first);
  const kind = first.kind.kind;
  const owner = survey.owner(first);
  const names = clean(nameRange(targets.map((target) => target.id)), 36);
  const name = owner !== undefined && first.id.startsWith(`${owner.id}/`) ? "" : names;
  const title = [
    times(targets.length, name === "" ? KIND_WORDS[kind] : name),
    name === "" ? "" : KIND_WORDS[kind],
  ];
  const sizes = rangeText(
    targets.map((target) => target.size),
    sizeText,
  );
  const speed = speedText(survey, first);
  const known = targets.map((target) => target.free).filter((free) => free !== null);
  const notes = [
    known.length === 0 || first.size === 0 ? "" : `${rangeText(known, (free) => formatSize(free))} free`,
    node?.tier === null || node === undefined ? "" : `tier ${node.tier}`,
    node?.allowed === false ? "not allowed" : "",
    node?.online === false ? "offline" : "",
    local.from === null ? "out of reach" : "",
  ].filter((part) => part !== "");
  const lines: Line[] = [
    { text: title.filter((part) => part !== "").join(" · "), style: "title" },
    { text: targets.length > 1 && (first.size ?? 0) > 0 ? `${sizes} each` : sizes, style: "big" },
    ...(speed === "" ? [] : [{ text: speed, style: "text" } as const]),
    ...(notes.length === 0 ? [] : [{ text: notes.join(" · "), style: "small", faint: true } as const]),
  ];
  return leaf({
    key: `t${first.uid}`,
    look: "memory",
    kind,
    copies: targets.length,
    lines,
    tooltip: targetTooltip(survey, targets),
    members: uids(targets),
  });
}

function targetTooltip(survey: Survey, targets: Some<Target>): string {
  const [first] = targets;
  const local = survey.local(first);
  const origins = originText(wayOrigins(local.way));
  const node = survey.node(first);
  const huge = (node?.pageSizes ?? [])
    .filter((page) => page.count > 0)
    .map((page) => `${count(page.count, "page")} of ${formatSize(page.size)}`);
  return [
    `${times(targets.length, nameRange(targets.map((target) => target.id)))}: ${KIND_WORDS[first.kind.kind]}`,
    `Kind: ${clean(first.kind.reason, 200)}`,
    targets.length === 1 && first.size !== null ? `${first.size.toLocaleString("en-US")} bytes` : "",
    speedText(survey, first) === ""
      ? "Bandwidth and latency unknown"
      : `${speedText(survey, first)} for ${local.from === null ? UNKNOWN : shortName(local.from)}`,
    origins === "" ? "" : `Numbers from ${origins}`,
    huge.length === 0 ? "" : huge.slice(0, 4).join(", "),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** A device, with its memory inside. */
export function deviceBox(survey: Survey, devices: Some<PlacedDevice>): PlanNode {
  const [first] = devices;
  const initiators = devices.map(({ initiator }) => initiator) as [Initiator, ...Initiator[]];
  const one = first.initiator;
  const name = clean(nameRange(initiators.map(shortName)), 32);
  const attached = [attachedText(survey, one), slotBandwidth(survey, one)].filter(
    (part) => part !== "" && part !== UNKNOWN,
  );
  const current = pciCurrentText(survey.pciOf(one)?.link ?? null);
  const label = labelRange(initiators);
  const address = initiators.length === 1 && shortName(one) !== one.id ? one.id : "";
  const lines: Line[] = [
    { text: `${times(devices.length, CLASS_WORDS[one.class])} ${name}`, style: "title" },
    ...(label === "" ? [] : [{ text: clean(label, 32), style: "text" } as const]),
    ...(attached.length === 0 ? [] : [{ text: attached.join(" · "), style: "text" } as const]),
    ...(current === "" ? [] : [{ text: `now ${current}`, style: "small", faint: true } as const]),
    ...(address === "" ? [] : [{ text: clean(address, 32), style: "small", faint: true } as const]),
  ];
  const memories = first.memories.map((_, k) =>
    targetBox(
      survey,
      devices.map((device) => device.memories[k]).filter((target) => target !== undefined) as [
        Target,
        ...Target[],
      ],
    ),
  );
  return leaf({
    key: `i${one.uid}`,
    look: "device",
    copies: devices.length,
    lines,
    tooltip: deviceTooltip(survey, initiators),
    members: uids(initiators),
    rows:
      memories.length === 0 ? [] : [{ nodes: memories, wrap: false, grows: false, bus: null, busText: [] }],
  });
}

function deviceTooltip(survey: Survey, initiators: Some<Initiator>): string {
  const [first] = initiators;
  const pci = survey.pciOf(first);
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  return [
    `${times(initiators.length, CLASS_WORDS[first.class])}: ${clean(nameRange(initiators.map((one) => one.id)), 80)}`,
    first.label === null ? "" : clean(first.label, 120),
    first.aliases.length === 0
      ? ""
      : `Also: ${first.aliases
          .slice(0, 6)
          .map((alias) => clean(alias, 40))
          .join(", ")}`,
    pci === undefined
      ? ""
      : `PCI ${hex(pci.vendor)}:${hex(pci.device)}, class ${hex(pci.classCode)}${pci.driver === null ? "" : `, driver ${clean(pci.driver, 32)}`}`,
    first.numaNode === null ? "" : `Near node${first.numaNode}`,
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** Cores, with the caches of each. */
export function coresBox(
  cores: Some<Cores>,
  key: string,
  members: ReadonlySet<number>,
  coresMax: number,
): PlanNode {
  const [first] = cores;
  const number = first.cores.length;
  const threads = first.cores.map((core) => core.size);
  const each = [...new Set(threads)];
  const cpus = cores.reduce((all, one) => all.or(one.cpus), IndexSet.EMPTY);
  const unusable = first.unusable.size;
  const kinds =
    first.small > 0 && first.small < number
      ? `${number - first.small} fast + ${first.small} slow cores`
      : count(number, "core");
  const caches = first.caches.map(cacheText).join(" · ");
  const lines: Line[] = [
    {
      text: `${kinds}${each.length === 1 && (each[0] ?? 1) > 1 ? ` × ${each[0]} CPUs` : ""}`,
      style: "title",
    },
    {
      text: cores.length === 1 ? cpuRange(cpus, 32) : `${count(first.cpus.size, "CPU")} each`,
      style: "text",
    },
    ...(caches === "" ? [] : [{ text: caches, style: "small", faint: true } as const]),
    ...(unusable === 0
      ? []
      : [{ text: `${count(unusable, "CPU")} not usable`, style: "small", faint: true } as const]),
  ];
  return leaf({
    key,
    look: "cores",
    lines,
    tooltip: [
      `${kinds}, ${count(first.cpus.size, "CPU")}: ${cpus.toList().slice(0, 200)}`,
      ...first.caches.map(cacheTooltip),
    ].join("\n"),
    cores: number > 1 && number <= coresMax ? { count: number, small: first.small } : null,
    members,
  });
}

export function cacheName(cache: CpuCache): string {
  return `L${cache.level}${cache.type === "data" ? "d" : cache.type === "instruction" ? "i" : ""}`;
}

function cacheText(cache: CpuCache): string {
  const size = cache.size > 0 ? ` ${formatSize(cache.size)}` : "";
  return `${cacheName(cache)}${size}`;
}

function cacheTooltip(cache: CpuCache): string {
  const ways = cache.associativity > 0 ? `, ${cache.associativity} ways` : "";
  const line = cache.lineSize > 0 ? `, lines of ${cache.lineSize} bytes` : "";
  return `${cacheText(cache)} for ${count(cache.cpus.size, "CPU")}${ways}${line}`;
}
