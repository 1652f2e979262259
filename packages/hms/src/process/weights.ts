// Weights of nodes for weighted interleaving: one set for the whole system.
import { readFileSync, writeFileSync } from "node:fs";
import { HmsError } from "@hms/topology";

const FOLDER = "/sys/kernel/mm/mempolicy/weighted_interleave";

/** The system's weights of these nodes; null when the kernel has none (before 6.9). */
export function readWeights(nodes: Iterable<number>): ReadonlyMap<number, number> | null {
  const weights = new Map<number, number>();
  for (const node of nodes) {
    try {
      weights.set(node, Number(readFileSync(`${FOLDER}/node${node}`, "utf8")));
    } catch {
      return null;
    }
  }
  return weights;
}

/**
 * Sets them, for all processes that interleave by weights, those that run included.
 *
 * @throws HmsError WEIGHTS_DENIED (EACCES)
 */
export function writeWeights(weights: ReadonlyMap<number, number>): void {
  for (const [node, weight] of weights) {
    try {
      writeFileSync(`${FOLDER}/node${node}`, String(weight));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new HmsError(
        "WEIGHTS_DENIED",
        "EACCES",
        `Set the weight of node${node} in ${FOLDER}: it failed with ${code}; only root may, and not in a container whose /sys is read-only.`,
        { cause: error },
      );
    }
  }
}
