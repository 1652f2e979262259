// What the sources find of CPUs and memory in captures of real machines, against what hwloc 2.9 reads of the same
// files: facts here, not XML (test/hwloc-agreement.test.ts does that), and besides also cores, caches and kinds of CPUs.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SaxesParser } from "saxes";
import { discover } from "../discover.ts";
import type { AccessClass, NumaNode } from "../model/facts.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Machine } from "../model/machine.ts";
import { classForCpus } from "./memory/locality.ts";

const CAPTURES = join(import.meta.dirname, "../../../../../shared/captures");
const EXPECTED = join(CAPTURES, "expected");

/** Sorted lines by what they are about. */
type Findings = Readonly<Record<string, readonly string[]>>;

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly parent: Element | null;
  text: string;
}

/** All elements of a file, in document order. */
function elementsOf(xml: string): Element[] {
  const elements: Element[] = [];
  let open: Element | null = null;
  const parser = new SaxesParser();
  parser.on("opentag", ({ name, attributes }) => {
    open = { name, attributes: { ...attributes }, parent: open, text: "" };
    elements.push(open);
  });
  parser.on("text", (text) => {
    if (open !== null) open.text += text;
  });
  parser.on("closetag", () => {
    open = open?.parent ?? null;
  });
  parser.write(xml).close();
  return elements;
}

function list(mask: string | undefined): string {
  return IndexSet.tryParseMask(mask ?? "0x0")?.toList() ?? "?";
}

const CACHE_TYPES = ["unified", "data", "instruction"];

function hwlocFindings(xml: string): Findings {
  const elements = elementsOf(xml);
  const objects = elements.filter(({ name }) => name === "object").map(({ attributes }) => attributes);
  const of = (type: string): (typeof objects)[number][] => objects.filter((a) => a.type === type);
  const caches = objects.filter((a) => /^L\d/.test(a.type ?? "") && a.subtype !== "MemorySideCache");
  const nodes = new Map(of("NUMANode").map((a) => [a.gp_index, a.os_index]));
  return sorted({
    processors: of("PU").map((a) => `${a.os_index}`),
    packages: of("Package").map(
      (a) => `${a.os_index ?? null}: ${list(a.cpuset)} of ${list(a.complete_cpuset)}`,
    ),
    dies: of("Die").map((a) => `${a.os_index ?? null}: ${list(a.cpuset)}`),
    cores: of("Core").map((a) => `${a.os_index ?? null}: ${list(a.cpuset)}`),
    caches: caches.map(
      (a) =>
        `L${a.depth} ${CACHE_TYPES[Number(a.cache_type)]} ${a.cache_size} of ${list(a.cpuset)}, ${a.os_index ?? null}`,
    ),
    nodes: of("NUMANode").map((a) => `${a.os_index}: ${list(a.cpuset)}, ${a.local_memory ?? 0}`),
    // That of Knights Landing is an L3 cache to hwloc, for the sake of old programs; it is in front of DDR only.
    sideCaches: objects
      .filter((a) => a.type === "MemCache" || a.subtype === "MemorySideCache")
      .map((a) => `${a.cache_size} near ${list(a.cpuset)}`),
    distances: distancesOf(elements),
    attributes: elements
      .filter(({ name }) => name === "memattr_value")
      .map(({ attributes: a, parent }) => {
        const node = nodes.get(a.target_obj_gp_index);
        return `${parent?.attributes.name} of ${node} for ${list(a.initiator_cpuset)}: ${a.value}`;
      }),
    kinds: elements
      .filter(({ name }) => name === "cpukind")
      .map((kind) => {
        const info = elements
          .filter(({ parent }) => parent === kind)
          .map(({ attributes: a }) => `${a.name}=${a.value}`);
        return `${list(kind.attributes.cpuset)}: ${info.sort().join(" ")}`;
      }),
  });
}

function distancesOf(elements: readonly Element[]): string[] {
  return elements
    .filter(({ name }) => name === "distances2")
    .flatMap((matrix) => {
      const numbers = (name: string): string[] =>
        elements
          .filter((e) => e.parent === matrix && e.name === name)
          .flatMap(({ text }) => text.trim().split(/\s+/));
      const indexes = numbers("indexes");
      return numbers("u64values").map((value, i) => {
        const [from, to] = [indexes[Math.floor(i / indexes.length)], indexes[i % indexes.length]];
        return `${from} to ${to}: ${value}`;
      });
    });
}

function ourFindings(machine: Machine): Findings {
  const usable = IndexSet.of(
    machine.processors.filter((p) => p.online && p.allowed).map(({ index }) => index),
  );
  const within = (cpus: IndexSet): string => cpus.and(usable).toList();
  // hwloc leaves out the memory of NVIDIA GPUs, unless told to keep it.
  const nodes = machine.nodes.filter((n) => n.online && n.allowed && n.kind.kind !== "gpu");
  const groups = (type: string): typeof machine.groups =>
    machine.groups.filter((group) => group.type === type);
  // And what has neither a CPU nor a memory that may be used.
  const seen = (cpus: IndexSet): boolean =>
    cpus.intersects(usable) || nodes.some((n) => n.nearCpus.intersects(cpus));
  return sorted({
    processors: [...usable].map(String),
    packages: groups("package")
      .filter(({ cpus }) => seen(cpus))
      .map(({ index, cpus }) => `${index}: ${within(cpus)} of ${cpus.toList()}`),
    dies: groups("die").map(({ index, cpus }) => `${index}: ${within(cpus)}`),
    cores: groups("core")
      .filter(({ cpus }) => cpus.intersects(usable))
      .map(({ index, cpus }) => `${index}: ${within(cpus)}`),
    caches: machine.caches
      .filter(({ cpus }) => cpus.intersects(usable))
      .map(({ level, type, size, cpus, index }) => `L${level} ${type} ${size} of ${within(cpus)}, ${index}`),
    nodes: nodes.map((n) => `${n.index}: ${within(n.nearCpus)}, ${n.size ?? 0}`),
    sideCaches: nodes.flatMap((n) => n.sideCaches.map(({ size }) => `${size} near ${within(n.nearCpus)}`)),
    distances: machine.distances.flatMap((matrix) => {
      const shown = new Set(nodes.map(({ index }) => index));
      const size = matrix.nodes.length;
      const lines = matrix.values.flatMap((value, i) => {
        const [from = -1, to = -1] = [matrix.nodes[Math.floor(i / size)], matrix.nodes[i % size]];
        return shown.has(from) && shown.has(to) ? [`${from} to ${to}: ${value}`] : [];
      });
      return lines.length > 1 ? lines : [];
    }),
    attributes: nodes.flatMap((n) => attributesOf(n, within(n.nearCpus))),
    kinds: machine.cpuKinds.map(({ cpus, info }) => {
      const words = Object.entries(info).map(([name, value]) => `${name}=${value}`);
      return `${within(cpus)}: ${words.sort().join(" ")}`;
    }),
  });
}

/** hwloc's attributes of a node: of its access class for CPUs, in MB/s and ns; an average only of two known numbers. */
function attributesOf(node: NumaNode, cpus: string): string[] {
  const access = classForCpus(node.access);
  if (access === undefined || cpus === "") return [];
  const value = (
    field: keyof AccessClass & `${string}${"Bandwidth" | "Latency"}`,
    unit: number,
  ): number | null => {
    const known = access[field];
    return known === null ? null : Math.round(known.value / unit);
  };
  const lines: string[] = [];
  const add = (name: string, number: number | null): void => {
    if (number !== null) lines.push(`${name} of ${node.index} for ${cpus}: ${number}`);
  };
  for (const [sort, unit] of [
    ["Bandwidth", 1e6],
    ["Latency", 1],
  ] as const) {
    const read = value(`read${sort}`, unit);
    const write = value(`write${sort}`, unit);
    add(sort, read === null || write === null ? null : Math.floor((read + write) / 2));
    // A published figure of Knights Landing is one for both.
    if (access[`read${sort}`]?.origin === "model") continue;
    add(`Read${sort}`, read);
    add(`Write${sort}`, write);
  }
  return lines;
}

function sorted(findings: Findings): Findings {
  return Object.fromEntries(Object.entries(findings).map(([name, lines]) => [name, [...lines].sort()]));
}

const missing = existsSync(EXPECTED)
  ? false
  : "the captures of real machines (../shared/captures) are not here";

describe("CPUs and memory of real machines are those that hwloc finds", { skip: missing }, () => {
  const names = missing === false ? readdirSync(EXPECTED).filter((name) => name.endsWith(".xml")) : [];
  for (const file of names) {
    const name = file.replace(/\.xml$/, "");
    test(name, async () => {
      const machine = await discover(join(CAPTURES, "linux", `${name}.tar.bz2`));
      const expected = hwlocFindings(readFileSync(join(EXPECTED, file), "utf8"));
      assert.ok((expected.processors?.length ?? 0) > 0);
      assert.deepEqual(ourFindings(machine), expected);
    });
  }
});
