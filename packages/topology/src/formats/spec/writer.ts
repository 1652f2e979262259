import type { LinkProperties } from "../../model/facts.ts";
import type { Initiator, Machine, Target } from "../../model/machine.ts";
import type { Quantity } from "../../model/quantity.ts";
import {
  BANDWIDTH_MAX,
  LATENCY_MAX,
  SIZE_MAX,
  writeBandwidth,
  writeLatency,
  writeSize,
} from "../../model/units.ts";
import { DISTANCE_MAX, NAME_MAX, PROSE_MAX } from "./limits.ts";
import { SPEC_NAME_KEY, STATED_REASON } from "./words.ts";

/** A mapping as it is written; what is undefined is left out. */
export type Written = Record<string, unknown>;

/** What all parts of the writing share. */
export class Writer {
  readonly machine: Machine;
  /** Sources, by the short name that numbers refer to. */
  readonly sources: Map<string, string> = new Map();
  readonly #names = new Map<string, string>();
  readonly #ids = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** An id that a spec can hold; nearly always the id itself. */
  id(id: string): string {
    let written = this.#ids.get(id);
    if (written === undefined) {
      const clean = id.replace(/\p{Cc}/gu, "?").slice(0, NAME_MAX - 8) || "?";
      written = id.length <= NAME_MAX - 8 ? clean : `${clean}…`;
      for (let i = 2; this.#taken.has(written); i++) written = `${clean}~${i}`;
      this.#ids.set(id, written);
      this.#taken.add(written);
    }
    return written;
  }

  ids(uids: readonly number[], of: ReadonlyMap<number, Initiator | Target>): string[] {
    return uids.flatMap((uid) => {
      const object = of.get(uid);
      return object === undefined ? [] : [this.id(object.id)];
    });
  }

  /** ` from NAME`, or nothing when there is no source. */
  #from(source: string | undefined): string {
    if (source === undefined || source.trim() === "") return "";
    const text = source.slice(0, PROSE_MAX);
    let name = this.#names.get(text);
    if (name === undefined) {
      name = `s${this.#names.size + 1}`;
      this.#names.set(text, name);
      this.sources.set(name, text);
    }
    return ` from ${name}`;
  }

  size(bytes: number | null, source?: string): string | undefined {
    if (bytes === null || bytes < 0 || bytes > SIZE_MAX || !Number.isFinite(bytes)) return undefined;
    const whole = Math.round(bytes);
    return whole === 0 ? "none" : `${writeSize(whole)}${this.#from(source)}`;
  }

  /** How a kind was concluded: `because`, or the source of the size. */
  kind(object: Pick<Target, "kind" | "size">): Written {
    const { kind, reason } = object.kind;
    const prefix = `${STATED_REASON}: `;
    const source =
      reason.startsWith(prefix) && (object.size ?? 0) > 0 ? reason.slice(prefix.length) : undefined;
    const plain = reason === STATED_REASON || source !== undefined;
    return { kind, size: this.size(object.size, source), because: plain ? undefined : prose(reason) };
  }

  properties(properties: LinkProperties): Written {
    return {
      ...this.#both("bandwidth", properties.readBandwidth, properties.writeBandwidth),
      ...this.#both("latency", properties.readLatency, properties.writeLatency),
      distance: plain(this.#number(properties.distance, DISTANCE_MAX, String)),
      coherent: properties.coherent ?? undefined,
      atomics: properties.atomics ?? undefined,
    };
  }

  #both(name: "bandwidth" | "latency", read: Quantity | null, write: Quantity | null): Written {
    const [max, print] = name === "bandwidth" ? [BANDWIDTH_MAX, writeBandwidth] : [LATENCY_MAX, writeLatency];
    const [first, second] = [this.#number(read, max, print), this.#number(write, max, print)];
    return first === second ? { [name]: first } : { [`read-${name}`]: first, [`write-${name}`]: second };
  }

  #number(quantity: Quantity | null, max: number, print: (value: number) => string): string | undefined {
    if (quantity === null || !(quantity.value > 0) || quantity.value > max) return undefined;
    const { origin, detail } = quantity;
    const source = origin === "spec" ? detail : detail === undefined ? origin : `${origin}: ${detail}`;
    return `${print(quantity.value)}${this.#from(source)}`;
  }
}

/** A number without a source, so that YAML does not put it into quotes. */
function plain(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

/** Text that a spec can hold: not empty, not too long. */
export function prose(text: string | null): string | undefined {
  return text === null || text.trim() === "" ? undefined : text.slice(0, PROSE_MAX);
}

/** Names and texts, or undefined when there are none. */
export function info(record: Readonly<Record<string, string>>): Written | undefined {
  const entries = Object.entries(record).filter(
    ([name]) => name !== "" && name.length <= NAME_MAX && name !== SPEC_NAME_KEY,
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** A list, or undefined when there is nothing in it. */
export function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}
