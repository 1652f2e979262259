import { IndexSet } from "@hms/topology";
import type { ByteCount } from "./units.ts";

/**
 * What the kernel allows now, as plain data: a topology is read once, and this changes under it. What is null is not
 * known, and then the topology's word counts.
 */
export interface Limits {
  /** NUMA nodes that the process may use (`mems_allowed`). */
  readonly allowedNodes: IndexSet | null;
  /** Of nodes that it may not use: the control group that leaves each out, null where that is not known. */
  readonly leftOut: ReadonlyMap<number, string | null>;
  /** NUMA nodes that have memory now: an offline node is not among them. */
  readonly memoryNodes: IndexSet | null;
  /** Free bytes of a NUMA node, by its number. */
  readonly freeBytes: ReadonlyMap<number, ByteCount>;
  /** How much more memory of the host the process may have before a group's limit is reached. */
  readonly memory: {
    readonly group: string;
    readonly leftBytes: ByteCount;
  } | null;
  /**
   * Targets that are no NUMA nodes and can be used all the same, by id: what a program has opened. `[]`: none, as for a
   * program that knows nothing of hms.
   */
  readonly devices: readonly string[] | null;
}

/** Nothing is known beyond the topology. */
export const NO_LIMITS: Limits = Object.freeze({
  allowedNodes: null,
  leftOut: new Map<number, string | null>(),
  memoryNodes: null,
  freeBytes: new Map<number, ByteCount>(),
  memory: null,
  devices: null,
});

/** What a host reads of the kernel; `readLimits` of `@hms/host-linux/numa` gives it. */
export interface KernelFacts {
  readonly allowedNodes: IndexSet | null;
  readonly leftOut: ReadonlyMap<number, string | null>;
  /** The one with the least room first. */
  readonly memory: readonly {
    readonly group: string;
    readonly limitBytes: ByteCount;
    readonly usedBytes: ByteCount;
    /** Of `usedBytes`, what the kernel gives up before it refuses anything. */
    readonly cacheBytes: ByteCount;
  }[];
  readonly nodes: ReadonlyMap<number, { readonly freeBytes: ByteCount }>;
}

/**
 * The limits of a process from what the kernel says of it.
 *
 * @param devices ids of the targets that it can use although they are no NUMA nodes
 */
export function limitsFrom(facts: KernelFacts, devices: readonly string[] | null): Limits {
  const [tightest] = facts.memory;
  const freeBytes = new Map<number, ByteCount>();
  for (const [node, { freeBytes: free }] of facts.nodes) freeBytes.set(node, free);
  return {
    allowedNodes: facts.allowedNodes,
    leftOut: facts.leftOut,
    memoryNodes: facts.nodes.size === 0 ? null : IndexSet.of(facts.nodes.keys()),
    freeBytes,
    memory:
      tightest === undefined
        ? null
        : {
            group: tightest.group,
            leftBytes: Math.max(0, tightest.limitBytes - tightest.usedBytes + tightest.cacheBytes),
          },
    devices,
  };
}
