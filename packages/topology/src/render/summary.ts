/** How much of everything a machine has, in a few words. */
import { MEMORY_KINDS, type MemoryKind } from "../model/facts.ts";
import type { Machine } from "../model/machine.ts";
import { formatSize } from "../model/units.ts";
import { count, KIND_WORDS } from "./words.ts";

/** `32 CPUs`, `16 cores`, `2 packages`, `2 NUMA nodes`. */
export function cpuParts(machine: Machine): string[] {
  const usable = machine.processors.filter((one) => one.online && one.allowed).length;
  const all = machine.processors.length;
  const parts: string[] = [];
  if (all > 0) parts.push(usable === all ? count(all, "CPU") : `${usable} of ${count(all, "CPU")} usable`);
  for (const type of ["core", "package"] as const) {
    const number = machine.groups.filter((group) => group.type === type).length;
    if (number > 0) parts.push(count(number, type));
  }
  if (machine.nodes.length > 0) parts.push(count(machine.nodes.length, "NUMA node"));
  return parts;
}

/** Total size of each kind of memory: `64 GiB DRAM`; of unknown sizes only that they are there. */
export function memoryParts(machine: Machine): { readonly kind: MemoryKind; readonly text: string }[] {
  return MEMORY_KINDS.flatMap((kind) => {
    const sizes = machine.targets.filter((target) => target.kind.kind === kind).map((target) => target.size);
    const known = sizes.reduce((sum: number, size) => sum + (size ?? 0), 0);
    const unknown = sizes.includes(null);
    if (known === 0 && !unknown) return [];
    const word = KIND_WORDS[kind];
    if (known === 0) return [{ kind, text: `${word} of unknown size` }];
    return [{ kind, text: `${formatSize(known)}${unknown ? " or more" : ""} ${word}` }];
  });
}

/** All of it. */
export function summaryParts(machine: Machine): string[] {
  return [...cpuParts(machine), ...memoryParts(machine).map((part) => part.text)];
}
