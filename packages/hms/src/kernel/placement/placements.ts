import {
  HUGE_PAGES,
  type Nanoseconds,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
} from "@hms/hmm";
import { roomOf } from "@hms/host-linux/numa";
import type { Kernel } from "../kernel.ts";
import type { RegionEntry, SpaceEntry } from "../objects.ts";
import { Devices } from "./devices.ts";
import { MachineView } from "./machine.ts";
import { Nodes } from "./nodes.ts";
import type { Policies } from "./policies.ts";
import type { Policy } from "./policy.ts";
import { Rooms } from "./rooms.ts";

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
  readonly #kernel: Kernel;
  readonly #spaces = new Map<number, SpaceEntry>();
  readonly #counted = new Map<Space, Counted>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.view = new MachineView(() => kernel.machines);
    this.rooms = new Rooms(() => kernel.open.now());
    this.devices = new Devices(kernel);
    this.nodes = new Nodes((space) => this.policiesOf(space), this.rooms);
  }

  addSpace(entry: SpaceEntry): void {
    this.#spaces.set(entry.linux.space.id, entry);
  }

  removeSpace({ linux }: SpaceEntry): void {
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
    this.nodes.replace(entry.policies, first, count, policy);
    for (const { queue } of entry.queues) queue.view.forget(first, first + count);
  }

  /** A region was made: what its space has as a default counts for it. */
  adopt({ space, first, pages, kind }: RegionEntry): void {
    const { policies } = space;
    const policy = policies.default;
    if (policy === null) return;
    const inFile = policy.targets.every(({ place }) => place.kind === "file");
    if (!inFile || kind === "file") this.apply(space, first, pages, policy);
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
