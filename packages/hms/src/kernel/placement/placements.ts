import {
  HUGE_PAGES,
  type Nanoseconds,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
} from "@hms/hmm";
import { roomOf } from "@hms/host-linux/numa";
import { ReportBuilder } from "@hms/policy";
import type { Kernel } from "../kernel.ts";
import type { RegionEntry, SpaceEntry } from "../objects.ts";
import { Devices } from "./devices.ts";
import { MachineView } from "./machine.ts";
import { Nodes } from "./nodes.ts";
import type { Policies } from "./policies.ts";
import type { Policy } from "./policy.ts";
import { Rooms } from "./rooms.ts";
import { TargetShares } from "./shares.ts";
import { expectRoom } from "./strict.ts";

/** How long a count of pages by node is believed. */
const COUNTED_FOR: Nanoseconds = 250e6;

interface Counted {
  at: Nanoseconds;
  readonly pages: Map<number, PageCount>;
}

/** What handlers share that place memory: the machine, what nodes have left, who is told what. */
export class Placements implements Disposable {
  readonly view: MachineView;
  readonly rooms: Rooms;
  readonly nodes: Nodes;
  readonly devices: Devices;
  readonly shares: TargetShares;
  readonly #kernel: Kernel;
  readonly #spaces = new Map<number, SpaceEntry>();
  readonly #counted = new Map<Space, Counted>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.view = new MachineView(
      () => kernel.machines,
      () => kernel.open.now(),
    );
    this.rooms = new Rooms(() => kernel.open.now());
    this.devices = new Devices(kernel);
    this.shares = new TargetShares(kernel);
    this.nodes = new Nodes((space) => this.policiesOf(space), this.rooms);
    this.nodes.onChanged = (space, page, policy) => this.#changed(space, page, policy);
  }

  addSpace(entry: SpaceEntry): void {
    this.#spaces.set(entry.linux.space.id, entry);
  }

  removeSpace(entry: SpaceEntry): void {
    const { linux } = entry;
    this.shares.drop(entry);
    this.#spaces.delete(linux.space.id);
    this.#counted.delete(linux.space);
  }

  entryOf(space: Space): SpaceEntry | null {
    return this.#spaces.get(space.id) ?? null;
  }

  policiesOf(space: Space): Policies | null {
    return this.#spaces.get(space.id)?.policies ?? null;
  }

  /** Puts a range under a policy, or under none: for the host, the kernel, and devices that show parts of it. */
  apply(entry: SpaceEntry, first: PageIndex, count: PageCount, policy: Policy | null): void {
    const host = this.#kernel.open;
    if (policy !== null) host.placer ??= this.nodes;
    const { space } = entry.linux;
    const end = first + count;
    // The kernel has pages of files take turns by other numbers than those of the space: there the host chooses.
    const inFiles = policy?.turns === true ? policy.again() : policy;
    for (let page = first; page < end; ) {
      const region = space.regions.at(page);
      const stop = Math.min(end, region?.end ?? end);
      this.nodes.replace(entry.policies, page, stop - page, region?.shared === true ? inFiles : policy);
      page = stop;
    }
    for (const { queue } of entry.queues) queue.view.forget(first, end);
  }

  /** A region was made: what its space has as a default counts for it. Throws PLACEMENT_REFUSED (ENOMEM). */
  adopt({ space, first, pages, kind }: RegionEntry): void {
    const { policies } = space;
    const policy = policies.default;
    if (policy === null) return;
    const inFile = policy.targets.every(({ place }) => place.kind === "file");
    if (inFile && kind !== "file") return;
    const none = new ReportBuilder(policy.mode, 0).done();
    const stays = space.linux.space.regions.at(first)?.shared === true;
    const needed = policy.strict ? expectRoom(this.#kernel, space, policy, pages, none, "", stays) : 0;
    this.apply(space, first, pages, policy);
    this.nodes.promise(policy, policy.promised + needed);
  }

  /** Someone else gave the kernel another policy for what is bound (mbind): that is said, and ours holds. */
  #changed(space: Space, page: PageIndex, { targets }: Policy): void {
    const { core } = this.#kernel.open;
    core.records.overrides.add({
      when: core.host.now(),
      who: "the program (mbind)",
      what: "redirected",
      why: "it gave the kernel another policy for these addresses; it was set back",
      space: space.id,
      first: page,
      count: 1,
      asked: targets[0]?.place.name ?? "host",
      became: "host",
    });
  }

  /** The control group with the least room, if one limits the memory of the process. */
  group(): { readonly name: string; readonly leftPages: PageCount } | null {
    const [limit] = this.view.limits().memory;
    return limit === undefined
      ? null
      : { name: limit.group, leftPages: Math.floor(roomOf(limit) / PAGE_BYTES) };
  }

  /** Pages that a space has on a node, counted now and then. */
  pagesOn(space: Space, node: number): PageCount {
    const now = this.#kernel.open.now();
    let counted = this.#counted.get(space);
    if (counted === undefined || now - counted.at > COUNTED_FOR) {
      counted = { at: now, pages: this.#count(space) };
      this.#counted.set(space, counted);
    }
    return counted.pages.get(node) ?? 0;
  }

  #count(space: Space): Map<number, PageCount> {
    const pages = new Map<number, PageCount>();
    const nodes = new Int32Array(HUGE_PAGES);
    const end = Number.MAX_SAFE_INTEGER;
    for (
      let chunk = space.table.next(0, end);
      chunk !== null;
      chunk = space.table.next(chunk.first + HUGE_PAGES, end)
    ) {
      this.#kernel.residence.look(space, chunk.first, HUGE_PAGES, nodes);
      for (const node of nodes) if (node >= 0) pages.set(node, (pages.get(node) ?? 0) + 1);
    }
    return pages;
  }

  [Symbol.dispose](): void {
    this.rooms[Symbol.dispose]();
  }
}
