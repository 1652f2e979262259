import type { CpuKind } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { type Range, readInteger, readList } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { CPU_DIRECTORY, onlineCpus } from "./processors.ts";

/** kHz, up to 1 THz. */
const KHZ_RANGE = { min: 0, max: 1e9 };
const CAPACITY_RANGE = { min: 0, max: 1e6 };
/** The kernel's PMUs of hybrid processors, and hwloc's names. From the slowest to the fastest. */
const PMUS: readonly (readonly [string, string])[] = [
  ["sys/devices/cpu_lowpower/cpus", "IntelLowPower"],
  ["sys/devices/cpu_atom/cpus", "IntelAtom"],
  ["sys/devices/cpu_core/cpus", "IntelCore"],
];
/** CPUs without a file after which it is no longer looked for, where none before them had it. */
const ABSENT_MAX = 8;
/** Favoured cores of one kind may turbo a little higher: so much less than the highest is still the same kind. */
const SAME_FREQUENCY_RATIO = 0.9;

/** What is known of a CPU's sort; 0 and −1 are unknown. */
interface Traits {
  /** Place in PMUS. */
  readonly pmu: number;
  readonly capacity: number;
  readonly maxKhz: number;
  readonly baseKhz: number;
}

/** Sorts of CPUs: big and little cores. */
export const cpuKinds: Source = {
  name: "cpu-kinds",
  after: ["processors"],
  discover(discovery: Discovery): void {
    const kinds = classify(readTraits(discovery));
    const ranked = [...kinds].sort((a, b) => compare(a.traits, b.traits));
    const efficiency = new Map<Kind, number>();
    let rank = 0;
    for (const [i, kind] of ranked.entries()) {
      const before = ranked[i - 1];
      if (before !== undefined && compare(before.traits, kind.traits) !== 0) rank++;
      efficiency.set(kind, rank);
    }
    const canRank = ranked.length > 1 && rank > 0;
    for (const kind of ranked) {
      discovery.facts.cpuKinds.push({
        cpus: kind.cpus,
        efficiency: canRank ? (efficiency.get(kind) ?? null) : null,
        info: infoOf(kind.traits),
      });
    }
  },
};

interface Kind {
  readonly cpus: IndexSet;
  readonly traits: Traits;
}

function readTraits(discovery: Discovery): Map<number, Traits> {
  const pmus = PMUS.map(([path]) => readList(discovery, path) ?? IndexSet.EMPTY);
  const capacity = new TraitReader(discovery, "cpu_capacity", CAPACITY_RANGE);
  const maximum = new TraitReader(discovery, "cpufreq/cpuinfo_max_freq", KHZ_RANGE);
  const base = new TraitReader(discovery, "cpufreq/base_frequency", KHZ_RANGE);
  const traits = new Map<number, Traits>();
  for (const cpu of onlineCpus(discovery)) {
    const of: Traits = {
      pmu: pmus.findIndex((set) => set.has(cpu)),
      capacity: capacity.read(cpu),
      maxKhz: maximum.read(cpu),
      baseKhz: base.read(cpu),
    };
    if (of.pmu >= 0 || of.capacity > 0 || of.maxKhz > 0 || of.baseKhz > 0) traits.set(cpu, of);
  }
  return traits;
}

/** A file of each CPU. A kernel has it for CPUs that there are or for none: after some without it, it is not looked for. */
class TraitReader {
  readonly #discovery: Discovery;
  readonly #file: string;
  readonly #range: Range;
  #absent = 0;

  constructor(discovery: Discovery, file: string, range: Range) {
    this.#discovery = discovery;
    this.#file = file;
    this.#range = range;
  }

  /** 0 when unknown. */
  read(cpu: number): number {
    if (this.#absent >= ABSENT_MAX) return 0;
    const value = readInteger(this.#discovery, `${CPU_DIRECTORY}/cpu${cpu}/${this.#file}`, this.#range);
    this.#absent = value === undefined ? this.#absent + 1 : Number.NEGATIVE_INFINITY;
    return value ?? 0;
  }
}

function classify(traits: ReadonlyMap<number, Traits>): Kind[] {
  const kinds: Kind[] = [];
  const alike = Map.groupBy(traits.keys(), (cpu) => {
    const of = traits.get(cpu);
    return of === undefined ? "" : `${of.pmu}/${of.capacity}/${of.baseKhz}`;
  });
  for (const cpus of alike.values()) {
    const maxKhz = (cpu: number): number => traits.get(cpu)?.maxKhz ?? 0;
    let rest = cpus;
    while (rest.length > 0) {
      const highest = rest.reduce((max, cpu) => Math.max(max, maxKhz(cpu)), 0);
      const of = traits.get(rest[0] ?? -1);
      const kind = rest.filter((cpu) => maxKhz(cpu) >= highest * SAME_FREQUENCY_RATIO);
      if (of === undefined || kind.length === 0) break;
      kinds.push({ cpus: IndexSet.of(kind), traits: { ...of, maxKhz: highest } });
      rest = rest.filter((cpu) => maxKhz(cpu) < highest * SAME_FREQUENCY_RATIO);
    }
  }
  return kinds;
}

/** Slower before faster: by what the kernel says of capacity, by the sort of core, by frequency. */
function compare(a: Traits, b: Traits): number {
  if (a.capacity > 0 && b.capacity > 0) return a.capacity - b.capacity;
  if (a.pmu >= 0 && b.pmu >= 0 && a.pmu !== b.pmu) return a.pmu - b.pmu;
  return a.maxKhz - b.maxKhz || a.baseKhz - b.baseKhz;
}

function infoOf({ pmu, capacity, maxKhz, baseKhz }: Traits): CpuKind["info"] {
  const info: Record<string, string> = {};
  const type = PMUS[pmu]?.[1];
  if (type !== undefined) info.CoreType = type;
  if (maxKhz > 0) info.FrequencyMaxMHz = `${Math.floor(maxKhz / 1000)}`;
  if (baseKhz > 0) info.FrequencyBaseMHz = `${Math.floor(baseKhz / 1000)}`;
  if (capacity > 0) info.LinuxCapacity = `${capacity}`;
  return info;
}
