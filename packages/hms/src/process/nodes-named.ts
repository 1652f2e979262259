import { HmsError, IndexSet, type Machine, nearest } from "@hms/topology";

/**
 * The NUMA nodes of targets' names.
 *
 * @throws HmsError TARGETS_EMPTY (EINVAL); TARGET_UNKNOWN (ENOENT) with the nearest names; TARGET_NO_NODE (EINVAL)
 */
export function nodesNamed(machine: Machine, names: readonly string[]): IndexSet {
  if (names.length === 0) {
    throw new HmsError(
      "TARGETS_EMPTY",
      "EINVAL",
      "Look up targets: at least one is required, but the list is empty.",
    );
  }
  const nodes: number[] = [];
  for (const name of names) {
    const wanted = name.trim().toLowerCase();
    const found = machine.targets.find(
      ({ id, numaNode }) =>
        id.toLowerCase() === wanted || (numaNode !== null && `node${numaNode}` === wanted),
    );
    if (found === undefined) throw unknown(machine, name);
    if (found.numaNode === null) {
      throw new HmsError(
        "TARGET_NO_NODE",
        "EINVAL",
        `Look up target ${JSON.stringify(name)}: it is no NUMA node, so the kernel moves no pages of programs from it; name a node.`,
      );
    }
    nodes.push(found.numaNode);
  }
  return IndexSet.of(nodes);
}

function unknown(machine: Machine, name: string): HmsError {
  const ids = machine.targets.map(({ id }) => id);
  const near = nearest(name, ids);
  const offer =
    near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : `there are ${ids.slice(0, 8).join(", ")}${ids.length > 8 ? ", …" : ""}`;
  return new HmsError(
    "TARGET_UNKNOWN",
    "ENOENT",
    `Look up target ${JSON.stringify(name)}: no target of ${machine.name} has this name; ${offer}`,
  );
}
