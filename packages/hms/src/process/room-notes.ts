import type { Decision, Limits } from "@hms/policy";
import { formatSize } from "@hms/topology";

/** Targets that one sentence names. */
const NAMED_MAX = 4;

/** What becomes of what does not fit, and the memory limit of what is placed; null: none, or it does not count. */
interface Placing {
  readonly placing: "starting" | "moving";
  readonly memory: Limits["memory"];
}

/** A sentence where the room that was asked for is not there: other modes than strict would go elsewhere in silence. */
export function roomNotes({ size, targets, overflow }: Decision, { placing, memory }: Placing): string[] {
  if (size === null) return [];
  const wanted = `Room for ${formatSize(size)} was asked for`;
  const free = roomIn(targets);
  if (free < size) {
    const there =
      targets.length === 0
        ? "none of the targets can be used"
        : `${named(targets)} ${targets.length === 1 ? "has" : "have"} ${formatSize(free)} free`;
    const rest = placing === "moving" ? "what does not fit stays where it is" : restOf(size - free, overflow);
    return [`${wanted}, but ${there}; ${rest}.`];
  }
  if (memory !== null && memory.leftBytes < size) {
    const left = formatSize(Math.max(0, memory.leftBytes));
    return [`${wanted}, but the memory limit of ${memory.group} leaves ${left}.`];
  }
  return [];
}

function restOf(bytes: number, overflow: Decision["overflow"]): string {
  const free = roomIn(overflow);
  if (free >= bytes) return `what does not fit goes to ${named(overflow)}`;
  return free === 0
    ? "there is no other memory with room for the rest"
    : `there is not enough for the rest in other memory either (${named(overflow)}: ${formatSize(free)})`;
}

/** Bytes; Infinity where that of any is not known: nothing is said against it then. */
function roomIn(targets: Decision["targets"]): number {
  return targets.reduce((sum, { room }) => sum + (room ?? Number.POSITIVE_INFINITY), 0);
}

function named(targets: Decision["targets"]): string {
  const names = targets.slice(0, NAMED_MAX).map(({ target }) => target.id);
  const more = targets.length - names.length;
  return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
