import { UNKNOWN_PROPERTIES } from "../assemble/properties.ts";
import type { LinkProperties, Reach } from "../model/facts.ts";
import { type Quantity, quantity } from "../model/quantity.ts";
import { BANDWIDTH_MAX, LATENCY_MAX } from "../model/units.ts";
import type { Discovery, Source } from "../sources/source.ts";
import { hostOf, misfit } from "./host.ts";
import type { MeasuredPair, MeasuredRates, Measurements, Sample } from "./measurements.ts";

/** Measurements that may be of the machine that is read. */
export interface Candidate {
  /** Where they were read from. */
  readonly path: string;
  readonly measurements: Measurements;
}

/** A source of the numbers that were measured on a machine: of several files the first that is of this machine. */
export class MeasuredSource implements Source {
  readonly name = "measured";
  readonly after: readonly string[] = ["system", "processors", "groups", "numa"];
  readonly #candidates: readonly Candidate[];
  readonly #misfits: { readonly path: string; readonly why: string }[] = [];
  #asked = false;

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates;
  }

  /** Whether a machine's files were read with it. */
  get asked(): boolean {
    return this.#asked;
  }

  /** The files that are of another machine, and why that is so: the end of a sentence. */
  get misfits(): readonly { readonly path: string; readonly why: string }[] {
    return this.#misfits;
  }

  discover({ facts, tree }: Discovery): void {
    this.#asked = true;
    const here = hostOf(facts, tree);
    for (const { path, measurements } of this.#candidates) {
      const why = misfit(measurements.host, here);
      if (why === null) {
        facts.reaches.push(...reachesOf(measurements));
        return;
      }
      this.#misfits.push({ path, why });
    }
  }
}

function reachesOf({ pairs, when }: Measurements): Reach[] {
  const day = /^\d{4}-\d\d-\d\d/.exec(when)?.[0] ?? "";
  return pairs.map((pair) => ({
    initiator: pair.initiator,
    target: pair.target,
    medium: "memory",
    properties: propertiesOf(pair, day),
  }));
}

/** What a pair has as a link: the most that any number of its CPUs got, and the latency with the fewest misses of the TLB. */
function propertiesOf(pair: MeasuredPair, day: string): LinkProperties {
  const rate = (of: (rates: MeasuredRates) => Sample): Quantity | null => {
    const best = pair.rates.reduce<MeasuredRates | null>(
      (most, rates) => (most === null || of(rates).median > of(most).median ? rates : most),
      null,
    );
    if (best === null) return null;
    const detail = `${day} by ${best.threads} ${best.threads === 1 ? "CPU" : "CPUs"}`.trim();
    return bounded(of(best).median, BANDWIDTH_MAX, detail);
  };
  const [chase] = [...pair.chases].sort((a, b) => a.latency.median - b.latency.median);
  const pages = chase !== undefined && chase.hugePages >= 0.5 ? "huge pages" : "small pages";
  return {
    ...UNKNOWN_PROPERTIES,
    readBandwidth: rate((rates) => rates.read),
    writeBandwidth: rate((rates) => rates.write),
    readLatency:
      chase === undefined ? null : bounded(chase.latency.median, LATENCY_MAX, `${day} in ${pages}`),
  };
}

/** Nothing is so fast, or so slow: such a number is none. */
function bounded(value: number, max: number, detail: string): Quantity | null {
  return quantity(value > max ? null : value, "measurement", detail.trim());
}
