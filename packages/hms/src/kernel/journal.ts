import type { CoreRegistry, Handle, Later, Output, TypeValue } from "@hms/uabi";

type EventStruct = TypeValue<CoreRegistry, "event">;
type ReadOutput = Output<CoreRegistry, "events", "read">;
export type EventKind = TypeValue<CoreRegistry, "event-kind">;
export type Cause = TypeValue<CoreRegistry, "cause">;

/** What happened; names as text. */
export interface Happening {
  readonly when: number;
  readonly durationNs: number;
  /** Handle of the space; 0: none. */
  readonly space: number;
  readonly first: number;
  readonly count: number;
  readonly kind: EventKind;
  readonly cause: Cause;
  readonly from: string;
  readonly to: string;
  readonly who: string;
  readonly text: string;
}

/** What the text of an event begins with that tells of more memory than the budget; why follows. */
export const OVER_BUDGET = "the memory budget is exceeded: ";
/** Why that was so. */
export const OVER_BUDGET_BECAUSE = {
  "disk full": "the disk takes no more pages",
  "pages pinned": "pages are pinned or held",
} as const;

/** Bits of event-mask by kind of event. */
const MASKS: Readonly<Record<EventKind, number>> = {
  "cpu-fault": 1,
  "device-fault": 1,
  migration: 2,
  eviction: 4,
  override: 8,
  loss: 16,
  device: 32,
};
export const CAPACITY_DEFAULT = 65536;
export const LIMIT_DEFAULT = 1024;

interface Waiting {
  readonly later: Later<ReadOutput>;
  readonly limit: number;
}

/** Events that one client wants, kept until it reads them. The oldest give way. */
export class Subscription {
  handle: Handle<"events"> = 0 as Handle<"events">;
  readonly mask: number;
  readonly #capacity: number;
  readonly #kept: Happening[] = [];
  #from = 0;
  #count = 0;
  #dropped = 0;
  #waiting: Waiting | null = null;

  constructor(mask: number, capacity: number) {
    this.mask = mask;
    this.#capacity = capacity;
  }

  add(event: Happening): void {
    if (this.#count === this.#capacity) {
      this.#from = (this.#from + 1) % this.#capacity;
      this.#count--;
      this.#dropped++;
    }
    this.#kept[(this.#from + this.#count++) % this.#capacity] = event;
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  /** Takes the oldest. */
  read(limit: number): ReadOutput {
    const count = Math.min(limit, this.#count);
    const events: EventStruct[] = [];
    const names: string[] = [];
    const numbers = new Map<string, number>();
    const number = (name: string): number => {
      const known = numbers.get(name);
      if (known !== undefined) return known;
      numbers.set(name, names.length);
      return names.push(name.slice(0, 1000)) - 1;
    };
    for (let i = 0; i < count; i++) {
      const event = this.#kept[(this.#from + i) % this.#capacity];
      if (event === undefined) break;
      const { from, to, who, text, ...numbersOnly } = event;
      events.push({
        ...numbersOnly,
        from: number(from),
        to: number(to),
        who: number(who),
        text: number(text),
      });
    }
    this.#from = (this.#from + count) % this.#capacity;
    this.#count -= count;
    const dropped = this.#dropped;
    this.#dropped = 0;
    return { events, names, dropped, more: this.#count > 0 };
  }

  /** Answers when there is something to read. */
  wait(later: Later<ReadOutput>, limit: number, canceled: () => Error): void {
    this.#waiting?.later.fail(canceled());
    this.#waiting = { later, limit };
  }

  /** Answers who waits, if there is something. Returns 1 if so. */
  serve(): number {
    const waiting = this.#waiting;
    if (waiting === null || this.#count === 0) return 0;
    this.#waiting = null;
    waiting.later.answer(this.read(waiting.limit));
    return 1;
  }

  /** Whoever waits is told that it is over. */
  end(error: Error): void {
    this.#waiting?.later.fail(error);
    this.#waiting = null;
  }
}

/** All subscriptions. What nobody wants costs a look at a mask. */
export class Journal {
  readonly #subscriptions = new Set<Subscription>();
  #wanted = 0;

  add(subscription: Subscription): void {
    this.#subscriptions.add(subscription);
    this.#wanted |= subscription.mask;
  }

  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#wanted = 0;
    for (const { mask } of this.#subscriptions) this.#wanted |= mask;
  }

  wants(kind: EventKind): boolean {
    return (this.#wanted & MASKS[kind]) !== 0;
  }

  tell(event: Happening): void {
    for (const subscription of this.#subscriptions)
      if ((subscription.mask & MASKS[event.kind]) !== 0) subscription.add(event);
  }

  serve(): number {
    let served = 0;
    for (const subscription of this.#subscriptions) served += subscription.serve();
    return served;
  }
}
