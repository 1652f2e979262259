import { HmsError, type Machine, matrix, type Target } from "@hms/topology";

/** The largest weight that is derived: small ones keep the turns short, and bandwidths are not known better. */
export const DERIVED_WEIGHT_MAX = 32;
/** How far a weight's share may be from the bandwidth's before larger weights are tried. */
const ERROR_MAX = 0.05;

/**
 * Small whole numbers in the proportion of bandwidths: the smallest whose worst error is at most 5 %, else the best up
 * to `DERIVED_WEIGHT_MAX`. What is slower than a 32nd of the fastest gets 1 against 32.
 *
 * @param bandwidths bytes/s, each greater than 0
 */
export function weightsFor(bandwidths: readonly number[]): number[] {
  const most = Math.max(...bandwidths);
  let best = 1;
  let bestError = Number.POSITIVE_INFINITY;
  for (let scale = 1; scale <= DERIVED_WEIGHT_MAX; scale++) {
    let error = 0;
    for (const bandwidth of bandwidths) {
      const exact = (bandwidth / most) * scale;
      const weight = Math.max(1, Math.round(exact));
      error = Math.max(error, Math.abs(weight - exact) / exact);
    }
    if (error < bestError - 1e-12) {
      best = scale;
      bestError = error;
    }
    if (bestError <= ERROR_MAX) break;
  }
  return bandwidths.map((bandwidth) => Math.max(1, Math.round((bandwidth / most) * best)));
}

const ownBandwidths = new WeakMap<Machine, Map<number, number | null>>();

/** The most that any initiator gets from a target, bytes/s; null when unknown for all. */
export function ownBandwidth(machine: Machine, target: Target): number | null {
  let known = ownBandwidths.get(machine);
  if (known === undefined) {
    known = new Map();
    ownBandwidths.set(machine, known);
  }
  let value = known.get(target.uid);
  if (value === undefined) {
    const table = matrix(machine, "bandwidth");
    const place = machine.targets.indexOf(target);
    value = null;
    for (let i = 0; i < table.initiators.length; i++) {
      const bandwidth = table.at(i, place)?.bandwidth.value ?? null;
      if (bandwidth !== null && (value === null || bandwidth > value)) value = bandwidth;
    }
    known.set(target.uid, value);
  }
  return value;
}

/** What to say when weights must be derived, and the bandwidth of one is not known. */
export function unknownBandwidth(target: Target): HmsError {
  return new HmsError(
    "BANDWIDTH_UNKNOWN",
    "EINVAL",
    `Weigh targets by their bandwidths: that of ${target.id} is not known; give weights, or measure it with \`hms measure --save\``,
  );
}
