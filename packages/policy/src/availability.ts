import { type ErrnoName, formatSize, IndexSet, type Machine, type Refusal, type Target } from "@hms/topology";
import type { DecidedRefusal } from "./decision.ts";
import type { Limits } from "./limits.ts";
import type { RefusedBy } from "./report.ts";
import { type ByteCount, PAGE_BYTES } from "./units.ts";

/** Bytes that may be had of a target: what the kernel says is free, else the topology's word; null unknown. */
export function roomOf(target: Target, limits: Limits): ByteCount | null {
  const now = target.numaNode === null ? undefined : limits.freeBytes.get(target.numaNode);
  return now ?? target.free ?? target.size;
}

/** Why a target cannot be used now, whoever asks; null when it can. */
export function refusalOf(machine: Machine, target: Target, limits: Limits): DecidedRefusal | null {
  const { numaNode: node } = target;
  if (node === null) {
    if (limits.devices !== null && !limits.devices.includes(target.id)) {
      return new Refused(target, "kernel", "EOPNOTSUPP", limits);
    }
  } else {
    const { memoryNodes, allowedNodes } = limits;
    if (memoryNodes !== null && !memoryNodes.has(node))
      return new Refused(target, "kernel", "ENODEV", limits);
    if (allowedNodes !== null) {
      if (!allowedNodes.has(node)) return new Refused(target, "cpuset", "EACCES", limits);
    } else if (leftOut(machine).has(node)) {
      return new Refused(target, "cpuset", "EACCES", limits);
    }
  }
  const room = roomOf(target, limits);
  if (target.size === 0 && !(room !== null && room > 0))
    return new Refused(target, "kernel", "ENODEV", limits);
  if (room !== null && room < PAGE_BYTES) return new Refused(target, "capacity", "ENOMEM", limits);
  return null;
}

/** Its words are made when they are read: most callers want the order only. */
class Refused implements DecidedRefusal {
  readonly target: Target;
  readonly by: RefusedBy;
  readonly errno: ErrnoName;
  readonly #limits: Limits;

  constructor(target: Target, by: RefusedBy, errno: ErrnoName, limits: Limits) {
    this.target = target;
    this.by = by;
    this.errno = errno;
    this.#limits = limits;
  }

  get why(): string {
    const { numaNode, size } = this.target;
    const { leftOut: groups, allowedNodes } = this.#limits;
    switch (this.by) {
      case "capacity":
        return `${formatSize(roomOf(this.target, this.#limits))} are free in it`;
      case "cpuset": {
        const group = numaNode === null ? null : (groups.get(numaNode) ?? null);
        const whose = group === null ? "the cpuset" : `the cpuset of ${group}`;
        const allowed = allowedNodes === null ? "" : ` (it allows ${allowedNodes.toList() || "none"})`;
        return `${whose} leaves node ${numaNode} out${allowed}`;
      }
      default:
        if (numaNode === null && this.errno === "EOPNOTSUPP") {
          return "it is no NUMA node and no device that the program has open";
        }
        return size === null || size === 0
          ? "it has no memory now (none is online in it)"
          : `it has no memory now, although the topology that was read says ${formatSize(size)}: it went offline since; read the topology again`;
    }
  }

  toJSON(): object {
    return refusalJson(this);
  }
}

/** A target that an initiator cannot get to. */
export class OutOfReach implements DecidedRefusal {
  readonly target: Target;
  readonly by = "topology";
  readonly errno = null;
  readonly #refusal: Refusal;

  constructor(refusal: Refusal) {
    this.target = refusal.target;
    this.#refusal = refusal;
  }

  get why(): string {
    return this.#refusal.why;
  }

  toJSON(): object {
    return refusalJson(this);
  }
}

function refusalJson({ target, by, errno, why }: DecidedRefusal): object {
  return { id: target.id, by, errno, why };
}

const leftOutByMachine = new WeakMap<Machine, IndexSet>();

/** Nodes that the process that read the topology may not use. */
function leftOut(machine: Machine): IndexSet {
  let nodes = leftOutByMachine.get(machine);
  if (nodes === undefined) {
    nodes = IndexSet.of(machine.nodes.filter(({ allowed }) => !allowed).map(({ index }) => index));
    leftOutByMachine.set(machine, nodes);
  }
  return nodes;
}

const allowingByMachine = new WeakMap<Machine, Map<string, Machine>>();
/** Machines kept with other allowed nodes than were read, for each machine. */
const ALLOWING_MAX = 64;

/**
 * The machine with those nodes usable that are allowed now, although they were not to the process that read the
 * topology (another process's cpuset, or one that was changed).
 */
export function allowing(machine: Machine, { allowedNodes }: Limits): Machine {
  if (allowedNodes === null || !leftOut(machine).intersects(allowedNodes)) return machine;
  let known = allowingByMachine.get(machine);
  if (known === undefined) {
    known = new Map();
    allowingByMachine.set(machine, known);
  }
  const key = allowedNodes.toList();
  let made = known.get(key);
  if (made === undefined) {
    if (known.size >= ALLOWING_MAX) known.clear();
    const nodes = machine.nodes.map((node) => ({
      ...node,
      allowed: node.allowed || allowedNodes.has(node.index),
    }));
    made = { ...machine, nodes };
    known.set(key, made);
  }
  return made;
}
