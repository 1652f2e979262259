import { renameSync, writeFileSync } from "node:fs";
import type { Handle } from "@hms/uabi";
import type { Meeting } from "../beside.ts";
import { Link } from "../link.ts";
import { Ledger } from "./ledger.ts";
import type { ListedRegion, RecordedDevice, Recording, Snapshot, Strip } from "./recording.ts";
import { Strips } from "./strips.ts";

/** Words of the memory by which it is stopped. */
export const STOP = 0;
export const DONE = 1;
export const CONTROL_BYTES = 8;

export interface RecorderData {
  readonly meeting: Meeting;
  readonly context: Handle<"context">;
  /** The file that the recording goes to. */
  readonly path: string;
  readonly control: SharedArrayBuffer;
  readonly ramBytes: number | null;
}

/** Snapshots that are kept at most. When there are as many, every other one goes and the time between them doubles. */
const SNAPSHOTS_MAX = 240;
const FIRST_INTERVAL_MS = 20;
/** After a look that took long, because the machine has much else to do, so many times as long passes. */
const IDLE_SHARE = 4;
/** But not longer than this. Milliseconds. */
const IDLE_MS_MAX = 200;
/** The file is written so often, for programs that are killed; more often at first, when there is more to lose. */
const WRITE_EVERY_MS = 500;
/** Regions that are looked at, those with the most traffic. */
const REGIONS_WATCHED = 16;
const REGIONS_LISTED = 256;
const REGIONS_AT_END = 4096;
/** Overrides, losses, devices. What moves is counted by the regions. */
const EVENT_MASK = 56;
const EVENTS_KEPT = 4096;

/** Looks on from a thread of its own, as any other thread would; it asks for nothing but what the interface offers. */
export class ContextRecorder {
  readonly #data: RecorderData;
  readonly #words: Int32Array;
  readonly #link: Link;
  readonly #events: Handle<"events">;
  readonly #devices: readonly {
    readonly name: string;
    readonly driver: string;
    readonly id: Handle<"device">;
  }[];
  readonly #ledger: Ledger;
  readonly #strips: Strips;
  #snapshots: Snapshot[] = [];
  #interval = FIRST_INTERVAL_MS;
  #next = 0;
  #opened = 0;
  /** When it began, and when it wrote last. Milliseconds. */
  readonly #began = performance.now();
  #written = 0;

  constructor(data: RecorderData) {
    this.#data = data;
    this.#words = new Int32Array(data.control);
    this.#link = new Link(data.meeting, false);
    const { context } = data;
    const { sync } = this.#link;
    this.#events = sync.events.subscribe({ context, mask: EVENT_MASK, capacity: EVENTS_KEPT }).events;
    this.#devices = sync.device.list({ context }).devices.map(({ name, driver }) => ({
      name,
      driver,
      id: sync.device.open({ context, name }).device,
    }));
    const names = this.#devices.map(({ name }) => name);
    this.#ledger = new Ledger(names);
    this.#strips = new Strips(this.#link, names);
    this.#opened = this.#hostTime();
  }

  /** Takes the first look, so that there is a recording from now on. */
  begin(): void {
    this.#look(REGIONS_LISTED);
    this.#write(false);
  }

  /** Looks on until it is told to stop, or there is nothing to look at any more. */
  run(): void {
    try {
      while (Atomics.load(this.#words, STOP) === 0) {
        const before = performance.now();
        this.#look(REGIONS_LISTED);
        // What may be lost is at most half of what there was.
        if (before - this.#written >= Math.min(WRITE_EVERY_MS, this.#written - this.#began))
          this.#write(false);
        const took = performance.now() - before;
        Atomics.wait(
          this.#words,
          STOP,
          0,
          Math.max(this.#interval, Math.min(IDLE_MS_MAX, took * IDLE_SHARE)),
        );
      }
      this.#look(REGIONS_AT_END);
      this.#write(true);
    } catch (error) {
      // When the program has taken hms away, the recording ends with the last look.
      if (!this.#link.over) throw error;
    } finally {
      this.#link.close();
      Atomics.store(this.#words, DONE, 1);
      Atomics.notify(this.#words, DONE);
    }
  }

  #look(limit: number): void {
    const { context } = this.#data;
    const { sync } = this.#link;
    const { regions } = sync.context.regions({ context, limit });
    this.#ledger.update(regions);
    this.#ledger.tell(sync.events.read({ events: this.#events, limit: EVENTS_KEPT }));
    this.#snap(regions);
  }

  #snap(regions: readonly ListedRegion[]): void {
    const now = performance.now();
    const live = regions.filter(({ gone }) => !gone).slice(0, REGIONS_WATCHED);
    const strips: Strip[] = [];
    for (const entry of live) {
      const cells = this.#strips.of(entry);
      if (cells !== null) strips.push({ region: this.#ledger.indexOf(entry), cells });
    }
    const { sync } = this.#link;
    const deviceBytes = this.#devices.map(({ id }) => sync.device.info({ device: id }).usedBytes);
    const when = this.#hostTime();
    if (now < this.#next && this.#snapshots.length > 0) this.#snapshots.pop();
    this.#next = now + this.#interval * 0.9;
    this.#snapshots.push({ when, deviceBytes, strips });
    if (this.#snapshots.length < SNAPSHOTS_MAX) return;
    this.#snapshots = this.#snapshots.filter((_, i) => i % 2 === 0);
    this.#interval *= 2;
  }

  /** Now, by the host's clock. */
  #hostTime(): number {
    return Math.floor((performance.timeOrigin + performance.now() - this.#link.time(0)) * 1e6);
  }

  #write(complete: boolean): void {
    const { path } = this.#data;
    writeFileSync(`${path}.part`, JSON.stringify(this.#recording(complete)));
    // Whoever reads it finds it whole.
    renameSync(`${path}.part`, path);
    this.#written = performance.now();
  }

  #recording(complete: boolean): Recording {
    const { context, ramBytes } = this.#data;
    const { sync } = this.#link;
    const { samples } = sync.context.timeline({ context });
    const { statistics, droppedClean = 0 } = sync.context.statistics({ context });
    const totals = sync.context.flows({ context });
    const devices: RecordedDevice[] = this.#devices.map(({ name, driver, id }) => {
      const { memoryBytes, usedBytes, usedBytesMax } = sync.device.info({ device: id });
      return { name, driver, memoryBytes, usedBytesMax: usedBytesMax ?? usedBytes };
    });
    const { regions, order } = this.#ledger.list();
    return {
      format: "hms-recording",
      version: 1,
      pid: process.pid,
      opened: this.#opened,
      ended: samples.at(-1)?.when ?? this.#opened,
      complete,
      ramBytes,
      devices,
      statistics: { ...statistics, droppedClean },
      timeline: samples.filter(({ when }) => when >= this.#opened),
      flows: this.#ledger.flowsOf(totals.flows),
      regions,
      regionsTotal: totals.regions,
      places: this.#strips.places,
      snapshots: this.#snapshots.map(({ when, deviceBytes, strips }) => ({
        when,
        deviceBytes,
        strips: strips.map(({ region, cells }) => ({ region: order[region] ?? region, cells })),
      })),
      events: this.#ledger.events,
    };
  }
}
