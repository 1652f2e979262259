import type { Bridge, Initiator, Link, Machine, Target } from "../../model/machine.ts";
import { jsonError } from "./decode.ts";

/** Checks that uids and ids are unique, and that what refers to an object finds it and is referred to in turn. */
export function checkReferences(machine: Machine, name: string): void {
  const fail = (path: string, problem: string): never => {
    throw jsonError(name, path, problem);
  };
  const targets = byUid(machine.targets, "targets");
  const initiators = byUid(machine.initiators, "initiators");
  const links = byUid(machine.links, "links");
  const bridges = byUid(machine.bridges, "bridges");
  const seen = new Map<number, string>();
  for (const [uid, path] of [...targets.paths, ...initiators.paths, ...links.paths, ...bridges.paths]) {
    const other = seen.get(uid);
    if (other !== undefined) fail(`${path}.uid`, `expected a number of its own, but ${other} has ${uid} too`);
    seen.set(uid, path);
  }
  unique(machine.targets, "targets", fail);
  unique(machine.initiators, "initiators", fail);
  const refer = (path: string, uids: readonly number[], to: Objects<unknown>): void => {
    uids.forEach((uid, i) => {
      if (!to.objects.has(uid))
        fail(`${path}[${i}]`, `expected the uid of one of ${to.noun}, but none has ${uid}`);
    });
    if (new Set(uids).size !== uids.length) fail(path, "expected each uid once, but one is there twice");
  };
  machine.links.forEach((link, i) => {
    refer(`links[${i}].targets`, link.targets, targets);
    refer(`links[${i}].initiators`, link.initiators, initiators);
  });
  machine.bridges.forEach((bridge, i) => {
    refer(`bridges[${i}].links`, bridge.links, links);
    refer(`bridges[${i}].initiators`, bridge.initiators, initiators);
  });
  const linksOf = memberships(machine.links, (link: Link) => [...link.targets, ...link.initiators]);
  const bridgesOf = memberships(machine.bridges, (bridge: Bridge) => bridge.initiators);
  const agree = (path: string, stated: readonly number[], actual: ReadonlySet<number> | undefined): void => {
    const right = stated.length === (actual?.size ?? 0) && stated.every((uid) => actual?.has(uid) === true);
    if (!right) {
      const wanted = [...(actual ?? [])].sort((a, b) => a - b).join(", ");
      fail(
        path,
        `expected the uids of those that have it as a member (${wanted || "none"}), but got ${stated.slice(0, 16).join(", ") || "none"}`,
      );
    }
  };
  machine.targets.forEach((target: Target, i) => {
    refer(`targets[${i}].links`, target.links, links);
    agree(`targets[${i}].links`, target.links, linksOf.get(target.uid));
  });
  machine.initiators.forEach((initiator: Initiator, i) => {
    refer(`initiators[${i}].links`, initiator.links, links);
    refer(`initiators[${i}].bridges`, initiator.bridges, bridges);
    agree(`initiators[${i}].links`, initiator.links, linksOf.get(initiator.uid));
    agree(`initiators[${i}].bridges`, initiator.bridges, bridgesOf.get(initiator.uid));
  });
  machine.distances.forEach((matrix, i) => {
    const cells = matrix.nodes.length ** 2;
    if (matrix.values.length !== cells) {
      fail(
        `distances[${i}].values`,
        `expected ${cells} numbers for ${matrix.nodes.length} nodes, but got ${matrix.values.length}`,
      );
    }
  });
}

interface Objects<T> {
  readonly noun: string;
  readonly objects: ReadonlyMap<number, T>;
  readonly paths: readonly (readonly [uid: number, path: string])[];
}

function byUid<T extends { readonly uid: number }>(list: readonly T[], noun: string): Objects<T> {
  return {
    noun,
    objects: new Map(list.map((object) => [object.uid, object])),
    paths: list.map((object, i) => [object.uid, `${noun}[${i}]`] as const),
  };
}

function unique(
  list: readonly { readonly id: string }[],
  noun: string,
  fail: (path: string, problem: string) => never,
): void {
  const seen = new Map<string, number>();
  list.forEach(({ id }, i) => {
    const other = seen.get(id);
    if (other !== undefined)
      fail(`${noun}[${i}].id`, `expected an id of its own, but ${noun}[${other}] has it too`);
    seen.set(id, i);
  });
}

function memberships<T extends { readonly uid: number }>(
  list: readonly T[],
  members: (object: T) => readonly number[],
): Map<number, Set<number>> {
  const of = new Map<number, Set<number>>();
  for (const object of list) {
    for (const uid of members(object)) {
      const known = of.get(uid);
      if (known === undefined) of.set(uid, new Set([object.uid]));
      else known.add(object.uid);
    }
  }
  return of;
}
