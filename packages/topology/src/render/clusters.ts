/** Links with the same properties, put together as far as one sentence can say what they join. */
import type { Initiator, Link, Target } from "../model/machine.ts";
import { alike } from "./names.ts";
import type { Survey } from "./survey.ts";

/** Initiators and targets that links join. */
export interface Cluster {
  readonly initiators: readonly Initiator[];
  readonly targets: readonly Target[];
  /** Distinct pairs that the links join. */
  readonly pairs: number;
  /** Of which so many are an initiator and its own memory. */
  readonly own: number;
  /** Groups of initiators of which each reaches the memory of the others but not that of its own group. */
  readonly groups?: readonly (readonly Initiator[])[];
}

/** Members among which groups are looked for, at most. */
const GROUPED_MAX = 256;
/** Pairs that are told apart, at most; more than that are taken for distinct. */
const PAIRS_MAX = 1 << 16;

/** All that links join. */
export function cluster(survey: Survey, links: readonly Link[]): Cluster {
  const initiators = members(
    links.flatMap((link) => link.initiators),
    survey.initiators,
  );
  const targets = members(
    links.flatMap((link) => link.targets),
    survey.targets,
  );
  const stated = links.reduce((sum, link) => sum + link.initiators.length * link.targets.length, 0);
  if (links.length === 1 || stated > PAIRS_MAX) {
    return { initiators, targets, pairs: stated, own: ownPairs(survey, links) };
  }
  const base = 1 + Math.max(...targets.map((target) => target.uid));
  const pairs = new Set<number>();
  for (const link of links) {
    for (const initiator of link.initiators)
      for (const target of link.targets) pairs.add(initiator * base + target);
  }
  const home = (target: Target): readonly Initiator[] => survey.local(target).home;
  const own = targets.flatMap((target) =>
    home(target).filter((one) => pairs.has(one.uid * base + target.uid)),
  );
  return { initiators, targets, pairs: pairs.size, own: own.length };
}

function ownPairs(survey: Survey, links: readonly Link[]): number {
  let own = 0;
  for (const link of links) {
    const initiators = new Set(link.initiators);
    for (const target of members(link.targets, survey.targets)) {
      for (const one of survey.local(target).home) if (initiators.has(one.uid)) own++;
    }
  }
  return own;
}

/** Whether each of some initiators is joined to the memory of each of the others. */
export function eachOther(survey: Survey, { initiators, targets, pairs, own }: Cluster): boolean {
  if (initiators.length < 2 || initiators.length !== targets.length) return false;
  const owners = new Set(targets.flatMap((target) => survey.local(target).home.map((one) => one.uid)));
  return (
    initiators.every((one) => owners.has(one.uid)) &&
    pairs - own >= initiators.length * (initiators.length - 1)
  );
}

/** Groups of initiators, each joined to the memory of the other groups only; undefined when it is not so. */
function groupsOf(
  survey: Survey,
  { initiators, targets }: Cluster,
  links: readonly Link[],
): Initiator[][] | undefined {
  if (initiators.length !== targets.length || initiators.length > GROUPED_MAX) return undefined;
  const ownerOf = new Map<number, number>();
  for (const target of targets) {
    const [owner, second] = survey.local(target).home;
    if (owner === undefined || second !== undefined) return undefined;
    ownerOf.set(target.uid, owner.uid);
  }
  const reached = new Map(initiators.map((one) => [one.uid, new Set<number>()]));
  for (const link of links) {
    for (const initiator of link.initiators) {
      for (const target of link.targets) reached.get(initiator)?.add(ownerOf.get(target) ?? -1);
    }
  }
  // Those that an initiator does not reach, with itself, are its group: the same for all of the group.
  const missed = (one: Initiator): Initiator[] =>
    initiators.filter((other) => other === one || reached.get(one.uid)?.has(other.uid) !== true);
  const groups = alike(initiators, (one) =>
    missed(one)
      .map((other) => other.uid)
      .join(),
  );
  const whole = groups.every(({ key, all }) => all.map((one) => one.uid).join() === key);
  return whole && groups.length > 1 ? groups.map(({ all }) => [...all]) : undefined;
}

/** Whether every initiator is joined to every target. */
function complete({ initiators, targets, pairs }: Cluster): boolean {
  return pairs >= initiators.length * targets.length;
}

/**
 * Puts links together as far as "these reach those", "each other's memory" or "that of the other groups" stays true
 * of all of them: first
 * those that share an initiator (with its own memory) or a target, then those that share a member, else one by one.
 */
export function clusters(survey: Survey, links: readonly Link[]): Cluster[] {
  const sayable = (all: readonly Link[]): Cluster | undefined => {
    const one = cluster(survey, all);
    if (complete(one) || eachOther(survey, one)) return one;
    const groups = groupsOf(survey, one, all);
    return groups === undefined ? undefined : { ...one, groups };
  };
  const whole = sayable(links);
  if (whole !== undefined) return [whole];
  return components(survey, links, true).flatMap((homes) => {
    const together = sayable(homes);
    if (together !== undefined) return [together];
    return components(survey, homes, false).flatMap(
      (some) => sayable(some) ?? some.map((link) => cluster(survey, [link])),
    );
  });
}

/** Links that share a member; with `homes` an initiator and its own memory count as one. */
function components(survey: Survey, links: readonly Link[], homes: boolean): (readonly Link[])[] {
  const parent = new Map<number, number>();
  const find = (uid: number): number => {
    let root = uid;
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root)) root = up;
    parent.set(uid, root);
    return root;
  };
  for (const link of links) {
    const [first, ...rest] = [...link.initiators, ...link.targets];
    if (first === undefined) continue;
    for (const uid of rest) parent.set(find(uid), find(first));
    if (!homes) continue;
    for (const target of members(link.targets, survey.targets)) {
      for (const one of survey.local(target).home) parent.set(find(one.uid), find(target.uid));
    }
  }
  return alike(links, (link) => String(find(link.initiators[0] ?? link.targets[0] ?? -1))).map(
    ({ all }) => all,
  );
}

/** Objects of uids, by uid. */
export function members<T>(uids: readonly number[], of: ReadonlyMap<number, T>): T[] {
  return [...new Set(uids)]
    .sort((a, b) => a - b)
    .map((uid) => of.get(uid))
    .filter((one) => one !== undefined);
}
