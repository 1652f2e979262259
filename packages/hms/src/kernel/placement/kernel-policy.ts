import { readFileSync } from "node:fs";
import type { PageCount, PageIndex } from "@hms/hmm";
import { PAGE_BYTES } from "@hms/hmm";
import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  mbind,
  type NumaPolicy,
  policyAt,
  setHomeNode,
} from "@hms/host-linux/numa";
import type { ErrnoName } from "@hms/topology";
import type { Policy } from "./policy.ts";

// The kernel's own policies (mbind), and what it holds.

const ENOSYS = 38;
const EOPNOTSUPP = 95;
const WEIGHTS = "/sys/kernel/mm/mempolicy/weighted_interleave";
/** Looks at a range that are made for what the kernel holds. */
const HELD_LOOKS = 256;

/** The kernel's own policy that comes nearest to one of ours. */
export interface Told {
  readonly mode: number;
  readonly nodes: readonly number[];
  /** The node that is tried first; −1: none is. */
  home: number;
}

/** Gives a range of this process's addresses a policy: 0 or a negative errno. */
export function tellRange(first: PageIndex, count: PageCount, { mode, nodes, home }: Told): number {
  const address = first * PAGE_BYTES;
  const bytes = count * PAGE_BYTES;
  const errno = mbind(address, bytes, mode, nodes, 0);
  if (errno === 0 && home >= 0 && nodes.length > 1) {
    const homed = setHomeNode(address, bytes, home);
    // An old kernel prefers one node, and knows of no home.
    if (homed === -ENOSYS || homed === -EOPNOTSUPP) return mbind(address, bytes, MPOL_PREFERRED, [home], 0);
    return homed;
  }
  return errno;
}

/** What the kernel can be told; null: it has nothing like it, and the host chooses for each page. */
export function kernelPolicy(policy: Policy): Told | null {
  const { targets, nodes } = policy;
  if (nodes.length === 0 || policy.quiet) return null;
  const only = nodes.length === targets.length;
  const [home = -1] = nodes;
  switch (policy.mode) {
    case "interleave":
      return only ? { mode: MPOL_INTERLEAVE, nodes, home: -1 } : null;
    case "weighted":
      return only &&
        targets.every(({ place, weight }) => place.kind === "node" && weightOf(place.node) === weight)
        ? { mode: MPOL_WEIGHTED_INTERLEAVE, nodes, home: -1 }
        : null;
    case "strict":
      if (!targets.some(({ place }) => place.kind === "host")) return { mode: MPOL_BIND, nodes, home };
      return null;
    default:
      return nodes.length === 1
        ? { mode: MPOL_PREFERRED, nodes, home }
        : { mode: MPOL_PREFERRED_MANY, nodes, home };
  }
}

/** The kernel's own weight of a node; they are the machine's, and not a program's to change. */
function weightOf(node: number): number | null {
  try {
    return Number(readFileSync(`${WEIGHTS}/node${node}`, "utf8"));
  } catch {
    return null;
  }
}

const WORDS = new Map([
  [MPOL_DEFAULT, "default"],
  [MPOL_PREFERRED, "prefer"],
  [MPOL_BIND, "bind"],
  [MPOL_INTERLEAVE, "interleave"],
  [MPOL_LOCAL, "local"],
  [MPOL_PREFERRED_MANY, "prefer (many)"],
  [MPOL_WEIGHTED_INTERLEAVE, "weighted interleave"],
]);

/** As numa_maps shows it. */
function shown({ mode, nodes }: Pick<NumaPolicy, "mode"> & { readonly nodes: Iterable<number> }): string {
  const word = WORDS.get(mode) ?? `mode ${mode}`;
  const list = [...nodes].sort((a, b) => a - b).join(",");
  return list === "" ? word : `${word}:${list}`;
}

/** What the kernel answered, as reports say it. */
export function refusalOf(
  errno: number,
  told: Told,
): { readonly errno: ErrnoName | null; readonly why: string } {
  const name = ERRNOS.get(errno) ?? null;
  return { errno: name, why: `mbind to ${shown(told)} failed with ${name ?? `errno ${errno}`}` };
}

const ERRNOS = new Map<number, ErrnoName>([
  [1, "EPERM"],
  [12, "ENOMEM"],
  [14, "EFAULT"],
  [22, "EINVAL"],
  [ENOSYS, "ENOSYS"],
]);

/** A range has no policy of its own any more. */
export function untellRange(first: PageIndex, count: PageCount): void {
  mbind(first * PAGE_BYTES, count * PAGE_BYTES, MPOL_DEFAULT, [], 0);
}

/** What the kernel holds of a range, and what of that is not as it was told. */
export interface Held {
  /** As `/proc/self/numa_maps` shows it; null: none. */
  readonly kernel: string | null;
  readonly differs: string | null;
}

/** Looks at what the kernel holds; `told` null: nothing. */
export function heldOf(told: Told | null, first: PageIndex, count: PageCount): Held {
  const wanted = told === null ? "default" : shown(told);
  let kernel: string | null = null;
  const step = Math.max(1, Math.floor(count / HELD_LOOKS));
  for (let page = first; page < first + count; page += step) {
    const holds = policyAt(page * PAGE_BYTES);
    // Nothing is mapped there, or there is no NUMA in this kernel.
    if (typeof holds === "number") continue;
    const text = shown(holds);
    if (page === first && text !== "default") kernel = text;
    if (text === wanted) continue;
    const gave = told === null ? "gave none" : `gave ${wanted}`;
    return {
      kernel,
      differs: `page ${page - first} of the range had ${text} in the kernel, where hms ${gave}: someone else changed it (mbind); it was set back`,
    };
  }
  return { kernel, differs: null };
}

/** Whether the kernel holds for a page what it was told. */
export function isHeld(told: Told, page: PageIndex): boolean {
  const holds = policyAt(page * PAGE_BYTES);
  return typeof holds === "number" || shown(holds) === shown(told);
}
