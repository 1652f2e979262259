import { HmsError } from "../model/error.ts";
import type { Initiator, Machine, Target } from "../model/machine.ts";

/**
 * The initiator of a name: its id (`node0`), a CPU (`cpu5`: that of its node), a PCI address with or without domain
 * (`0000:c1:00.0`, `c1:00.0`), a device's name (`eth0`, `card0`), or `uid:N`.
 *
 * @throws HmsError INITIATOR_UNKNOWN (ENOENT), naming the nearest names
 */
export function findInitiator(machine: Machine, name: string): Initiator {
  const wanted = name.trim();
  const index = nameIndexOf(machine);
  const lower = wanted.toLowerCase();
  const found =
    index.get(wanted) ?? index.get(lower) ?? index.get(`0000:${lower}`) ?? numberedInitiator(machine, lower);
  if (found !== undefined) return found;
  const cpu = offlineCpu(machine, lower);
  if (cpu !== null) {
    throw new HmsError(
      "INITIATOR_UNKNOWN",
      "ENOENT",
      `Look up initiator ${JSON.stringify(wanted)}: CPU ${cpu} of ${machine.name} ${machine.processors.find(({ index }) => index === cpu)?.online === false ? "is offline" : "is in no NUMA node"}; name one of the nodes ${machine.initiators
        .filter((one) => one.class === "cpu")
        .slice(0, 8)
        .map((one) => one.id)
        .join(", ")}`,
    );
  }
  const names = machine.initiators.flatMap((one) => [one.id, ...one.aliases]);
  throw new HmsError(
    "INITIATOR_UNKNOWN",
    "ENOENT",
    `Look up initiator ${JSON.stringify(wanted)}: no initiator of ${machine.name} has this name; ${suggestion(wanted, names)}`,
  );
}

/** `cpu5`, `pu:5`, `uid:3`. */
function numberedInitiator(machine: Machine, name: string): Initiator | undefined {
  const [, kind, digits] = /^(cpu|pu|uid):?(\d{1,9})$/.exec(name) ?? [];
  if (digits === undefined) return undefined;
  const number = Number(digits);
  if (kind === "uid") return machine.initiators.find((one) => one.uid === number);
  return machine.initiators.find((one) => one.class === "cpu" && one.cpus.has(number));
}

/** The number of a CPU that the machine has but no initiator, or null. */
function offlineCpu(machine: Machine, name: string): number | null {
  const digits = /^(?:cpu|pu):?(\d{1,9})$/.exec(name)?.[1];
  const found = machine.processors.find(({ index }) => digits !== undefined && index === Number(digits));
  return found?.index ?? null;
}

const nameIndexes = new WeakMap<Machine, ReadonlyMap<string, Initiator>>();

/** Initiators by id, alias and PCI address, each also in lower case; of two with one name the first has it, and ids go first. */
function nameIndexOf(machine: Machine): ReadonlyMap<string, Initiator> {
  let index = nameIndexes.get(machine);
  if (index === undefined) {
    const made = new Map<string, Initiator>();
    const add = (name: string | null, one: Initiator): void => {
      if (name !== null && !made.has(name)) made.set(name, one);
    };
    for (const one of machine.initiators) add(one.id, one);
    for (const one of machine.initiators) for (const name of one.aliases) add(name, one);
    for (const one of machine.initiators)
      for (const name of [one.id, one.pciAddress, ...one.aliases]) add(name?.toLowerCase() ?? null, one);
    nameIndexes.set(machine, made);
    index = made;
  }
  return index;
}

/**
 * The target of an id (`node0`, `0000:c1:00.0/vram`), or `uid:N`.
 *
 * @throws HmsError TARGET_UNKNOWN (ENOENT), naming the nearest ids
 */
export function findTarget(machine: Machine, id: string): Target {
  const wanted = id.trim();
  const uid = /^uid:(\d{1,9})$/.exec(wanted)?.[1];
  const found =
    machine.targets.find((one) => one.id === wanted) ??
    machine.targets.find((one) => one.id.toLowerCase() === wanted.toLowerCase()) ??
    (uid === undefined ? undefined : machine.targets.find((one) => one.uid === Number(uid)));
  if (found !== undefined) return found;
  const ids = machine.targets.map((one) => one.id);
  throw new HmsError(
    "TARGET_UNKNOWN",
    "ENOENT",
    `Look up target ${JSON.stringify(wanted)}: no target of ${machine.name} has this id; ${suggestion(wanted, ids)}`,
  );
}

/** "did you mean …" with the nearest names, or all of a few, for an error's last words. */
function suggestion(wanted: string, names: readonly string[]): string {
  if (names.length === 0) return "it has none at all: see what `hms topo` shows of it";
  const near = nearest(wanted, names);
  const list = near.length > 0 ? near : names.slice(0, 8);
  const more = near.length === 0 && names.length > list.length ? ", …" : "";
  return near.length > 0 ? `did you mean ${list.join(" or ")}?` : `there are ${list.join(", ")}${more}`;
}

/** Up to three names within a third of the word's length in edits, nearest first. */
export function nearest(wanted: string, names: readonly string[]): string[] {
  const budget = Math.max(1, Math.floor(wanted.length / 3));
  return [...new Set(names)]
    .map((name) => ({ name, edits: editDistance(wanted.toLowerCase(), name.toLowerCase()) }))
    .filter(({ edits }) => edits <= budget)
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 16 || a.length > 64) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
