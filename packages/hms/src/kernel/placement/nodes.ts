import type { PageCount, PageIndex, Space } from "@hms/hmm";
import type { NodeChoice, NodePlacer } from "@hms/host-linux";
import {
  type Held,
  heldOf,
  isHeld,
  kernelPolicy,
  refusalOf,
  type Told,
  tellRange,
  untellRange,
} from "./kernel-policy.ts";
import type { Placed, Policies } from "./policies.ts";
import type { Policy } from "./policy.ts";
import type { Rooms } from "./rooms.ts";

/** Ranges that the kernel is told of: each is a mapping of its own for it, of which a process may have 65,530. */
const TOLD_MAX = 8192;
/** So many choices go by between two looks at what the kernel holds: a look costs a tenth of a fault. */
const LOOK_EVERY = 64;

/** Has fresh pages made on the nodes that policies name, and tells the kernel of them where it can do so by itself. */
export class Nodes implements NodePlacer {
  readonly #policiesOf: (space: Space) => Policies | null;
  readonly #rooms: Rooms;
  #ranges = 0;
  #looks = 0;
  /** Told that someone else had given the kernel another policy for a page. */
  onChanged: (space: Space, page: PageIndex, policy: Policy) => void = () => {};

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
    const { told } = policy;
    if (told !== null && here && ++this.#looks % LOOK_EVERY === 0) this.#look(space, policies, policy, page);
    if (policy.turns) this.#inTurn(policy, page, here, choice);
    else this.#inOrder(policies, policy, here, choice);
    return true;
  }

  said(space: Space, page: PageIndex, count: PageCount): boolean {
    const policies = this.#policiesOf(space);
    if (policies === null || policies.empty) return false;
    return policies.at(page) !== null || policies.runLength(page, count) < count;
  }

  #inTurn(policy: Policy, page: PageIndex, here: boolean, choice: NodeChoice): void {
    choice.told = here && policy.told !== null;
    if (choice.told) return;
    const place = policy.targets[policy.turnOf(page)]?.place;
    choice.count = Math.min(choice.count, policy.turnLength(page));
    if (place?.kind !== "node") return;
    choice.node = place.node;
    this.#rooms.took(place.node, choice.count);
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
    const { targets, told, strict } = policy;
    choice.strict = strict;
    choice.told = here && told !== null;
    for (let i = 0; i < targets.length; i++) {
      const place = targets[i]?.place;
      if (place === undefined || place.kind === "host") {
        choice.told = false;
        return;
      }
      if (place.kind !== "node") continue;
      // Of one that is preferred the kernel knows what to do without it.
      const sure = !strict && policy.nodes.length === 1;
      const room = sure ? choice.count : this.#rooms.of(place.node);
      if (room < 1) continue;
      choice.node = place.node;
      choice.count = Math.min(choice.count, room);
      if (!sure) this.#took(policy, choice);
      if (told !== null && told.home >= 0 && told.home !== place.node)
        this.#rehome(policies, policy, told, place.node);
      return;
    }
    choice.full = strict;
  }

  unmapped(space: Space, page: PageIndex, count: PageCount): void {
    const policies = this.#policiesOf(space);
    if (policies === null || policies.empty) return;
    const before = [...policies.within(page, count)];
    this.#ranges = Math.max(0, this.#ranges - before.filter(({ policy }) => policy.told !== null).length);
    policies.drop(page, count);
    this.#release(policies, before);
  }

  remapped(space: Space, from: PageIndex, to: PageIndex, count: PageCount): void {
    const policies = this.#policiesOf(space);
    if (policies === null || policies.empty) return;
    // The kernel's policies moved along; but what takes turns by address went on to do so by the old one.
    policies.move(from, to, count);
    for (const { first, count: pages, policy } of [...policies.within(to, count)])
      if (policy.turns && policy.told !== null) this.replace(policies, first, pages, policy.again());
  }

  whyFull(space: Space, page: PageIndex): string | null {
    const policy = this.#policiesOf(space)?.at(page);
    if (policy === undefined || policy === null || !policy.strict || policy.nodes.length === 0) return null;
    const names = policy.targets.map(({ place }) => place.name).join(", ");
    return `it is bound to ${names} alone (strict), which ${policy.targets.length === 1 ? "has" : "have"} no room left; bind less there, or with mode preferred`;
  }

  // What the kernel is told.

  /** A range is under another policy from now on, or under none. */
  replace(policies: Policies, first: PageIndex, count: PageCount, policy: Policy | null): void {
    const before = [...policies.within(first, count)];
    const wasTold = before.some((one) => one.policy.told !== null);
    if (wasTold) this.#ranges = Math.max(0, this.#ranges - before.length);
    const told = policy === null ? false : this.#tell(policy, first, count);
    if (wasTold && !told) untellRange(first, count);
    if (policy === null) policies.drop(first, count);
    else policies.set(first, count, told || policy.told === null ? policy : policy.again());
    this.#release(policies, before);
  }

  /** Gives a range of the program's addresses the kernel's policy that comes nearest. Whether it has it. */
  #tell(policy: Policy, first: PageIndex, count: PageCount): boolean {
    const told = policy.told ?? kernelPolicy(policy);
    if (told === null || this.#ranges >= TOLD_MAX) return false;
    const errno = tellRange(first, count, told);
    if (errno < 0) {
      policy.refusal = refusalOf(-errno, told);
      return false;
    }
    policy.told = told;
    this.#ranges++;
    return true;
  }

  /** What was promised to policies that no range has any more is others' again. */
  #release(policies: Policies, before: readonly Placed[]): void {
    for (const { policy } of before)
      if (policy.promised > 0 && policies.under(policy).length === 0) this.promise(policy, 0);
  }

  #rehome(policies: Policies, policy: Policy, told: Told, node: number): void {
    told.home = node;
    for (const { first, count } of policies.under(policy)) tellRange(first, count, told);
  }

  /** What the kernel holds of a range. What others gave it is set back. */
  held({ told }: Policy, first: PageIndex, count: PageCount): Held {
    const held = heldOf(told, first, count);
    if (held.differs !== null && told !== null) tellRange(first, count, told);
    else if (held.differs !== null) untellRange(first, count);
    return held;
  }

  /** From time to time: someone else may have given the kernel another policy. Ours wins. */
  #look(space: Space, policies: Policies, policy: Policy, page: PageIndex): void {
    const { told } = policy;
    if (told === null || isHeld(told, page)) return;
    this.onChanged(space, page, policy);
    for (const { first, count } of policies.under(policy)) tellRange(first, count, told);
  }
}
