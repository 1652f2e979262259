import { readFileSync } from "node:fs";
import { PAGE_BYTES, type PageCount, type PageIndex, type Space } from "@hms/hmm";
import type { NodeChoice, NodePlacer } from "@hms/host-linux";
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
import type { Placed, Policies } from "./policies.ts";
import type { Policy } from "./policy.ts";
import type { Rooms } from "./rooms.ts";

/** Ranges that the kernel is told of: each is a mapping of its own for it, of which a process may have 65,530. */
const TOLD_MAX = 8192;
const ENOSYS = 38;
const EOPNOTSUPP = 95;
const WEIGHTS = "/sys/kernel/mm/mempolicy/weighted_interleave";

/** The kernel's own policy that comes nearest to one of ours. */
interface Told {
  readonly mode: number;
  readonly nodes: readonly number[];
  /** The node that is tried first; −1: none is. */
  home: number;
}

/** Has fresh pages made on the nodes that policies name, and tells the kernel of them where it can do so by itself. */
export class Nodes implements NodePlacer {
  readonly #policiesOf: (space: Space) => Policies | null;
  readonly #rooms: Rooms;
  readonly #told = new Map<Policy, Told>();
  #ranges = 0;

  constructor(policiesOf: (space: Space) => Policies | null, rooms: Rooms) {
    this.#policiesOf = policiesOf;
    this.#rooms = rooms;
  }

  // What the host asks.

  choose(space: Space, page: PageIndex, count: PageCount, here: boolean, choice: NodeChoice): boolean {
    const policies = this.#policiesOf(space);
    if (policies === null || policies.empty) return false;
    const policy = policies.at(page);
    choice.count = policies.runLength(page, count);
    choice.node = -1;
    choice.strict = false;
    choice.told = false;
    choice.full = false;
    if (policy === null || policy.nodes.length === 0) return choice.count < count;
    if (policy.turns) this.#inTurn(policy, page, here, choice);
    else this.#inOrder(policies, policy, here, choice);
    if (choice.node >= 0) this.#took(policy, choice);
    return true;
  }

  #inTurn(policy: Policy, page: PageIndex, here: boolean, choice: NodeChoice): void {
    choice.told = here && this.#told.has(policy);
    if (choice.told) return;
    const place = policy.targets[policy.turnOf(page)]?.place;
    choice.count = Math.min(choice.count, policy.turnLength(page));
    if (place?.kind === "node") choice.node = place.node;
  }

  #took(policy: Policy, { node, count }: NodeChoice): void {
    this.#rooms.took(node, count);
    if (policy.promised === 0) return;
    const kept = Math.min(policy.promised, count);
    policy.promised -= kept;
    this.#rooms.promise(policy.nodes[0] ?? node, -kept);
  }

  /** So many pages under a strict policy are still to be made, and are to have room then. */
  promise(policy: Policy, pages: PageCount): void {
    const [node] = policy.nodes;
    if (node === undefined) return;
    this.#rooms.promise(node, pages - policy.promised);
    policy.promised = pages;
  }

  /** The first with room; a device's memory is none that the host could make pages in. */
  #inOrder(policies: Policies, policy: Policy, here: boolean, choice: NodeChoice): void {
    choice.strict = policy.strict;
    const told = this.#told.get(policy);
    for (const { place } of policy.targets) {
      if (place.kind === "host") return;
      if (place.kind !== "node") continue;
      const room = this.#roomOn(policy, place.node);
      if (room < 1) continue;
      choice.node = place.node;
      choice.count = Math.min(choice.count, room);
      choice.told = here && told !== undefined;
      if (told !== undefined && told.home >= 0 && told.home !== place.node)
        this.#rehome(policies, policy, told, place.node);
      return;
    }
    choice.full = policy.strict;
    choice.told = here && told !== undefined;
  }

  /** The last of several that are preferred need not be looked at: the kernel knows what to do without. */
  #roomOn(policy: Policy, node: number): PageCount {
    if (!policy.strict && policy.nodes.length === 1) return Number.MAX_SAFE_INTEGER;
    return this.#rooms.of(node);
  }

  unmapped(space: Space, page: PageIndex, count: PageCount): void {
    const policies = this.#policiesOf(space);
    if (policies === null || policies.empty) return;
    this.#count(policies, page, count, -1);
    const before = [...policies.within(page, count)];
    policies.drop(page, count);
    this.#release(policies, before);
  }

  remapped(space: Space, from: PageIndex, to: PageIndex, count: PageCount): void {
    const policies = this.#policiesOf(space);
    if (policies === null || policies.empty) return;
    // The kernel's policies moved along; but what takes turns by address went on to do so by the old one.
    policies.move(from, to, count);
    for (const { first, count: pages, policy } of [...policies.within(to, count)])
      if (policy.turns && this.#told.has(policy)) this.replace(policies, first, pages, policy.again());
  }

  whyFull(space: Space, page: PageIndex): string | null {
    const policy = this.#policiesOf(space)?.at(page);
    if (policy === undefined || policy === null || !policy.strict || policy.nodes.length === 0) return null;
    const names = policy.targets.map(({ place }) => place.name).join(", ");
    return `it is bound to ${names} alone (strict), which ${policy.targets.length === 1 ? "has" : "have"} no room left; bind less there, or with mode preferred`;
  }

  // What the kernel is told.

  /** Gives a range of the program's addresses the kernel's policy that comes nearest; null: none. */
  tell(policy: Policy | null, first: PageIndex, count: PageCount): void {
    const address = first * PAGE_BYTES;
    const bytes = count * PAGE_BYTES;
    const told = policy === null ? null : (this.#told.get(policy) ?? kernelPolicy(policy));
    if (policy === null || told === null || this.#ranges >= TOLD_MAX) {
      // Only who was told something has something to forget.
      if (this.#ranges > 0) mbind(address, bytes, MPOL_DEFAULT, [], 0);
      return;
    }
    const errno = bindRange(address, bytes, told);
    if (errno < 0) {
      policy.refusal = refusalOf(-errno, told);
      return;
    }
    this.#told.set(policy, told);
    this.#ranges++;
  }

  #count(policies: Policies, first: PageIndex, count: PageCount, by: number): void {
    for (const { policy } of policies.within(first, count)) if (this.#told.has(policy)) this.#ranges += by;
  }

  /** A range is under another policy from now on. */
  replace(policies: Policies, first: PageIndex, count: PageCount, policy: Policy | null): void {
    const before = [...policies.within(first, count)];
    const wasTold = before.some((one) => this.#told.has(one.policy));
    this.#count(policies, first, count, -1);
    if (policy === null) policies.drop(first, count);
    else policies.set(first, count, policy);
    this.#release(policies, before);
    if (wasTold && (policy === null || policy.nodes.length === 0))
      mbind(first * PAGE_BYTES, count * PAGE_BYTES, MPOL_DEFAULT, [], 0);
    else if (policy !== null && policy.nodes.length > 0) this.tell(policy, first, count);
  }

  /** What was promised to policies that no range has any more is others' again. */
  #release(policies: Policies, before: readonly Placed[]): void {
    for (const { policy } of before)
      if (policy.promised > 0 && policies.under(policy).length === 0) this.promise(policy, 0);
  }

  #rehome(policies: Policies, policy: Policy, told: Told, node: number): void {
    told.home = node;
    for (const { first, count } of policies.under(policy))
      bindRange(first * PAGE_BYTES, count * PAGE_BYTES, told);
  }

  // What the kernel holds.

  /** The kernel's policy of a range's first page, and what of it is not as it was told; both null without one. */
  held(
    policy: Policy,
    first: PageIndex,
    count: PageCount,
  ): { kernel: string | null; differs: string | null } {
    const told = this.#told.get(policy) ?? null;
    const wanted = told === null ? "default" : shown(told);
    let kernel: string | null = null;
    let differs: string | null = null;
    const step = Math.max(1, Math.floor(count / HELD_LOOKS));
    for (let page = first; page < first + count; page += step) {
      const holds = policyAt(page * PAGE_BYTES);
      const text = typeof holds === "number" ? null : shown(holds);
      if (page === first) kernel = text === "default" ? null : text;
      if (text === null || text === wanted) continue;
      differs = `page ${page - first} of the range had ${text} in the kernel, where hms ${told === null ? "gave none" : `gave ${wanted}`}: someone else changed it (mbind); it was set back`;
      break;
    }
    if (differs !== null) this.#setBack(told, first, count);
    return { kernel, differs };
  }

  #setBack(told: Told | null, first: PageIndex, count: PageCount): void {
    if (told === null) mbind(first * PAGE_BYTES, count * PAGE_BYTES, MPOL_DEFAULT, [], 0);
    else bindRange(first * PAGE_BYTES, count * PAGE_BYTES, told);
  }

  /** Nobody is under it any more. */
  forget(policy: Policy): void {
    this.#told.delete(policy);
  }
}

/** Looks at a range that are made for what the kernel holds. */
const HELD_LOOKS = 256;

function bindRange(address: number, bytes: number, { mode, nodes, home }: Told): number {
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
function kernelPolicy(policy: Policy): Told | null {
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

function refusalOf(errno: number, told: Told): { readonly errno: ErrnoName | null; readonly why: string } {
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
