import type { CpuGroup, Processor } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { type Draft, readInfo } from "./draft.ts";
import { type Field, type Fields, shown } from "./field.ts";

/** CPUs are numbered below this. */
const CPUS_MAX = IndexSet.INDEX_MAX + 1;
/** Packages, cores and the like that a spec may state. */
const GROUPS_MAX = CPUS_MAX;
const GROUP_TYPES = ["drawer", "book", "package", "die", "cluster", "core", "group"] as const;

/** The CPUs of a node as a spec states them in short. */
export interface NodeCpus {
  readonly cpus: IndexSet;
  readonly package: number;
  readonly threads: number;
  readonly model: string | null;
}

/** The CPUs of a spec: those of its nodes, and how they make up cores and packages. */
export class CpuDraft {
  readonly #nodes = new Map<number, NodeCpus>();
  readonly #stated: boolean;
  #all: IndexSet = IndexSet.EMPTY;
  #nextPackage = 0;

  /** `stated`: the spec has `groups:` of its own, so nodes say nothing of packages and cores. */
  constructor(stated: boolean) {
    this.#stated = stated;
  }

  /** The package of a node's CPUs; null for a node without CPUs, or in a spec that states groups itself. */
  packageOf(node: number): number | null {
    return this.#nodes.get(node)?.package ?? null;
  }

  /** Reads the CPUs of a node: `cpus` (how many) or `cpu-list` (which). */
  readNodeCpus(fields: Fields, node: number): IndexSet {
    const cpus = this.#which(fields);
    for (const name of ["threads", "package", "cpu-model"]) {
      if (this.#stated) fields.get(name)?.fail(`${name} cannot stand beside groups; leave one out`);
      if (cpus.isEmpty) fields.get(name)?.fail(`${name} is for a node with CPUs; this one has none`);
    }
    if (cpus.isEmpty) return cpus;
    if (cpus.intersects(this.#all)) {
      const twice = cpus.and(this.#all).toList();
      (fields.get("cpu-list") ?? fields.place).fail(`CPUs ${twice} are in another node too; a CPU is in one`);
    }
    this.#all = this.#all.or(cpus);
    const threads = fields.get("threads")?.integer({ min: 1, max: 1024 }) ?? 1;
    if (cpus.size % threads !== 0) {
      fields.get("threads")?.fail(`${cpus.size} CPUs do not make cores of ${threads} threads each`);
    }
    const number = fields.get("package")?.integer({ min: 0, max: CPUS_MAX }) ?? this.#nextPackage;
    this.#nextPackage = Math.max(this.#nextPackage, number + 1);
    const model = fields.get("cpu-model")?.prose() ?? null;
    this.#nodes.set(node, { cpus, package: number, threads, model });
    return cpus;
  }

  #which(fields: Fields): IndexSet {
    const list = fields.get("cpu-list");
    if (list !== undefined) return list.indexes();
    const count = fields.get("cpus")?.integer({ min: 0, max: CPUS_MAX }) ?? 0;
    if (count === 0) return IndexSet.EMPTY;
    const first = this.#all.last + 1;
    if (first + count > CPUS_MAX)
      fields.get("cpus")?.fail(`expected at most ${CPUS_MAX} CPUs, but there are more`);
    return IndexSet.range(first, first + count - 1);
  }

  /** Adds processors and groups to the facts, once all nodes are read. */
  finish(root: Fields, draft: Draft): void {
    const listed = root.get("cpus")?.indexes() ?? IndexSet.EMPTY;
    const all = this.#all.or(listed);
    const subset = (name: string): IndexSet => {
      const field = root.get(name);
      const cpus = field?.indexes() ?? IndexSet.EMPTY;
      if (field !== undefined && !all.includes(cpus)) this.#missing(field, cpus.andNot(all));
      return cpus;
    };
    const offline = subset("offline-cpus");
    const disallowed = subset("disallowed-cpus");
    for (const index of all) {
      const processor: Processor = { index, online: !offline.has(index), allowed: !disallowed.has(index) };
      draft.facts.processors.push(processor);
    }
    const groups = root.get("groups");
    draft.facts.groups.push(
      ...(groups === undefined ? deriveGroups(this.#nodes.values()) : this.#read(groups, all)),
    );
  }

  #missing(field: Field, cpus: IndexSet): never {
    return field.fail(`there is no CPU ${cpus.toList()} in any node, nor in cpus`);
  }

  #read(list: Field, all: IndexSet): CpuGroup[] {
    const groups: CpuGroup[] = [];
    for (const field of list.list()) {
      for (const group of readGroups(field)) {
        if (!all.includes(group.cpus)) this.#missing(field, group.cpus.andNot(all));
        groups.push(group);
      }
      if (groups.length > GROUPS_MAX) field.fail(`expected at most ${GROUPS_MAX} groups, but there are more`);
    }
    return groups;
  }
}

/**
 * Cores of `threads` CPUs: those with the same place in each of as many equal runs (`0-51,104-155`, as x86 machines
 * are numbered), or else those next to each other.
 */
function coresOf({ cpus, threads }: NodeCpus): IndexSet[] {
  const all = [...cpus];
  const size = all.length / threads;
  const inRuns = all.every((cpu, i) => i % size === 0 || cpu === (all[i - 1] ?? 0) + 1);
  const apart = all.every((cpu, i) => i === 0 || i % size !== 0 || cpu !== (all[i - 1] ?? 0) + 1);
  return Array.from({ length: size }, (_, core) => {
    const place = (thread: number): number =>
      inRuns && apart ? thread * size + core : core * threads + thread;
    return IndexSet.of(Array.from({ length: threads }, (_, thread) => all[place(thread)] ?? 0));
  });
}

/** Packages and cores as they follow from nodes: cores of `threads` CPUs in their order, numbered in each package. */
export function deriveGroups(nodes: Iterable<NodeCpus>): CpuGroup[] {
  const packages = new Map<number, { cpus: IndexSet; model: string | null; cores: IndexSet[] }>();
  for (const node of nodes) {
    const known = packages.get(node.package) ?? { cpus: IndexSet.EMPTY, model: null, cores: [] };
    known.cores.push(...coresOf(node));
    packages.set(node.package, {
      cpus: known.cpus.or(node.cpus),
      model: known.model ?? node.model,
      cores: known.cores,
    });
  }
  const numbered = [...packages].sort(([a], [b]) => a - b);
  return [
    ...numbered.map(([index, { cpus, model }]): CpuGroup => {
      return { type: "package", index, cpus, info: model === null ? {} : { CPUModel: model } };
    }),
    ...numbered.flatMap(([, { cores }]) =>
      cores.map((cpus, index): CpuGroup => ({ type: "core", index, cpus, info: {} })),
    ),
  ];
}

function readGroups(field: Field): CpuGroup[] {
  const fields = field.fields(["type", "index", "cpus", "info", "each"]);
  const type = fields.require("type", `one of ${GROUP_TYPES.join(", ")}`).choice(GROUP_TYPES);
  const each = fields.get("each");
  if (each !== undefined) {
    for (const name of ["index", "cpus", "info"]) fields.exclude("each", name);
    return readEach(each).map(({ index, cpus }) => ({ type, index, cpus, info: {} }));
  }
  const index = fields.get("index")?.integer({ min: 0, max: 2 ** 31 - 1 }) ?? null;
  const cpus = fields.require("cpus", "which CPUs belong to it").indexes();
  return [{ type, index, cpus, info: readInfo(fields.get("info")) }];
}

/** `0=0,64 1=1,65`: many groups, each its number (`-` for none) and its CPUs. */
function readEach(field: Field): { index: number | null; cpus: IndexSet }[] {
  const text = field.raw("groups such as 0=0,64 1=1,65");
  return text
    .trim()
    .split(/\s+/)
    .map((item) => {
      const match = /^(\d{1,9}|-)=([\d,-]+)$/.exec(item);
      const cpus = match === null ? undefined : IndexSet.tryParseList(match[2] ?? "");
      if (match === null || cpus === undefined || cpus.isEmpty) {
        return field.fail(`expected groups such as 0=0,64 1=1,65, but got ${shown(item)}`);
      }
      return { index: match[1] === "-" ? null : Number(match[1]), cpus };
    });
}
