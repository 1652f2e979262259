import { HmsError, type Machine, nearest, type Target } from "@hms/topology";
import type { Limits } from "./limits.ts";

/** The name for all of the host's own memory. */
const HOST = "host";

const indexes = new WeakMap<Machine, ReadonlyMap<string, readonly Target[]>>();

/** Targets by every name that they answer to. Ids go before nodes, nodes before devices. */
function indexOf(machine: Machine): ReadonlyMap<string, readonly Target[]> {
  let index = indexes.get(machine);
  if (index !== undefined) return index;
  const made = new Map<string, Target[]>();
  const layer = (entries: readonly (readonly [name: string | null, target: Target])[]): void => {
    const own = new Map<string, Target[]>();
    for (const [name, target] of entries) {
      if (name === null || made.has(name)) continue;
      const known = own.get(name);
      if (known === undefined) own.set(name, [target]);
      else if (!known.includes(target)) known.push(target);
    }
    for (const [name, list] of own) made.set(name, list);
  };
  const { targets } = machine;
  layer(targets.map((one) => [one.id, one]));
  layer(targets.map((one) => [`uid:${one.uid}`, one]));
  layer(targets.map((one) => [one.numaNode === null ? null : `node${one.numaNode}`, one]));
  const devices = new Map(machine.initiators.map((one) => [one.id, one]));
  layer(
    targets.flatMap((target) => {
      const device = target.device === null ? undefined : devices.get(target.device);
      const names = [target.device, ...(device === undefined ? [] : [device.pciAddress, ...device.aliases])];
      return names.flatMap((name) => [
        [name, target] as const,
        [name?.startsWith("0000:") === true ? name.slice(5) : null, target] as const,
      ]);
    }),
  );
  layer(targets.filter((one) => one.numaNode !== null).map((one) => [HOST, one]));
  // Last, so that what is written exactly goes first.
  layer(targets.map((one) => [one.id.toLowerCase(), one]));
  layer([...made].flatMap(([name, list]) => list.map((one) => [name.toLowerCase(), one] as const)));
  indexes.set(machine, made);
  index = made;
  return index;
}

/**
 * The targets of a name: one for an id, `nodeN` or `uid:N`; those of a device for its name; all system memory for `host`.
 *
 * @throws HmsError TARGET_UNKNOWN (ENOENT), naming the nearest names
 */
export function targetsOf(machine: Machine, name: string, limits: Limits): readonly Target[] {
  const index = indexOf(machine);
  const found = index.get(name) ?? index.get(name.toLowerCase());
  if (found !== undefined) return found;
  const node = /^node(\d{1,5})$/i.exec(name)?.[1];
  if (node !== undefined && limits.memoryNodes?.has(Number(node)) === true) {
    throw unknown(
      name,
      `node ${Number(node)} has memory now, but had none when the topology of ${machine.name} was read; read it again`,
    );
  }
  const names = [...new Set([...machine.targets.map(({ id }) => id), ...index.keys()])].filter(
    (one) => !one.startsWith("uid:"),
  );
  const near = nearest(name, names);
  const list = machine.targets.slice(0, 8).map(({ id }) => id);
  const offer =
    near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : list.length === 0
        ? "it has none at all: see what `hms topo` shows of it"
        : `there are ${list.join(", ")}${machine.targets.length > list.length ? ", …" : ""}`;
  throw unknown(name, `no target of ${machine.name} has this name; ${offer}`);
}

function unknown(name: string, what: string): HmsError {
  return new HmsError("TARGET_UNKNOWN", "ENOENT", `Look up target ${JSON.stringify(name)}: ${what}`);
}

/**
 * The targets that a list of names stands for, in its order.
 *
 * @param oneEach whether each name must stand for one target (it has a weight)
 * @throws HmsError TARGET_UNKNOWN (ENOENT), TARGET_TWICE (EINVAL), WEIGHTS_INVALID (EINVAL)
 */
export function resolveTargets(
  machine: Machine,
  names: readonly string[],
  limits: Limits,
  oneEach: boolean,
): Target[] {
  const list: Target[] = [];
  const seen = new Map<Target, string>();
  for (const name of names) {
    const found = targetsOf(machine, name, limits);
    if (oneEach && found.length > 1) {
      throw new HmsError(
        "WEIGHTS_INVALID",
        "EINVAL",
        `Read a placement request: a weight is for one target, but ${JSON.stringify(name)} stands for ${found.length} (${found
          .slice(0, 8)
          .map(({ id }) => id)
          .join(", ")}${found.length > 8 ? ", …" : ""}); list those`,
      );
    }
    for (const target of found) {
      const before = seen.get(target);
      if (before !== undefined) {
        throw new HmsError(
          "TARGET_TWICE",
          "EINVAL",
          `Read a placement request: a target may be listed once, but ${target.id} is meant by ${JSON.stringify(before)} and by ${JSON.stringify(name)}`,
        );
      }
      seen.set(target, name);
      list.push(target);
    }
  }
  return list;
}
