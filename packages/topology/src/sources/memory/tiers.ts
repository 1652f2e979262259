import { numbered, readList } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";

const DIRECTORY = "sys/devices/virtual/memory_tiering";
const TIERS_MAX = 1024;

/** The kernel's memory tiers: a smaller number is faster memory. */
export const memoryTiers: Source = {
  name: "memory-tiers",
  after: ["numa"],
  discover(discovery: Discovery): void {
    const { nodes, tiers } = discovery.facts;
    const tierOf = new Map<number, number>();
    for (const index of numbered(discovery, DIRECTORY, "memory_tier").slice(0, TIERS_MAX)) {
      const directory = `${DIRECTORY}/memory_tier${index}`;
      // The name of the file changed in 6.1.
      const members =
        readList(discovery, `${directory}/nodelist`) ?? readList(discovery, `${directory}/nodes`);
      if (members === undefined) continue;
      tiers.push({ index, nodes: members });
      for (const { index: node } of nodes)
        if (members.has(node) && !tierOf.has(node)) tierOf.set(node, index);
    }
    for (const [i, node] of nodes.entries()) {
      const tier = tierOf.get(node.index);
      if (tier !== undefined) nodes[i] = { ...node, tier };
    }
  },
};
