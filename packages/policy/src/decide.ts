import { best, findInitiator, type Initiator, type Machine, type Target } from "@hms/topology";
import { allowing, OutOfReach, refusalOf, roomOf } from "./availability.ts";
import { Candidate } from "./candidate.ts";
import type { DecidedRefusal, Decision } from "./decision.ts";
import { type Limits, NO_LIMITS } from "./limits.ts";
import { pick, weigh } from "./pick.ts";
import { type PlacementRequest, type Prefer, parseRequest } from "./request.ts";
import { shortage } from "./shortage.ts";
import { resolveTargets } from "./target-names.ts";
import { ownBandwidth } from "./weights.ts";

/**
 * What a request comes to on a machine within the limits: which targets, in which order, with which weights, and what
 * cannot be used and why. It does nothing: a dry run and the real one start with the same decision.
 *
 * Which targets, when none are listed: with modes preferred and strict the best one, or as many of the best as have
 * `size` free; with interleave as many of the best as give the largest bandwidth together; with weighted all system
 * memory (and the initiators' own) whose bandwidth is known. With a list, all of it that can be used.
 *
 * @param machine what was read of the machine (with the devices of a program, if it has any)
 * @param request checked as `parseRequest` does, unless it comes from there
 * @param limits what the kernel allows now; default: what the topology says
 * @throws HmsError what `parseRequest` throws; INITIATOR_UNKNOWN, TARGET_UNKNOWN (ENOENT) with the nearest names;
 * TARGET_TWICE, BANDWIDTH_UNKNOWN (EINVAL); with the report: PLACEMENT_REFUSED, for a strict request that cannot be
 * met or any for which there is no memory at all
 *
 * @example
 * ```ts
 * import { decide } from "@hms/policy";
 * import { discover } from "@hms/topology";
 * const machine = await discover("machine:xeon-max");
 * const { targets, overflow } = decide(machine, { for: ["node0"] });
 * targets[0]?.target.id; // node2, its HBM
 * overflow[0]?.target.id; // where pages go when that is full
 * ```
 */
export function decide(machine: Machine, request: PlacementRequest, limits: Limits = NO_LIMITS): Decision {
  const asked = parseRequest(request);
  const { mode = "preferred", prefer = "bandwidth", migrate = false, size = null } = asked;
  const usableNow = allowing(machine, limits);
  const initiators = asked.for?.map((name) => findInitiator(machine, name)) ?? null;
  const list =
    asked.targets === undefined
      ? null
      : resolveTargets(machine, asked.targets, limits, asked.weights !== undefined);
  const { usable, refused, rest } =
    initiators === null
      ? inListedOrder(usableNow, limits, list ?? [])
      : ranked(usableNow, limits, { initiators, prefer, list });
  const wanted = list === null ? pick(usable, mode, size ?? 0) : usable;
  const weights = mode === "weighted" ? weigh(wanted, list, asked.weights) : null;
  const targets = weights === null ? wanted : wanted.map((one, i) => one.weighing(weights[i] ?? 1));
  const overflow = mode === "strict" ? [] : without(wanted, usable, rest);
  const decision: Decision = { mode, prefer, migrate, size, targets, overflow, refused };
  const lacking = shortage(decision, limits);
  if (lacking !== null) throw lacking;
  return decision;
}

/** What can be used, in its order; what cannot; and, with a list, what else there is. */
interface Candidates {
  readonly usable: readonly Candidate[];
  readonly refused: readonly DecidedRefusal[];
  readonly rest: readonly Candidate[];
}

/** Ranked for the initiators; only what is listed, if there is a list, is wanted. */
function ranked(
  machine: Machine,
  limits: Limits,
  asked: {
    readonly initiators: readonly Initiator[];
    readonly prefer: Prefer;
    readonly list: readonly Target[] | null;
  },
): Candidates {
  const { initiators, prefer, list } = asked;
  const ranking = best(machine, initiators, { by: prefer });
  const among = list === null ? null : new Set(list);
  const usable: Candidate[] = [];
  const rest: Candidate[] = [];
  const refused: DecidedRefusal[] = [];
  for (const choice of ranking.targets) {
    const { target, bandwidth } = choice;
    const wanted = among === null || among.has(target);
    const refusal = refusalOf(machine, target, limits);
    if (refusal === null) {
      (wanted ? usable : rest).push(new Candidate(choice, target, bandwidth, roomOf(target, limits)));
    } else if (wanted) {
      refused.push(refusal);
    }
  }
  for (const one of ranking.refused) {
    if (among !== null && !among.has(one.target)) continue;
    refused.push(refusalOf(machine, one.target, limits) ?? new OutOfReach(one));
  }
  if (prefer === "capacity" && limits.freeBytes.size > 0) {
    // What the kernel says now goes before what was free when the topology was read.
    usable.sort(moreRoom);
    rest.sort(moreRoom);
  }
  return { usable, refused, rest };
}

function moreRoom(a: Candidate, b: Candidate): number {
  return (b.room ?? -1) - (a.room ?? -1);
}

/** A list without initiators: its order is the order; what else there is is the system's memory. */
function inListedOrder(machine: Machine, limits: Limits, list: readonly Target[]): Candidates {
  const usable: Candidate[] = [];
  const rest: Candidate[] = [];
  const refused: DecidedRefusal[] = [];
  const candidate = (target: Target, from: number): Candidate =>
    new Candidate(from, target, ownBandwidth(machine, target), roomOf(target, limits));
  list.forEach((target, place) => {
    const refusal = refusalOf(machine, target, limits);
    if (refusal === null) usable.push(candidate(target, place));
    else refused.push(refusal);
  });
  const among = new Set(list);
  for (const target of machine.targets) {
    if (target.numaNode === null || among.has(target)) continue;
    if (refusalOf(machine, target, limits) === null) rest.push(candidate(target, -1));
  }
  return { usable, refused, rest };
}

/** Those that are not wanted, in their order. */
function without(
  wanted: readonly Candidate[],
  usable: readonly Candidate[],
  rest: readonly Candidate[],
): readonly Candidate[] {
  if (wanted.length === usable.length) return rest;
  const taken = wanted.length === 1 ? null : new Set(wanted);
  const overflow: Candidate[] = [];
  for (const one of usable) {
    if (taken === null ? one !== wanted[0] : !taken.has(one)) overflow.push(one);
  }
  for (const one of rest) overflow.push(one);
  return overflow;
}
