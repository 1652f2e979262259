import { readLimits } from "@hms/host-linux/numa";
import {
  type Decision,
  decide,
  type Limits,
  limitsFrom,
  type PlacementRequest,
  parseRequest,
} from "@hms/policy";
import type { Machine } from "@hms/topology";
import { discoverMeasured } from "@hms/topology/measured";
import { type ProcessPolicy, processPolicy } from "./policy.ts";
import { roomNotes } from "./room-notes.ts";

/** Where a command's memory is to go: decided, and not done yet. */
export interface CommandPlan {
  readonly machine: Machine;
  readonly decision: Decision;
  /** What the kernel will hold of it for the process. */
  readonly policy: ProcessPolicy;
}

/** What a plan is made with. */
export interface PlanOptions {
  /** The machine; unless given this one, with what `hms measure --keep` saved of it. */
  readonly machine?: Machine;
  /** What the kernel allows; read when it is not given. */
  readonly limits?: Limits;
  /** With mode weighted: set the system's weights, for all processes, when they are others. Needs root. */
  readonly setWeights?: boolean;
}

/**
 * Decides where a command's memory is to go, and by which policy of the kernel; nothing is done yet. A program that
 * knows nothing of hms has memory on NUMA nodes only: devices' own memory is refused.
 *
 * @throws HmsError what `decide` of `@hms/policy` throws; WEIGHTS_SYSTEM (EINVAL): weights were asked for that are not
 *   the system's; KERNEL_TOO_OLD (EOPNOTSUPP): it has no weighted interleaving
 *
 * @example
 * ```ts
 * import { planCommand } from "hms/process";
 * const { decision, policy } = planCommand({ targets: ["node0"], mode: "strict" });
 * console.log(policy.name, decision.targets.map(({ target }) => target.id)); // bind [ 'node0' ]
 * ```
 */
export function planCommand(request: PlacementRequest, options: PlanOptions = {}): CommandPlan {
  const asked = parseRequest(request);
  const { machine = discoverMeasured(), limits = limitsFrom(readLimits(), []), setWeights = false } = options;
  const decision = decide(machine, asked, limits);
  const policy = processPolicy(machine, decision, { explicit: asked.weights !== undefined, setWeights });
  const notes = [...roomNotes(decision, { placing: "starting", memory: limits.memory }), ...policy.notes];
  return { machine, decision, policy: { ...policy, notes } };
}
