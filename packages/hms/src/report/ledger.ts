import type { Answered, CoreRegistry } from "@hms/uabi";
import { listedKind } from "../region-kind.ts";
import type { Flow, ListedRegion, RecordedEvent, RecordedRegion } from "./recording.ts";
import { placeName } from "./strips.ts";

/** Events out of the ordinary that are told apart: the first ones. */
const EVENTS_MAX = 100;
/** Regions that the recording has. */
const REGIONS_MAX = 256;

type EventsRead = Answered<CoreRegistry, "events", "read">;
type Event = EventsRead["events"][number];
type Counts = ListedRegion["traffic"];

/** What happened, by region. */
export class Ledger {
  /** By kind and text: what happens again is counted. */
  readonly #events = new Map<string, { -readonly [K in keyof RecordedEvent]: RecordedEvent[K] }>();
  readonly #devices: readonly string[];
  /** In the order in which they were seen first. */
  readonly #known: ListedRegion[] = [];
  /** Places in `#known`, by handle. */
  readonly #live = new Map<number, number>();
  #gone: readonly ListedRegion[] = [];

  constructor(devices: readonly string[]) {
    this.#devices = devices;
  }

  /** Regions as they are now. */
  update(regions: readonly ListedRegion[]): void {
    this.#gone = regions.filter(({ gone }) => gone);
    for (const entry of regions) {
      if (entry.region === undefined) continue;
      const at = this.#live.get(entry.region);
      if (at !== undefined) this.#known[at] = entry;
      else if (this.#known.length < REGIONS_MAX) this.#live.set(entry.region, this.#known.push(entry) - 1);
    }
  }

  /** The number of a region that is there. */
  indexOf({ region }: ListedRegion): number {
    return (region === undefined ? undefined : this.#live.get(region)) ?? -1;
  }

  /** What happened. */
  tell({ events, names }: EventsRead): void {
    for (const event of events) {
      const { kind, when } = event;
      if (kind !== "override" && kind !== "loss" && kind !== "device") continue;
      const text = textOf(event, names);
      const key = `${kind}\n${text}`;
      const known = this.#events.get(key);
      if (known !== undefined) known.count++;
      else if (this.#events.size < EVENTS_MAX) this.#events.set(key, { when, kind, text, count: 1 });
    }
  }

  /** What was out of the ordinary, in the order in which it happened first. */
  get events(): readonly RecordedEvent[] {
    return [...this.#events.values()];
  }

  /** Flows, with the names of places as reports have them. */
  flowsOf(flows: NonNullable<ListedRegion["flows"]>): Flow[] {
    return flows.map(({ from, to, ...flow }) => ({
      ...flow,
      from: placeName(from, this.#devices),
      to: placeName(to, this.#devices),
    }));
  }

  /** All regions, those with the most traffic first; `order` says where each number of before is. */
  list(): { readonly regions: readonly RecordedRegion[]; readonly order: readonly number[] } {
    const left = new Set(this.#gone);
    const known = this.#known.map((entry, number) => ({ number, entry: this.#final(entry, left) }));
    const found = [...left].map((entry) => ({ number: -1, entry }));
    const all = [...known, ...found]
      .map(({ number, entry }) => ({ number, region: this.#recorded(entry) }))
      .sort((a, b) => weight(b.region) - weight(a.region));
    const order: number[] = [];
    all.forEach(({ number }, i) => {
      if (number >= 0) order[number] = i;
    });
    return { regions: all.slice(0, REGIONS_MAX).map(({ region }) => region), order };
  }

  /** What is known last of a region: of one that is gone, what it had when it went. */
  #final(entry: ListedRegion, left: Set<ListedRegion>): ListedRegion {
    for (const gone of left) {
      const same = gone.address === entry.address && gone.size === entry.size && gone.name === entry.name;
      if (!same || !reaches(gone.traffic, entry.traffic)) continue;
      left.delete(gone);
      return gone;
    }
    return entry;
  }

  #recorded({ flows = [], droppedClean = 0, ...region }: ListedRegion): RecordedRegion {
    const { name, address, size, kind, gone, traffic } = region;
    return {
      name,
      address,
      size,
      kind: listedKind(kind),
      gone,
      traffic: { ...traffic, droppedClean },
      flows: this.flowsOf(flows),
    };
  }
}

/** Whether one can have become the other. */
function reaches(later: Counts, earlier: Counts): boolean {
  const keys = Object.keys(earlier) as (keyof Counts)[];
  return keys.every((key) => later[key] >= earlier[key]);
}

function weight({ traffic }: RecordedRegion): number {
  const { toDevice, toHost, duplicated, swappedOut, swappedIn, cpuFaults, deviceFaults } = traffic;
  return toDevice + toHost + duplicated + swappedOut + swappedIn + cpuFaults + deviceFaults;
}

function textOf(event: Event, names: readonly string[]): string {
  const who = names[event.who] ?? "";
  const text = names[event.text] ?? "";
  const lost =
    event.kind === "loss" ? `${event.count} pages were lost with ${names[event.from] ?? "a device"}` : "";
  return [who, lost, text].filter((part) => part !== "").join(": ");
}
