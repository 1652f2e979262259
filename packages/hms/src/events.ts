import { HmsError, nearest } from "@hms/topology";
import type { Answered, CoreRegistry, Handle } from "@hms/uabi";
import type { Cause } from "./explain.ts";
import type { Link } from "./link.ts";
import { expectNumber, expectOptions, type Known, kindOf } from "./options.ts";

const PAGE = 4096;
type Read = Answered<CoreRegistry, "events", "read">;

/** What can be subscribed to. */
export type EventTopic = "faults" | "migrations" | "evictions" | "overrides" | "losses" | "devices";

const BITS: Readonly<Record<EventTopic, number>> = {
  faults: 1,
  migrations: 2,
  evictions: 4,
  overrides: 8,
  losses: 16,
  devices: 32,
};

/** Something that happened. */
export interface HmsEvent {
  readonly kind: Read["events"][number]["kind"];
  /** Milliseconds since 1970. */
  readonly when: number;
  /** How long it took; 0 when that is not known. */
  readonly ms: number;
  /** The pages: their first address, and size. Both 0 when it is about none. */
  readonly address: number;
  readonly bytes: number;
  readonly cause: Cause;
  /** Where the pages were, and went to; empty when it is not about that. */
  readonly from: string;
  readonly to: string;
  /** Who did it: a device, `host`; empty for nobody in particular. */
  readonly who: string;
  /** More about it, in words. */
  readonly text: string;
}

/** What is to be told, and how much is kept. */
export interface EventOptions {
  /** Default: all but `faults`, which are many. */
  readonly topics?: readonly EventTopic[];
  /** Events that are kept until they are read, 1 to 1048576; the oldest give way. Default 65536. */
  readonly capacity?: number;
}

const CAPACITY_MAX = 1_048_576;
const LIMIT_MAX = 4096;
const EVENTS: Known<EventOptions> = { topics: "array", capacity: { least: 1, most: CAPACITY_MAX } };

/**
 * What happens, as it happens: to be iterated over, or asked by `take`. Bounded: what is not read in time gives way, and
 * is counted. While someone iterates, the process does not end by itself; `close` ends the iteration.
 *
 * @example
 * ```ts
 * import { open } from "hms";
 * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
 * using events = hms.events({ topics: ["migrations"] });
 * const x = hms.space.alloc(Uint8Array, 65536);
 * x.view.fill(1);
 * await hms.space.migrate(x, "accel0");
 * for await (const event of events) {
 *   console.log(event.kind, event.bytes, event.from, event.to); // migration 65536 host accel0 memory
 *   break;
 * }
 * ```
 */
export class EventStream implements AsyncIterable<HmsEvent>, Disposable {
  readonly #link: Link;
  readonly #id: Handle<"events">;
  #dropped = 0;
  #closed = false;

  /** `Hms.events` makes them. */
  constructor(link: Link, context: Handle<"context">, options: EventOptions) {
    expectOptions("Subscribing", options, EVENTS);
    const { topics = ["migrations", "evictions", "overrides", "losses", "devices"], capacity } = options;
    this.#link = link;
    let mask = 0;
    for (const topic of topics) mask |= bitOf(topic);
    this.#id = link.sync.events.subscribe({
      context,
      mask,
      ...(capacity === undefined ? {} : { capacity }),
    }).events;
  }

  /** Events that gave way because nobody read them in time. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Takes what is there, up to `limit` (1 to 4096, default 1024; else BAD_OPTION, EINVAL), without waiting.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * using events = hms.events({ topics: ["faults"] });
   * const x = hms.space.alloc(Uint8Array, 4096);
   * x.view[0] = 1;
   * const [event] = events.take();
   * console.log(event?.kind, event?.text); // cpu-fault write
   * ```
   */
  take(limit: number = 1024): HmsEvent[] {
    expectNumber("Reading events", "the limit", limit, { least: 1, most: LIMIT_MAX });
    if (this.#closed || this.#link.over) return [];
    return this.#told(this.#link.sync.events.read({ events: this.#id, limit }));
  }

  #told({ events, names, dropped }: Read): HmsEvent[] {
    this.#dropped += dropped;
    const name = (index: number): string => names[index] ?? "";
    return events.map((event) => ({
      kind: event.kind,
      when: this.#link.time(event.when),
      ms: event.durationNs / 1e6,
      address: event.first * PAGE,
      bytes: event.count * PAGE,
      cause: event.cause,
      from: name(event.from),
      to: name(event.to),
      who: name(event.who),
      text: name(event.text),
    }));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HmsEvent, void, undefined> {
    while (!this.#closed && !this.#link.over) {
      let read: Read;
      try {
        read = await this.#link.async.events.read({ events: this.#id, wait: true });
      } catch (error) {
        if (HmsError.is(error) && (error.code === "EVENTS_ENDED" || error.code === "HMS_CLOSED")) return;
        throw error;
      }
      yield* this.#told(read);
    }
  }

  /** Ends it. Again: does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#link.over) this.#link.sync.events.unsubscribe({ events: this.#id });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function bitOf(topic: unknown): number {
  if (typeof topic === "string" && Object.hasOwn(BITS, topic)) return BITS[topic as EventTopic];
  const topics = Object.keys(BITS);
  const [near] = typeof topic === "string" ? nearest(topic, topics) : [];
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
  throw new HmsError(
    "BAD_TOPIC",
    "EINVAL",
    `Subscribing failed: there is no topic ${kindOf(topic)}${hint}; there are ${topics.join(", ")}.`,
  );
}
