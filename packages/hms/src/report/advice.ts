import { OVER_BUDGET, OVER_BUDGET_BECAUSE } from "../kernel/journal.ts";
import { count, counted, duration, PAGE_BYTES, pagesSize, size, times } from "./format.ts";
import type { Flow, RecordedRegion, Recording } from "./recording.ts";

/** What a region's traffic suggests. */
export interface Advice {
  /** Name of the region; null: it is about all of them. */
  readonly region: string | null;
  readonly kind:
    | "over-budget"
    | "ping-pong"
    | "too-large"
    | "out-of-ram"
    | "small-touches"
    | "device-touches"
    | "duplicates";
  /** What happened, with numbers. */
  readonly what: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Pages that would not have had to move, about: what advice is ordered by. */
  readonly pages: number;
}

/** Pieces of advice that are given at most. */
const ADVICE_MAX = 6;
/** So often must a region have gone to and fro as a whole before that is worth a word. */
const ROUNDS_MIN = 2;
/** Fewer faults than this cost nothing that anyone would notice. */
const FAULTS_MIN = 256;
/** A fault that brings fewer pages than this is small. */
const PAGES_A_FAULT_SMALL = 8;

/** What the bound on RAM and the traffic of the regions suggest, what costs most first. */
export function advise(recording: Recording): Advice[] {
  const found = recording.regions.flatMap((region) => {
    const rule = RULES.map((one) => one(region, recording)).find((advice) => advice !== null);
    return rule === undefined || rule === null ? [] : [rule];
  });
  const first = overBudget(recording);
  const rest = found.sort((a, b) => b.pages - a.pages);
  return (first === null ? rest : [first, ...rest]).slice(0, ADVICE_MAX);
}

/** The bound on RAM did not hold. */
function overBudget({ ramBytes, statistics, events }: Recording): Advice | null {
  const { residentBytesMax } = statistics;
  if (ramBytes === null || residentBytesMax <= ramBytes) return null;
  const told = (why: keyof typeof OVER_BUDGET_BECAUSE): boolean =>
    events.some(({ text }) => text.endsWith(OVER_BUDGET + OVER_BUDGET_BECAUSE[why]));
  const full = told("disk full");
  if (!full && !told("pages pinned")) return null;
  return {
    region: null,
    kind: "over-budget",
    what: `The program had up to ${size(residentBytesMax)} of RAM, more than the ${size(ramBytes)} that it may have: ${full ? "the file for cold pages could take no more" : "pages were pinned or held, and could not leave"}.`,
    remedy: full
      ? "give cold pages more room: a larger `swapMax`, or by `swap` a folder on a disk that has it; or allow more RAM"
      : "have fewer pages in use by devices and system calls at a time; or allow more RAM",
    pages: Math.ceil((residentBytesMax - ramBytes) / PAGE_BYTES),
  };
}

const GO_THROUGH_LESS =
  "go through it fewer times, a piece that fits at a time; advise `sequential` where it is read in order; or allow more RAM";

type Rule = (region: RecordedRegion, recording: Recording) => Advice | null;

/** The first that applies is the region's. */
const RULES: readonly Rule[] = [tooLarge, outOfRam, pingPong, duplicates, deviceTouches, smallTouches];

function pagesOf({ size: bytes }: Pick<RecordedRegion, "size">): number {
  return Math.max(1, Math.ceil(bytes / PAGE_BYTES));
}

/** The device that most of a region's pages went to. */
function deviceOf({ flows }: RecordedRegion, { devices }: Recording): string {
  const pages = new Map<string, number>();
  for (const { to, pages: moved } of flows)
    if (devices.some(({ name }) => name === to)) pages.set(to, (pages.get(to) ?? 0) + moved);
  const [most] = [...pages].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? devices[0]?.name ?? "the device";
}

/** How often a CPU's fault took pages from a device. */
function movesHome({ flows, traffic }: RecordedRegion): number {
  const moves = flows
    .filter(
      ({ cause, to, from, duplicate }) =>
        cause === "cpu-fault" && to === "host" && from !== "swap" && !duplicate,
    )
    .reduce((sum, flow) => sum + flow.moves, 0);
  return moves > 0 ? moves : traffic.cpuFaults;
}

function tooLarge(region: RecordedRegion, recording: Recording): Advice | null {
  const { evicted, toDevice, toHost } = region.traffic;
  const pages = pagesOf(region);
  if (evicted < pages || toDevice < pages * ROUNDS_MIN || evicted * 2 < toHost) return null;
  const name = deviceOf(region, recording);
  const memory = recording.devices.find((device) => device.name === name)?.memoryBytes ?? 0;
  const fits = region.size <= memory;
  const shared = `${name} has ${size(memory)} of memory, which ${region.name} shares with other regions`;
  return {
    region: region.name,
    kind: "too-large",
    what: `${region.name} (${size(region.size)}) went to ${name} ${times(toDevice / pages)} over, and was evicted ${times(evicted / pages)} over: ${fits ? shared : `${name} has ${size(memory)} of memory`}.`,
    remedy: fits
      ? `give ${name} more memory, or bind what it rarely uses to host`
      : `bind it to host, so that ${name} does not take in what it cannot keep; or work on pieces of less than ${size(memory)} until each is done; or give ${name} more memory`,
    pages: evicted * 2,
  };
}

/** Pages of a file that had left RAM because it was short and were read again; each is read once in any case. */
function readAgain({ flows, ...region }: RecordedRegion): number {
  const sum = (of: (flow: Flow) => boolean): number =>
    flows.reduce((all, flow) => (of(flow) ? all + flow.pages : all), 0);
  const left = sum(({ to, cause }) => to === "file" && cause === "reclaim");
  const read = sum(({ from }) => from === "file");
  return Math.max(0, Math.min(left, read - pagesOf(region)));
}

function outOfRam(region: RecordedRegion, { ramBytes }: Recording): Advice | null {
  const { swappedOut, swappedIn, droppedClean } = region.traffic;
  const pages = pagesOf(region);
  const bound = ramBytes === null ? "RAM" : `the ${size(ramBytes)} of RAM that it may have`;
  const again = readAgain(region);
  if (again >= pages && again >= FAULTS_MIN) {
    return {
      region: region.name,
      kind: "out-of-ram",
      what: `${region.name} (${size(region.size)}) was read from its file ${times((again + pages) / pages)} over: the program uses more than ${bound}.`,
      remedy: GO_THROUGH_LESS,
      pages: again,
    };
  }
  if (swappedIn < pages || swappedIn < FAULTS_MIN) return null;
  return {
    region: region.name,
    kind: "out-of-ram",
    what: `${region.name} (${size(region.size)}) was read back from disk ${times(swappedIn / pages)} over, and ${pagesSize(swappedOut - droppedClean)} of it were written there: the program uses more than ${bound}.`,
    remedy: GO_THROUGH_LESS,
    pages: swappedIn + swappedOut,
  };
}

function pingPong(region: RecordedRegion, recording: Recording): Advice | null {
  const { toHost, evicted, toDevice } = region.traffic;
  const pages = pagesOf(region);
  const home = toHost - evicted;
  const moves = movesHome(region);
  if (Math.min(home, toDevice) < pages * ROUNDS_MIN && Math.min(moves, home) < FAULTS_MIN) return null;
  if (home < pages / 4 || toDevice < pages / 4) return null;
  const name = deviceOf(region, recording);
  const rounds = home / pages;
  const led = region.flows.some(({ cause, to }) => cause === "ahead" && to === "host");
  const how = led ? "by CPU faults, and ahead of more of them" : "by CPU faults";
  return {
    region: region.name,
    kind: "ping-pong",
    what: `${region.name} was brought home ${times(moves)} ${how} (${pagesSize(home)}, ${rounds >= 1.5 ? `all of it ${times(rounds)}` : `of ${size(region.size)}`}) while ${name} used it too.`,
    remedy: `bind it to host, where ${name} reaches it in place; or let the CPU read it in one pass when ${name} is done with it; if neither writes it, advise \`read-mostly\``,
    pages: home + toDevice,
  };
}

function duplicates(region: RecordedRegion, recording: Recording): Advice | null {
  const { duplicated } = region.traffic;
  const pages = pagesOf(region);
  if (duplicated < pages * ROUNDS_MIN || duplicated < FAULTS_MIN) return null;
  const name = deviceOf(region, recording);
  // What was evicted and is in no region's count were duplicates.
  const homes = recording.regions.reduce((sum, { traffic }) => sum + traffic.evicted, 0);
  const crowded = recording.statistics.evicted > homes;
  const memory = recording.devices.find((device) => device.name === name)?.memoryBytes ?? 0;
  const room = crowded ? `, or ${name} had no room left for it (${size(memory)})` : "";
  return {
    region: region.name,
    kind: "duplicates",
    what: `${region.name} (${size(region.size)}) was copied to ${name} ${times(duplicated / pages)} over: in between it was written by the CPU${room}.`,
    remedy: `${crowded ? `give ${name} more memory, so that copies can stay; ` : ""}write it rarely and in one pass; \`read-mostly\` does not pay for what is written often`,
    pages: duplicated,
  };
}

function deviceTouches(region: RecordedRegion, recording: Recording): Advice | null {
  const { deviceFaults, toDevice, duplicated, faultNs } = region.traffic;
  const moved = toDevice + duplicated;
  if (deviceFaults < FAULTS_MIN || moved < deviceFaults) return null;
  if (moved / deviceFaults > PAGES_A_FAULT_SMALL * 8) return null;
  const name = deviceOf(region, recording);
  return {
    region: region.name,
    kind: "device-touches",
    what: `${name} took ${counted(deviceFaults, "fault")} to get ${pagesSize(moved)} of ${region.name}, ${(moved / deviceFaults).toFixed(1)} pages each (${duration(faultNs)} of waiting).`,
    remedy: `prefetch to ${name} what it will use before the work is submitted: one request instead of ${count(deviceFaults)}`,
    pages: moved,
  };
}

function smallTouches(region: RecordedRegion): Advice | null {
  const { cpuFaults, toHost, evicted, swappedIn } = region.traffic;
  const home = toHost - evicted + swappedIn;
  if (cpuFaults < FAULTS_MIN || home < cpuFaults / 2) return null;
  if (home / cpuFaults > PAGES_A_FAULT_SMALL) return null;
  return {
    region: region.name,
    kind: "small-touches",
    what: `${region.name} came home in ${counted(cpuFaults, "CPU fault")} of ${(home / cpuFaults).toFixed(1)} pages each.`,
    remedy:
      "prefetch to host what will be read, in one request; where the order is random on purpose, advise `random`",
    pages: home,
  };
}
