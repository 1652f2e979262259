import { type By, best, type Choice, type Initiator, type Machine, matrix } from "@hms/topology";
import type { Misplaced, Runs } from "./process-memory.ts";

/** Memories whose numbers differ by less than this are as good as each other: measurements differ so from run to run. */
export const LIKE_SHARE = 0.1;
/** Less than this is not worth a command line. */
export const MEND_BYTES_MIN: number = 2 ** 20;

/** What a process has on one node. */
export interface NodeBytes {
  readonly node: number;
  /** Its own pages. */
  readonly bytes: number;
  /** Pages that other processes map too. */
  readonly sharedBytes: number;
}

/** A process's memory, as far as it counts for where it should be. */
export interface Held {
  readonly pid: number;
  readonly runs: Runs;
  readonly nodes: readonly NodeBytes[];
  /** Whether the process may have memory on a node. */
  readonly allows: (node: number) => boolean;
  /** Bytes that a node has room for; null: as the machine says. */
  readonly room: (node: number) => number | null;
  /** Policies other than the default that its mappings have. */
  readonly policies: readonly string[];
}

/** Nodes that are as good as each other for some initiators. */
interface Level {
  readonly choices: Choice[];
}

/**
 * What of a process's memory would be better elsewhere: as if all that is its own were placed again, best memory first,
 * with the room that is free now and that it has there already. What then fits in better memory than it is in is
 * misplaced. Null when it is not known where the process runs.
 */
export function misplacedOf(machine: Machine, held: Held, by: By): Misplaced | null {
  const { runs, nodes } = held;
  if (runs.on.length === 0) return null;
  const levels = levelsOf(machine, runs.on, { by, allows: held.allows });
  const bytesOf = new Map(nodes.map((one) => [one.node, one]));
  const own = (level: Level): number =>
    level.choices.reduce((sum, { target }) => sum + (bytesOf.get(target.numaNode ?? -1)?.bytes ?? 0), 0);
  // Memory that is not ranked (its cpuset no longer has the node, or nothing says how to reach it) comes after all.
  const ranked = new Set(levels.flatMap(({ choices }) => choices.map(({ target }) => target.numaNode)));
  const unranked = nodes.filter(({ node }) => !ranked.has(node));
  const total = nodes.reduce((sum, { bytes }) => sum + bytes, 0);
  let left = total;
  const from: { target: string; node: number; bytes: number }[] = [];
  const to: string[] = [];
  const take = (candidates: readonly (readonly [target: string, node: number])[], excess: number): void => {
    let rest = excess;
    for (const [target, node] of candidates) {
      const bytes = Math.min(rest, bytesOf.get(node)?.bytes ?? 0);
      if (bytes > 0) from.push({ target, node, bytes });
      rest -= bytes;
    }
  };
  for (const level of levels) {
    const have = own(level);
    const free = level.choices.reduce((sum, choice) => sum + roomOf(choice, held), 0);
    const fits = Math.min(left, have + free);
    left -= fits;
    if (fits > have)
      to.push(...level.choices.filter((one) => roomOf(one, held) > 0).map((one) => one.target.id));
    else
      take(
        level.choices.map(({ target }) => [target.id, target.numaNode ?? -1] as const),
        have - fits,
      );
  }
  take(
    unranked.map(({ node }) => [targetOfNode(machine, node), node] as const),
    unranked.reduce((sum, { bytes }) => sum + bytes, 0) - left,
  );
  const bytes = from.reduce((sum, one) => sum + one.bytes, 0);
  const sharedBytes = from.reduce((sum, { node }) => sum + (bytesOf.get(node)?.sharedBytes ?? 0), 0);
  const heldBy = held.policies.filter((policy) => from.some(({ node }) => policyNames(policy, node)));
  return {
    bytes,
    from: from.map((one) => ({ target: one.target, bytes: one.bytes })).sort((a, b) => b.bytes - a.bytes),
    to: bytes > 0 ? to : [],
    by,
    sharedBytes,
    heldBy,
    mend: bytes >= MEND_BYTES_MIN ? mendLine(held.pid, runs.on, by) : null,
  };
}

/** The id of a node's target. */
export function targetOfNode(machine: Machine, node: number): string {
  return machine.targets.find(({ numaNode }) => numaNode === node)?.id ?? `node${node}`;
}

function mendLine(pid: number, on: readonly Initiator[], by: By): string {
  const prefer = by === "bandwidth" ? "" : ` --prefer ${by}`;
  return `hms move ${pid} --for ${on.map(({ id }) => id).join(",")}${prefer}`;
}

/** Bytes that there is room for; of a machine that only exists on paper, all that it has. */
function roomOf({ free, target }: Choice, { room }: Held): number {
  return (target.numaNode === null ? null : room(target.numaNode)) ?? free ?? target.size ?? 0;
}

interface Ranks {
  readonly by: By;
  readonly allows: (node: number) => boolean;
}

/** The nodes that a process may use, best first, those that are as good as each other together. */
function levelsOf(machine: Machine, initiators: readonly Initiator[], { by, allows }: Ranks): Level[] {
  const distance = worstDistance(machine, initiators, by);
  const levels: Level[] = [];
  for (const choice of best(machine, initiators, { by }).targets) {
    const { numaNode } = choice.target;
    if (numaNode === null || !allows(numaNode)) continue;
    const level = levels.at(-1);
    const first = level?.choices[0];
    if (level !== undefined && first !== undefined && alike(first, choice, by, distance))
      level.choices.push(choice);
    else levels.push({ choices: [choice] });
  }
  return levels;
}

type Distance = (choice: Choice) => number | null;

/** The distance of a target for the initiator that is farthest from it; null when one is not known. */
function worstDistance(machine: Machine, initiators: readonly Initiator[], by: By): Distance {
  const table = matrix(machine, by === "latency" ? "latency" : "bandwidth");
  const rows = initiators.map((one) => table.initiators.indexOf(one));
  return ({ target }) => {
    const place = table.targets.indexOf(target);
    const distances = rows.map((row) => table.at(row, place)?.distance ?? null);
    return distances.includes(null) ? null : Math.max(...distances.map((one) => one ?? 0));
  };
}

function alike(a: Choice, b: Choice, by: By, distance: Distance): boolean {
  if (by === "capacity") return true;
  const [x, y] = [a[by], b[by]];
  if (x !== null && y !== null) return Math.abs(x - y) <= LIKE_SHARE * Math.max(x, y);
  if (x !== null || y !== null) return false;
  return distance(a) === distance(b) && sort(a) === sort(b);
}

/** DRAM and HBM are alike where no number says otherwise. */
function sort({ target }: Choice): string {
  return target.kind.kind === "hbm" ? "dram" : target.kind.kind;
}

/** Whether a policy, as the kernel prints it, names a node. */
function policyNames(policy: string, node: number): boolean {
  const list = /:([\d,-]+)$/.exec(policy)?.[1];
  return (list ?? "").split(",").some((part) => {
    const [first, last = first] = part.split("-");
    return first !== undefined && first !== "" && node >= Number(first) && node <= Number(last);
  });
}
