import {
  CAUSE,
  type Cause as CauseNumber,
  FIRST_DEVICE_FRAME,
  HOST,
  KIND,
  type Migration,
  type Nanoseconds,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
} from "@hms/hmm";
import { type Disk, type LinuxHost, LinuxRegion, type Trace } from "@hms/host-linux";
import { Flows, TOTALS_MAX } from "./flows.ts";
import { type Journal, OVER_BUDGET, OVER_BUDGET_BECAUSE } from "./journal.ts";
import { causeName } from "./names.ts";
import type { Machine, RegionEntry, Traffic } from "./objects.ts";
import { type Sample, Timeline } from "./timeline.ts";

export function noTraffic(): Traffic {
  return {
    cpuFaults: 0,
    deviceFaults: 0,
    faultNs: 0,
    toDevice: 0,
    toHost: 0,
    evicted: 0,
    duplicated: 0,
    swappedOut: 0,
    swappedIn: 0,
    droppedClean: 0,
  };
}

/** Pages that moved, whichever way. */
export function pagesMoved(traffic: Omit<Traffic, "droppedClean">): PageCount {
  const { toDevice, toHost, duplicated, swappedOut, swappedIn } = traffic;
  return toDevice + toHost + duplicated + swappedOut + swappedIn;
}

/** What is kept of what happens: counts by region, the timeline, events for those who want them. */
export class Watch implements Trace {
  readonly timeline: Timeline = new Timeline(() => this.#sample());
  readonly #journal: Journal;
  readonly #regions = new Map<number, RegionEntry>();
  readonly #spaces = new Map<number, number>();
  #host: LinuxHost | null = null;
  #machines: readonly Machine[] = [];
  #last: RegionEntry | null = null;
  residentMax: PageCount = 0;
  /** Of regions that are gone: nothing else keeps what happened to all of them. */
  readonly #goneFlows = new Flows(TOTALS_MAX);
  #goneRegions = 0;
  // What of the core's records has been told.
  #overrides = 0;
  #losses = 0;
  #faults = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  begin(host: LinuxHost, machines: readonly Machine[]): void {
    this.#host = host;
    this.#machines = machines;
    host.core.onMoved = (migration) => this.#moved(migration);
  }

  addSpace(space: Space, handle: number): void {
    this.#spaces.set(space.id, handle);
  }

  addRegion(entry: RegionEntry): void {
    this.#regions.set(entry.linux.id, entry);
  }

  removeRegion(entry: RegionEntry): void {
    this.#regions.delete(entry.linux.id);
    if (this.#last === entry) this.#last = null;
    this.#goneFlows.addAll(entry.flows);
    this.#goneRegions++;
  }

  /** Which way pages of all regions went, of those that are gone too, and how many regions there have been. */
  totals(): { readonly flows: Flows; readonly regions: number } {
    const flows = new Flows(TOTALS_MAX);
    flows.addAll(this.#goneFlows);
    for (const entry of this.#regions.values()) flows.addAll(entry.flows);
    return { flows, regions: this.#goneRegions + this.#regions.size };
  }

  /** The region that a page of a space is in. */
  at(page: PageIndex): RegionEntry | null {
    const last = this.#last;
    if (last !== null && page >= last.first && page < last.first + last.pages) return last;
    const owner = this.#host?.owners.at(page);
    const entry = owner instanceof LinuxRegion ? this.#regions.get(owner.id) : undefined;
    if (entry !== undefined) this.#last = entry;
    return entry ?? null;
  }

  fault(
    by: "cpu" | "device",
    space: Space,
    page: PageIndex,
    count: PageCount,
    write: boolean,
    took: Nanoseconds,
    who: string,
  ): void {
    const entry = this.at(page);
    if (entry !== null) {
      if (by === "cpu") entry.traffic.cpuFaults++;
      else entry.traffic.deviceFaults++;
      entry.traffic.faultNs += took;
    }
    this.#look();
    const kind = by === "cpu" ? "cpu-fault" : "device-fault";
    if (!this.#journal.wants(kind)) return;
    this.#tell(kind, space, page, count, {
      cause: kind,
      to: by === "cpu" ? "host" : count === 0 ? "" : this.#placeOf(space, page),
      who,
      durationNs: took,
      text: write ? "write" : "read",
    });
  }

  wentOut(
    disk: Disk,
    space: Space,
    page: PageIndex,
    count: PageCount,
    by: CauseNumber,
    written: boolean,
  ): void {
    const entry = this.at(page);
    const cause = causeName(by);
    if (entry !== null) {
      if (disk === "swap") entry.traffic.swappedOut += count;
      if (disk === "swap" && !written) entry.traffic.droppedClean += count;
      entry.flows.add("host", disk, cause, false, count, 1);
    }
    if (this.#journal.wants("eviction"))
      this.#tell("eviction", space, page, count, { cause, from: "host", to: disk, who: "host" });
  }

  cameIn(disk: Disk, space: Space, page: PageIndex, count: PageCount, by: CauseNumber): void {
    const entry = this.at(page);
    const cause = causeName(by);
    if (entry !== null) {
      if (disk === "swap") entry.traffic.swappedIn += count;
      entry.flows.add(disk, "host", cause, false, count, 1);
    }
    if (this.#journal.wants("migration"))
      this.#tell("migration", space, page, count, { cause, from: disk, to: "host" });
  }

  overBudget(pages: PageCount, why: keyof typeof OVER_BUDGET_BECAUSE): void {
    if (!this.#journal.wants("override")) return;
    this.#journal.tell({
      when: this.#now(),
      durationNs: 0,
      space: 0,
      first: 0,
      count: pages,
      kind: "override",
      cause: "override",
      from: "host",
      to: "host",
      who: "host",
      text: OVER_BUDGET + OVER_BUDGET_BECAUSE[why],
    });
  }

  #now(): number {
    return Math.floor(this.#host?.now() ?? 0);
  }

  #tell(
    kind: "cpu-fault" | "device-fault" | "migration" | "eviction",
    space: Space,
    first: PageIndex,
    count: PageCount,
    more: {
      readonly cause: ReturnType<typeof causeName>;
      readonly from?: string;
      readonly to?: string;
      readonly who?: string;
      readonly text?: string;
      readonly durationNs?: number;
    },
  ): void {
    this.#journal.tell({
      when: this.#now(),
      durationNs: Math.floor(more.durationNs ?? 0),
      space: this.#spaces.get(space.id) ?? 0,
      first,
      count,
      kind,
      cause: more.cause,
      from: more.from ?? "",
      to: more.to ?? "",
      who: more.who ?? "",
      text: more.text ?? "",
    });
  }

  /** Called by the core at the end of each migration that moved something. */
  #moved(migration: Migration): void {
    let moves = 1;
    if (migration.space !== null && migration.allMoved) {
      this.#movedRun(migration, 0, migration.first, migration.count, moves);
      this.#look();
      return;
    }
    for (let i = 0; i < migration.count; ) {
      if (!migration.moved(i)) {
        i++;
        continue;
      }
      const page = this.#pageOf(migration, i);
      let count = 1;
      while (i + count < migration.count && migration.moved(i + count)) {
        if (this.#pageOf(migration, i + count) !== page + count) break;
        count++;
      }
      this.#movedRun(migration, i, page, count, moves);
      moves = 0;
      i += count;
    }
    this.#look();
  }

  /** Where a page of a migration is in its space, also when the migration goes by frames. */
  #pageOf(migration: Migration, i: number): PageIndex {
    if (migration.space !== null) return migration.first + i;
    const frame = migration.destination(i);
    const table = migration.core.memories.tableOf(frame);
    return table.pageOf(frame - table.base);
  }

  /** `moves`: 1 for the first run of a migration. */
  #movedRun(migration: Migration, i: number, page: PageIndex, count: PageCount, moves: number): void {
    const entry = this.at(page);
    const inward = migration.to !== null;
    const eviction = migration.cause === CAUSE.eviction;
    const cause = causeName(migration.cause);
    const destination = migration.destination(i);
    const from = this.#memoryOf(migration, migration.source(i));
    const to = this.#memoryOf(migration, destination);
    if (entry !== null) {
      const { traffic } = entry;
      if (migration.duplicate) traffic.duplicated += count;
      else if (inward) traffic.toDevice += count;
      else traffic.toHost += count;
      if (eviction) traffic.evicted += count;
      entry.flows.add(from, to, cause, migration.duplicate, count, moves);
    }
    const kind = eviction ? "eviction" : "migration";
    if (!this.#journal.wants(kind)) return;
    const table = migration.core.memories.tableOf(destination);
    const space = migration.space ?? migration.core.space(table.spaceOf(destination - table.base));
    this.#tell(kind, space, page, count, {
      cause,
      from,
      to,
      who: eviction ? from : "",
      text: migration.duplicate ? "duplicate" : "",
    });
  }

  /** Where a page is: devices use some where they are. */
  #placeOf({ core, table }: Space, page: PageIndex): string {
    const flags = table.flagsAt(page);
    return (flags & KIND) === HOST ? "host" : core.places.name(table.placeOf(flags, table.frameAt(page)));
  }

  #memoryOf({ core }: Migration, frame: number): string {
    if (frame === NO_FRAME) return "nowhere";
    return frame < FIRST_DEVICE_FRAME ? "host" : (core.memories.deviceOf(frame)?.name ?? "gone");
  }

  /** Notes how much is in use. */
  #look(): void {
    const resident = this.#host?.resident ?? 0;
    if (resident > this.residentMax) this.residentMax = resident;
    for (const machine of this.#machines) {
      const used = usedBytes(machine);
      if (used > machine.usedBytesMax) machine.usedBytesMax = used;
    }
  }

  /** Does what is to be done from time to time. */
  tick(): void {
    const host = this.#host;
    if (host === null) return;
    this.#look();
    this.timeline.tick(host.now());
    this.#tellRecords(host);
  }

  #tellRecords({ core }: LinuxHost): void {
    const { overrides, losses, driverFaults } = core.records;
    const base = { durationNs: 0, from: "", to: "", who: "", text: "" };
    if (overrides.total !== this.#overrides) {
      const fresh = overrides.list().slice(-(overrides.total - this.#overrides));
      this.#overrides = overrides.total;
      for (const { when, who, what, why, space, first, count, asked, became } of fresh)
        this.#journal.tell({
          ...base,
          when: Math.floor(when),
          space: this.#spaces.get(space) ?? 0,
          first,
          count,
          kind: "override",
          cause: "override",
          from: asked,
          to: became ?? "",
          who,
          text: `${what}: ${why}`,
        });
    }
    if (losses.total !== this.#losses) {
      const fresh = losses.list().slice(-(losses.total - this.#losses));
      this.#losses = losses.total;
      for (const { when, memory, space, first, count } of fresh)
        this.#journal.tell({
          ...base,
          when: Math.floor(when),
          space: this.#spaces.get(space) ?? 0,
          first,
          count,
          kind: "loss",
          cause: "lost",
          from: memory,
          who: memory,
        });
    }
    if (driverFaults.total === this.#faults) return;
    const fresh = driverFaults.list().slice(-(driverFaults.total - this.#faults));
    this.#faults = driverFaults.total;
    for (const { when, device, callback, message } of fresh)
      this.#journal.tell({
        ...base,
        when: Math.floor(when),
        space: 0,
        first: 0,
        count: 0,
        kind: "device",
        cause: "none",
        who: device,
        text: `${callback}: ${message}`,
      });
  }

  #sample(): Sample {
    const host = this.#host;
    if (host === null) throw new Error("there is no host to sample");
    const { cpuFaults, deviceFaults, cpuFaultTime, deviceFaultTime, swappedOut, droppedClean, swappedIn } =
      host.statistics;
    const { movedToDevice, movedToHost } = host.core.statistics;
    return {
      when: Math.floor(host.now()),
      cpuFaults,
      deviceFaults,
      faultNs: Math.floor(cpuFaultTime + deviceFaultTime),
      movedToDevice,
      movedToHost,
      swappedOut: swappedOut + droppedClean,
      swappedIn,
      residentBytes: host.resident * PAGE_BYTES,
      deviceBytes: this.#machines.reduce((sum, machine) => sum + usedBytes(machine), 0),
    };
  }
}

/** Of a device's memory, in use. */
export function usedBytes({ accel }: Machine): number {
  return (accel.deviceMemory.pages - accel.memory.available) * PAGE_BYTES;
}
