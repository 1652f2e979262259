import type { CpuGroup, NumaNode } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Machine } from "../../model/machine.ts";
import { deriveGroups, type NodeCpus } from "./cpus.ts";
import { info, type Written } from "./writer.ts";

/** The CPUs of a machine as a spec states them: at the top, and in each node. */
export interface WrittenCpus {
  readonly top: Written;
  readonly nodes: ReadonlyMap<number, Written>;
}

/** Writes CPUs, packages and cores: in the nodes where that says it all, in full otherwise. */
export function writeCpus(machine: Machine): WrittenCpus {
  const cpusOf = ownCpus(machine.nodes);
  const inNodes = [...cpusOf.values()].reduce((all, cpus) => all.or(cpus), IndexSet.EMPTY);
  const processors = machine.processors;
  const all = IndexSet.of(processors.map((one) => one.index)).or(inNodes);
  const pick = (keep: (one: (typeof processors)[number]) => boolean): string | undefined =>
    IndexSet.of(processors.filter(keep).map((one) => one.index)).toList() || undefined;
  const derived = derivable(machine, cpusOf);
  const nodes = new Map<number, Written>();
  let next = 0;
  for (const [index, cpus] of cpusOf) {
    const inOrder = cpus.first === next && cpus.last - cpus.first + 1 === cpus.size;
    next = Math.max(next, cpus.last + 1);
    const one = derived?.get(index);
    nodes.set(index, {
      ...(inOrder ? { cpus: cpus.size } : { "cpu-list": cpus.toList() }),
      ...(one === undefined
        ? {}
        : {
            threads: one.threads === 1 ? undefined : one.threads,
            package: one.package,
            "cpu-model": one.model ?? undefined,
          }),
    });
  }
  const top = {
    cpus: all.equals(inNodes) ? undefined : all.toList(),
    "offline-cpus": pick((one) => !one.online),
    "disallowed-cpus": pick((one) => !one.allowed),
    groups: derived === null ? writeGroups(machine.groups, all) : undefined,
  };
  return { top, nodes };
}

/** Each node's CPUs; one that an odd input puts into two nodes is in the first. */
function ownCpus(nodes: readonly NumaNode[]): Map<number, IndexSet> {
  let seen = IndexSet.EMPTY;
  const own = new Map<number, IndexSet>();
  for (const node of nodes) {
    const cpus = node.cpus.andNot(seen);
    if (!cpus.isEmpty) own.set(node.index, cpus);
    seen = seen.or(cpus);
  }
  return own;
}

/** What nodes must state for packages and cores to follow from it; null when these are other than that. */
function derivable(machine: Machine, cpusOf: ReadonlyMap<number, IndexSet>): Map<number, NodeCpus> | null {
  const { groups } = machine;
  const packages = groups.filter((group) => group.type === "package");
  const cores = groups.filter((group) => group.type === "core");
  const nodes = new Map<number, NodeCpus>();
  for (const [index, cpus] of cpusOf) {
    const around = packages.find((group) => group.cpus.intersects(cpus));
    const core = cores.find((group) => group.cpus.intersects(cpus));
    if (around === undefined || around.index === null || core === undefined) return null;
    const model = around.info.CPUModel ?? null;
    nodes.set(index, { cpus, package: around.index, threads: core.cpus.size, model });
  }
  const valid = [...nodes.values()].every(
    (node) => node.cpus.size % node.threads === 0 && node.threads <= 1024,
  );
  return valid && same(deriveGroups(nodes.values()), groups) ? nodes : null;
}

function same(a: readonly CpuGroup[], b: readonly CpuGroup[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i];
      return (
        other !== undefined &&
        one.type === other.type &&
        one.index === other.index &&
        one.cpus.equals(other.cpus) &&
        JSON.stringify(one.info) === JSON.stringify(other.info)
      );
    })
  );
}

/** Groups in full: runs of those of one type without `info` in a line. */
function writeGroups(groups: readonly CpuGroup[], all: IndexSet): Written[] {
  const written: { type: string; items: string[]; alone: Written | null }[] = [];
  for (const group of groups) {
    const { type, index } = group;
    const cpus = group.cpus.and(all);
    if (cpus.isEmpty) continue;
    const more = info(group.info);
    const alone =
      more === undefined ? null : { type, index: index ?? undefined, cpus: cpus.toList(), info: more };
    const last = written.at(-1);
    const item = `${index ?? "-"}=${cpus.toList()}`;
    if (alone === null && last?.alone === null && last.type === type) last.items.push(item);
    else written.push({ type, items: [item], alone });
  }
  return written.map(({ type, items, alone }) => alone ?? { type, each: items.join(" ") });
}
