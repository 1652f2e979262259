import type { MemoryShares } from "@hms/driver-accel";
import { type DeviceMemory, PAGE_BYTES, type PageCount, type Space } from "@hms/hmm";
import { Shares } from "@hms/policy";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, TypeValue } from "@hms/uabi";
import type { Kernel } from "../kernel.ts";
import type { SpaceEntry } from "../objects.ts";
import { HOST, type Place } from "./place.ts";

type ShareValue = TypeValue<CoreRegistry, "share">;

/** What a space asked for of a target. */
interface Asked {
  readonly least: PageCount;
  readonly most: PageCount;
}

/** How spaces share one target. Counts what each has whenever it is asked. */
class SharedTarget implements MemoryShares {
  readonly shares: Shares<SpaceEntry>;
  readonly #kernel: Kernel;
  readonly #usedOf: (entry: SpaceEntry) => PageCount;

  constructor(kernel: Kernel, pages: PageCount, usedOf: (entry: SpaceEntry) => PageCount) {
    this.#kernel = kernel;
    this.shares = new Shares<SpaceEntry>(pages);
    this.#usedOf = usedOf;
  }

  /** The shares, with the count of what each space has up to date. */
  get counted(): Shares<SpaceEntry> {
    for (const entry of this.#kernel.spaces) this.shares.count(entry, this.#usedOf(entry));
    return this.shares;
  }

  room(space: Space): PageCount {
    return this.counted.room(this.#entryOf(space));
  }

  most(space: Space): PageCount {
    return this.shares.most(this.#entryOf(space));
  }

  yields(space: Space): boolean {
    return this.counted.yields(this.#entryOf(space));
  }

  #entryOf(space: Space): SpaceEntry {
    const entry = this.#kernel.placements.entryOf(space);
    if (entry === null) throw new Error(`${space.name} has a share of nothing: nobody made it`);
    return entry;
  }
}

/** How spaces share targets: what each is sure of, and what it never has more than. Only named targets are shared. */
export class TargetShares {
  readonly #kernel: Kernel;
  readonly #targets = new Map<string, SharedTarget>();
  readonly #asked = new Map<SpaceEntry, Map<string, Asked>>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Gives a new space its shares. Throws NO_SUCH_TARGET (ENOENT), SHARE_TWICE, SHARE_INVALID (EINVAL), SHARES_FULL
   * (ENOSPC); then it has none.
   */
  give(entry: SpaceEntry, shares: readonly ShareValue[]): void {
    const asked = new Map<string, Asked>();
    for (const { target, bytes, least } of shares) {
      const name = this.#nameOf(target);
      if (asked.has(name))
        throw new HmsError(
          "SHARE_TWICE",
          "EINVAL",
          `Making a space failed: it is given two shares of ${name}.`,
        );
      asked.set(name, {
        least: Math.ceil((least ?? 0) / PAGE_BYTES),
        most: Math.min(Math.floor(bytes / PAGE_BYTES), this.#pagesOf(name)),
      });
    }
    if (asked.size === 0) return;
    try {
      this.#asked.set(entry, asked);
      for (const [name, share] of asked) this.#target(name).shares.set(entry, share);
    } catch (error) {
      this.drop(entry);
      throw error;
    }
  }

  /** A space is gone. */
  drop(entry: SpaceEntry): void {
    for (const { shares } of this.#targets.values()) shares.drop(entry);
    const asked = this.#asked.get(entry);
    this.#asked.delete(entry);
    const others = [...this.#asked.values()];
    for (const name of asked?.keys() ?? [])
      if (!others.some((other) => other.has(name))) this.#targets.delete(name);
  }

  /** Pages of a place that a space may still have; where nobody has a share, as many as there are. */
  left(entry: SpaceEntry, { name }: Pick<Place, "name">): PageCount {
    return this.#of(name)?.counted.room(entry) ?? Number.POSITIVE_INFINITY;
  }

  /** Pages of a place that a space may have in all, when others make room; where nobody has a share, as many as there are. */
  most(entry: SpaceEntry, { name }: Pick<Place, "name">): PageCount {
    return this.#of(name)?.shares.most(entry) ?? Number.POSITIVE_INFINITY;
  }

  /** How a device's memory is shared; null: nobody has a share of it. */
  ofMemory({ name }: DeviceMemory): MemoryShares | null {
    return this.#of(name) ?? null;
  }

  #of(name: string): SharedTarget | undefined {
    return this.#targets.size === 0 ? undefined : this.#targets.get(name);
  }

  /** The shares of a space, with what it has. */
  of(entry: SpaceEntry): ShareValue[] {
    return [...(this.#asked.get(entry) ?? [])].map(([target, { least, most }]) => ({
      target,
      bytes: most * PAGE_BYTES,
      least: least * PAGE_BYTES,
      used: this.#usedOf(entry, target) * PAGE_BYTES,
    }));
  }

  #usedOf({ linux: { space } }: SpaceEntry, name: string): PageCount {
    const node = /^node(\d+)$/.exec(name)?.[1];
    if (node !== undefined) return this.#kernel.placements.pagesOn(space, Number(node));
    const machine = this.#kernel.machine(name);
    if (machine !== undefined) return space.table.counts[machine.accel.deviceMemory.place] ?? 0;
    const { host, file } = space.accounts();
    return host + file;
  }

  #target(name: string): SharedTarget {
    let target = this.#targets.get(name);
    if (target === undefined) {
      target = new SharedTarget(this.#kernel, this.#pagesOf(name), (entry) => this.#usedOf(entry, name));
      this.#targets.set(name, target);
    }
    return target;
  }

  #pagesOf(name: string): PageCount {
    const machine = this.#kernel.machine(name);
    if (machine !== undefined) return machine.accel.deviceMemory.pages;
    const node = /^node(\d+)$/.exec(name)?.[1];
    if (node === undefined) return this.#kernel.open.budget;
    const memory = this.#kernel.placements.view.limits().nodes.get(Number(node));
    return Math.floor((memory?.totalBytes ?? 0) / PAGE_BYTES);
  }

  #nameOf(target: string): string {
    if (!/^node\d+$/.test(target)) return this.#kernel.memory(target)?.accel.deviceMemory.name ?? HOST;
    const { nodes } = this.#kernel.placements.view.limits();
    if (nodes.has(Number(target.slice(4)))) return target;
    const there = [...nodes.keys()].map((node) => `node${node}`);
    throw new HmsError(
      "NO_SUCH_TARGET",
      "ENOENT",
      `Making a space failed: there is no memory ${target}; there are ${there.join(", ")}.`,
    );
  }
}
