// What the kernel can hold of a decision as a process's policy, and what it cannot.
import type { NumaPolicy } from "@hms/host-linux/numa";
import * as numa from "@hms/host-linux/numa";
import type { Decision } from "@hms/policy";
import { HmsError, IndexSet, type Machine } from "@hms/topology";
import { readWeights, writeWeights } from "./weights.ts";

/** The policy of a process, as the kernel has it: inherited by what it starts, and kept through exec. */
export interface ProcessPolicy {
  /** How the kernel calls it in `numa_maps`: `bind`, `prefer`, `prefer (many)`, `interleave`, `weighted interleave`. */
  readonly name: string;
  /** `MPOL_*`; MPOL_DEFAULT where nothing is to be set. */
  readonly mode: number;
  readonly nodes: IndexSet;
  /** Weights of nodes to be set for the whole system before it; null: none. */
  readonly setWeights: ReadonlyMap<number, number> | null;
  /** Sentences about what cannot be done of what was asked for: by the kernel, or for want of room. */
  readonly notes: readonly string[];
}

/** How weights are handled that are the system's, and not a process's. */
export interface WeightOptions {
  /** They were asked for: others are not taken. */
  readonly explicit: boolean;
  /** Set the system's weights, for all processes: needs root. */
  readonly setWeights: boolean;
}

const NAMES = new Map<number, string>([
  [numa.MPOL_DEFAULT, "default"],
  [numa.MPOL_BIND, "bind"],
  [numa.MPOL_PREFERRED, "prefer"],
  [numa.MPOL_PREFERRED_MANY, "prefer (many)"],
  [numa.MPOL_INTERLEAVE, "interleave"],
  [numa.MPOL_WEIGHTED_INTERLEAVE, "weighted interleave"],
]);

/**
 * The policy for a decision (docs/decisions/0100). A process has no ordered list of nodes: where the kernel's own order
 * is not that of the targets, the notes say so.
 *
 * @throws HmsError WEIGHTS_SYSTEM (EINVAL), KERNEL_TOO_OLD (EOPNOTSUPP)
 */
export function processPolicy(machine: Machine, decision: Decision, weights: WeightOptions): ProcessPolicy {
  const nodes = decision.targets.flatMap(({ target }) => target.numaNode ?? []);
  const [first] = nodes;
  if (first === undefined) return make(numa.MPOL_DEFAULT, [], []);
  switch (decision.mode) {
    case "strict":
      return make(numa.MPOL_BIND, nodes, orderNotes(machine, nodes));
    case "interleave":
      return make(numa.MPOL_INTERLEAVE, nodes, []);
    case "weighted":
      return weighted(decision, nodes, weights);
    default:
      return preferred(machine, nodes, first);
  }
}

function make(mode: number, nodes: readonly number[], notes: readonly string[]): ProcessPolicy {
  return {
    name: NAMES.get(mode) ?? `mode ${mode}`,
    mode,
    nodes: IndexSet.of(nodes),
    setWeights: null,
    notes,
  };
}

function preferred(machine: Machine, nodes: readonly number[], first: number): ProcessPolicy {
  if (nodes.length === 1) return make(numa.MPOL_PREFERRED, nodes, []);
  if (kernelFollows(machine, nodes)) return make(numa.MPOL_PREFERRED_MANY, nodes, []);
  return make(
    numa.MPOL_PREFERRED,
    [first],
    [
      `A process can prefer one node, or several in the kernel's order and not in this one: node${first} is preferred, and when it is full the kernel goes on with the nodes nearest to it.`,
    ],
  );
}

function orderNotes(machine: Machine, nodes: readonly number[]): string[] {
  if (nodes.length === 1 || kernelFollows(machine, nodes)) return [];
  return [
    `Of several nodes the kernel fills the one nearest to the CPU first, whatever their order here (${nodes.map((node) => `node${node}`).join(", ")}).`,
  ];
}

/** Whether the kernel takes the nodes in this order, on whatever CPU it runs: from near to far. */
export function kernelFollows(machine: Machine, nodes: readonly number[]): boolean {
  const [matrix] = machine.distances;
  if (matrix === undefined) return false;
  const columns = nodes.map((node) => matrix.nodes.indexOf(node));
  if (columns.includes(-1)) return false;
  for (const { index, cpus } of machine.nodes) {
    if (cpus.isEmpty) continue;
    const row = matrix.nodes.indexOf(index);
    if (row < 0) return false;
    const distances = columns.map((column) => matrix.values[row * matrix.nodes.length + column] ?? 0);
    if (distances.some((distance, i) => i > 0 && distance < (distances[i - 1] ?? 0))) return false;
  }
  return true;
}

/** The weights of nodes are the system's: what was asked for must be these, or become these. */
function weighted(
  decision: Decision,
  nodes: readonly number[],
  { explicit, setWeights }: WeightOptions,
): ProcessPolicy {
  const mode = numa.MPOL_WEIGHTED_INTERLEAVE;
  const wanted = new Map<number, number>();
  for (const { target, weight } of decision.targets) {
    if (target.numaNode !== null) wanted.set(target.numaNode, weight);
  }
  const system = readWeights(wanted.keys());
  if (system === null) {
    throw new HmsError(
      "KERNEL_TOO_OLD",
      "EOPNOTSUPP",
      "Place a program by weights: this kernel has no weighted interleaving (Linux 6.9 has); use mode interleave.",
    );
  }
  if (sameRatio(wanted, system)) return make(mode, nodes, []);
  if (setWeights) {
    const note = `The system's weights become ${shown(wanted)}, for all processes (they were ${shown(system)}).`;
    return { ...make(mode, nodes, [note]), setWeights: wanted };
  }
  if (explicit) {
    throw new HmsError(
      "WEIGHTS_SYSTEM",
      "EINVAL",
      `Place a program by weights: a process has the system's weights (${shown(system)}), and ${shown(wanted)} were asked for; set them for all processes with --set-weights (as root), or leave --weights out to take those.`,
    );
  }
  return make(mode, nodes, [
    `A process has the system's weights: ${shown(system)}. By bandwidth they would be ${shown(wanted)}; --set-weights sets these for all processes.`,
  ]);
}

function shown(weights: ReadonlyMap<number, number>): string {
  return [...weights].map(([node, weight]) => `node${node} ${weight}`).join(", ");
}

function sameRatio(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): boolean {
  const [first] = a.keys();
  if (first === undefined) return true;
  const [one = 1, other = 1] = [a.get(first), b.get(first)];
  return [...a].every(([node, weight]) => weight * other === (b.get(node) ?? 0) * one);
}

/**
 * Sets a policy (and the weights that it needs) for as long as something is done by this thread that takes it over: starting a process, exec. The
 * thread's own comes back afterwards.
 *
 * @throws HmsError PLACEMENT_DENIED (EPERM, ENOSYS), PLACEMENT_REFUSED (EINVAL), WEIGHTS_DENIED (EACCES)
 */
export function withPolicy<T>(policy: ProcessPolicy, body: () => T): T {
  if (policy.mode === numa.MPOL_DEFAULT) return body();
  if (policy.setWeights !== null) writeWeights(policy.setWeights);
  const before = numa.getMempolicy();
  const set = numa.setMempolicy(policy.mode, policy.nodes);
  if (set < 0) throw refusedPolicy(policy, set);
  try {
    return body();
  } finally {
    restore(before);
  }
}

function restore(policy: NumaPolicy | number): void {
  if (typeof policy === "number") numa.setMempolicy(numa.MPOL_DEFAULT, []);
  else numa.setMempolicy(policy.mode | policy.flags, policy.nodes);
}

/** Why the kernel did not take a policy, and what to do. */
function refusedPolicy(policy: ProcessPolicy, errno: number): HmsError {
  const text = numa.errnoText(errno);
  const name = numa.errnoName(errno);
  const what = `Set the policy ${policy.name}:${policy.nodes.toList()}`;
  if (text === "EPERM" || text === "ENOSYS") {
    const filter = numa.underSeccomp()
      ? "a seccomp filter keeps set_mempolicy away, as containers do by default; allow it in the container's profile, or give the container CAP_SYS_NICE (docker and podman: --cap-add SYS_NICE)"
      : "this kernel has no NUMA (CONFIG_NUMA); run the program as it is";
    return new HmsError("PLACEMENT_DENIED", name, `${what}: ${filter} (${text}).`);
  }
  if (text === "EINVAL") {
    return new HmsError(
      "PLACEMENT_REFUSED",
      name,
      `${what}: the kernel does not know this policy, or none of the nodes has memory that this process may use any more (${text}); look at \`hms topo\`, or use another mode.`,
    );
  }
  return new HmsError("PLACEMENT_REFUSED", name, `${what}: the kernel refused it (${text}); try again.`);
}
