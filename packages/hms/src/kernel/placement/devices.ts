import type { DeviceChoice, DevicePlacer, MemoryShares } from "@hms/driver-accel";
import type { DeviceMemory, PageCount, PageIndex, Space } from "@hms/hmm";
import type { Kernel } from "../kernel.ts";
import type { SpaceEntry } from "../objects.ts";
import type { Place } from "./place.ts";
import type { Policy } from "./policy.ts";

/**
 * Has devices put pages that they touch where policies want them. Of the targets that are listed those count that the
 * device can reach: its own memory, and the host's, which it uses in place. The first with room has it; in the last of
 * them others make room. If it reaches none of them the page is used in the host's memory.
 */
export class Devices implements DevicePlacer {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  choose(
    space: Space,
    page: PageIndex,
    count: PageCount,
    memory: DeviceMemory,
    choice: DeviceChoice,
  ): boolean {
    const entry = this.#kernel.placements.entryOf(space);
    if (entry === null || entry.policies.empty) return false;
    const policy = entry.policies.at(page);
    choice.count = entry.policies.runLength(page, count);
    choice.strict = false;
    choice.way = "unsaid";
    if (policy === null) return choice.count < count;
    if (policy.turns) this.#inTurn(policy, page, memory, choice);
    else this.#inOrder(entry, policy, page, memory, choice);
    return true;
  }

  shares(memory: DeviceMemory): MemoryShares | null {
    return this.#kernel.placements.shares.ofMemory(memory);
  }

  #inTurn(policy: Policy, page: PageIndex, memory: DeviceMemory, choice: DeviceChoice): void {
    choice.count = Math.min(choice.count, policy.turnLength(page));
    const place = policy.targets[policy.turnOf(page)]?.place;
    choice.way = place !== undefined && isOf(place, memory) ? "move" : "stay";
  }

  #inOrder(
    entry: SpaceEntry,
    policy: Policy,
    page: PageIndex,
    memory: DeviceMemory,
    choice: DeviceChoice,
  ): void {
    const { targets } = policy;
    choice.way = "stay";
    for (let i = 0; i < targets.length; i++) {
      const place = targets[i]?.place;
      if (place === undefined) continue;
      if (place.kind === "node" || place.kind === "host") return;
      if (place.kind !== "device" || !isOf(place, memory)) continue;
      const { shares } = this.#kernel.placements;
      const others = reachesAnother(policy, i);
      // Where nothing else is listed, those that were not used for long make room.
      const room = others
        ? Math.min(shares.left(entry, place), place.machine.accel.memory.available)
        : shares.most(entry, place);
      if (room < 1) {
        this.#redirected(space(entry), page, choice.count, memory.name, shares.left(entry, place) < 1);
        if (!others) choice.strict = false;
        continue;
      }
      choice.way = others ? "room" : "move";
      choice.count = Math.min(choice.count, room);
      choice.strict = policy.strict && !others;
      return;
    }
  }

  /** Says, as `explain` shows it, that a page is used in the host's memory although it was wanted here. */
  #redirected(of: Space, first: PageIndex, count: PageCount, asked: string, share: boolean): void {
    const { core } = this.#kernel.open;
    core.records.overrides.add({
      when: core.host.now(),
      who: asked,
      what: "redirected",
      why: share ? "the space has used up its share of it" : "it has no room left",
      space: of.id,
      first,
      count,
      asked,
      became: "host",
    });
  }
}

function space({ linux }: SpaceEntry): Space {
  return linux.space;
}

function isOf(place: Place, memory: DeviceMemory): boolean {
  return place.kind === "device" && place.machine.accel.deviceMemory === memory;
}

/** Whether a device can use pages in a target after one of its own. */
function reachesAnother({ targets }: Policy, after: number): boolean {
  for (let i = after + 1; i < targets.length; i++) {
    const kind = targets[i]?.place.kind;
    if (kind === "node" || kind === "host") return true;
  }
  return false;
}
