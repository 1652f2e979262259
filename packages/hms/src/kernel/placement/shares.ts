import { PAGE_BYTES, type PageCount } from "@hms/hmm";
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

/** How spaces share targets: what each is sure of, and what it never has more than. Only named targets are shared. */
export class TargetShares {
  readonly #kernel: Kernel;
  readonly #targets = new Map<string, Shares<SpaceEntry>>();
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
      for (const [name, share] of asked) this.#target(name).set(entry, share);
      this.#asked.set(entry, asked);
    } catch (error) {
      this.drop(entry);
      throw error;
    }
  }

  /** A space is gone. */
  drop(entry: SpaceEntry): void {
    for (const shares of this.#targets.values()) shares.drop(entry);
    this.#asked.delete(entry);
  }

  /** Pages of a place that a space may still have; where nobody has a share, as many as there are. */
  left(entry: SpaceEntry, { name }: Place): PageCount {
    if (this.#targets.size === 0) return Number.POSITIVE_INFINITY;
    const shares = this.#targets.get(name);
    if (shares === undefined) return Number.POSITIVE_INFINITY;
    this.#count(name, shares);
    return shares.room(entry);
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

  /** Brings the count of what each space has up to date. */
  #count(name: string, shares: Shares<SpaceEntry>): void {
    for (const entry of this.#kernel.spaces) {
      const more = this.#usedOf(entry, name) - shares.used(entry);
      if (more > 0) shares.take(entry, more);
      else if (more < 0) shares.give(entry, -more);
    }
  }

  #usedOf({ linux: { space } }: SpaceEntry, name: string): PageCount {
    const node = /^node(\d+)$/.exec(name)?.[1];
    if (node !== undefined) return this.#kernel.placements.pagesOn(space, Number(node));
    const machine = this.#kernel.machine(name);
    if (machine !== undefined) return space.table.counts[machine.accel.deviceMemory.place] ?? 0;
    const { host, file } = space.accounts();
    return host + file;
  }

  #target(name: string): Shares<SpaceEntry> {
    let shares = this.#targets.get(name);
    if (shares === undefined) {
      shares = new Shares<SpaceEntry>(this.#pagesOf(name));
      this.#targets.set(name, shares);
    }
    return shares;
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
