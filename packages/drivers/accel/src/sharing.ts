import {
  CAUSE,
  COHERENT,
  EMPTY,
  HOST,
  HUGE_PAGES,
  KIND,
  LOSS,
  type LossReason,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  PRIVATE,
} from "@hms/hmm";
import {
  type DeviceCommand,
  DeviceHelper,
  type PlacementReport,
  type RefusedBy,
  ReportBuilder,
} from "@hms/policy";
import { type ErrnoName, HmsError } from "@hms/topology";
import type { DeviceChoice } from "./placer.ts";
import type { SpaceView } from "./view.ts";

/** Commands of one `place`: their results fit into a reply, and the kernel thread is not kept for long. */
export const PLACES_MAX = 32;

/** What became of one command of `place`, as a reply has it. */
export type PlaceResult =
  /** Its report is null where nothing was to be moved. */
  | { readonly state: "done"; readonly report: PlacementReport | null }
  | { readonly state: "failed"; readonly error: ControlError }
  /** One before it failed. */
  | { readonly state: "left out" };

/** An error, as a reply has it. */
export interface ControlError {
  readonly code: string;
  readonly errno: ErrnoName | null;
  readonly message: string;
}

/** Binding and migrating in the space of a view, and there only: the helper validates and records, this moves. */
export class Sharing {
  readonly #helper: DeviceHelper;

  constructor(view: SpaceView) {
    this.#helper = new DeviceHelper({
      sharing: true,
      move: ({ first, count }, to) => moveRange(view, first, count, to),
    });
  }

  /** Begins it. Throws EBUSY when it was begun, EINVAL for a range that is none. */
  begin(unmanaged: unknown): void {
    if (unmanaged === undefined || unmanaged === null) {
      this.#helper.init(null);
      return;
    }
    const { start, end } = fieldsOf(unmanaged, ["start", "end"], "what is unmanaged");
    const from = Number(whole(start, "the start of what is unmanaged"));
    const to = Number(whole(end, "the end of what is unmanaged"));
    const first = Math.floor(from / PAGE_BYTES);
    this.#helper.init({ first, count: to <= from ? 0 : Math.ceil(to / PAGE_BYTES) - first });
  }

  /** Carries commands out that a program wrote. Throws EINVAL, before anything is done, if one is not in order. */
  place(commands: unknown): PlaceResult[] {
    if (!Array.isArray(commands) || commands.length > PLACES_MAX)
      throw invalid(`commands must be an array of 1 to ${PLACES_MAX}`);
    return this.#helper
      .run(commands.map((one, i) => commandOf(one, `command ${i + 1}`)))
      .map((result) =>
        result.state === "failed" ? { state: "failed", error: errorOf(result.error) } : result,
      );
  }

  /** Says what was bound of pages from `page` on, of which `choice.count` are asked about. */
  choose(page: PageIndex, choice: DeviceChoice): void {
    const wanted = this.#helper.wanted(page);
    let count = 1;
    while (count < choice.count && this.#helper.wanted(page + count) === wanted) count++;
    choice.count = count;
    if (wanted !== null) choice.way = wanted === "device" ? "move" : "stay";
  }

  unmapped(first: PageIndex, end: PageIndex): void {
    this.#helper.unmapped({ first, count: end - first });
  }
}

export function errorOf({ code, errno, message }: HmsError): ControlError {
  return { code, errno, message };
}

/** Moves what there is of a range, at most as many pages into the device as the space may have there, and says where all of it is then. */
function moveRange(
  view: SpaceView,
  first: PageIndex,
  count: PageCount,
  to: "device" | "host",
): PlacementReport {
  const { space } = view;
  const { memory } = view.memory;
  const refused: { readonly why: Stayed; readonly pages: PageCount }[] = [];
  const end = first + count;
  const share = view.memory.shares?.most(space) ?? memory.pages;
  let left = to === "device" ? Math.min(share, memory.pages) : Number.POSITIVE_INFINITY;
  let moved = 0;
  let holes = 0;
  for (let page = first; page < end; ) {
    const region = space.regions.at(page);
    const stop = Math.min(end, region?.end ?? space.regions.after(page)?.first ?? end);
    const run = region === null ? 0 : Math.min(stop - page, left);
    left -= run;
    if (region === null) holes += stop - page;
    else if (run < stop - page)
      refused.push({ why: share < memory.pages ? NO_SHARE : TOO_MANY, pages: stop - page - run });
    if (run > 0) {
      const target = to === "device" ? memory : null;
      const report = space.core.migrate({ space, first: page, count: run, to: target, cause: CAUSE.migrate });
      moved += report.moved;
      for (const kept of report.kept)
        if (to === "device" || kept.reason !== LOSS.immovable)
          refused.push({ why: stayed(kept.reason, kept.why), pages: kept.count });
    }
    page = stop;
  }
  if (holes > 0) refused.push({ why: HOLE, pages: holes });

  const there = survey(view, first, end);
  // A page that was never touched is nowhere: the host has nothing of it to take back.
  const pages = to === "device" ? count : there.pages + holes;
  const placed = there[to];
  const builder = new ReportBuilder("preferred", pages).wanted(to, pages).placed(to, placed).moved(to, moved);
  for (const { why, pages: some } of refused) builder.refused({ target: to, ...why }, some);
  for (const [place, some] of there.places) if (place !== to) builder.elsewhere(place, some);
  return builder.elsewhere("nowhere", pages - there.pages).done();
}

interface Stayed {
  readonly by: RefusedBy;
  readonly errno: ErrnoName | null;
  readonly why: string;
}

const HOLE: Stayed = { by: "kernel", errno: "EFAULT", why: "nothing is mapped there" };
const TOO_MANY: Stayed = {
  by: "capacity",
  errno: "ENOMEM",
  why: "one command moves at most as many pages as the device's memory has",
};

const NO_SHARE: Stayed = {
  by: "share",
  errno: "ENOMEM",
  why: "the space has used up its share of the device's memory",
};

function stayed(reason: LossReason, why: string): Stayed {
  if (reason === LOSS.limit) return NO_SHARE;
  if (reason === LOSS.driverLeft || reason === LOSS.noMemory) return { by: "capacity", errno: "ENOMEM", why };
  if (reason === LOSS.refused || reason === LOSS.held) return { by: "driver", errno: null, why };
  return { by: reason === LOSS.pinned ? "pinned" : "kernel", errno: null, why };
}

/** Where the pages of a range are: in this device's memory, the host's, or other places by their names. */
interface Survey {
  readonly pages: PageCount;
  readonly device: PageCount;
  readonly host: PageCount;
  readonly places: ReadonlyMap<string, PageCount>;
}

function survey({ space, memory: { memory } }: SpaceView, first: PageIndex, end: PageIndex): Survey {
  const { table, core } = space;
  const places = new Map<string, PageCount>();
  let pages = 0;
  for (let chunk = table.next(first, end); chunk !== null; chunk = nextChunk(space, chunk.first, end)) {
    const stop = Math.min(end, chunk.first + HUGE_PAGES) - chunk.first;
    for (let i = Math.max(first, chunk.first) - chunk.first; i < stop; i++) {
      const flags = chunk.flags[i] ?? EMPTY;
      const kind = flags & KIND;
      if (kind === EMPTY) continue;
      const frame = chunk.frames[i] ?? 0;
      const here = (kind === PRIVATE || kind === COHERENT) && memory.holds(frame);
      const name = here ? "device" : kind === HOST ? "host" : core.places.name(table.placeOf(flags, frame));
      places.set(name, (places.get(name) ?? 0) + 1);
      pages++;
    }
  }
  return { pages, device: places.get("device") ?? 0, host: places.get("host") ?? 0, places };
}

function nextChunk(
  { table }: SpaceView["space"],
  first: PageIndex,
  end: PageIndex,
): ReturnType<typeof table.next> {
  return first + HUGE_PAGES < end ? table.next(first + HUGE_PAGES, end) : null;
}

// What a program wrote.

function commandOf(given: unknown, which: string): DeviceCommand {
  const fields = fieldsOf(given, ["header", "start", "end", "pages", "stride", "reserved"], which);
  const { header, start, end, pages, stride = 0, reserved = [0, 0] } = fields;
  if (!Array.isArray(reserved) || reserved.length !== 2)
    throw invalid(`${which}: reserved must be two zeros`);
  return {
    header: whole(header, `${which}: header`),
    start: whole(start, `${which}: start`),
    end: whole(end, `${which}: end`),
    pages: Number(whole(pages, `${which}: pages`)),
    stride: Number(whole(stride, `${which}: stride`)),
    reserved: [
      Number(whole(reserved[0], `${which}: reserved`)),
      Number(whole(reserved[1], `${which}: reserved`)),
    ],
  };
}

function fieldsOf(given: unknown, names: readonly string[], which: string): Record<string, unknown> {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw invalid(`${which} must be an object of ${names.join(", ")}`);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw invalid(`${which} has ${names.join(", ")}, but not ${JSON.stringify(unknown.slice(0, 40))}`);
  return { ...given };
}

/** A number as JSON has it: whole, and exact. */
function whole(given: unknown, what: string): bigint {
  if (!Number.isSafeInteger(given)) throw invalid(`${what} must be a whole number below 2^53 and exact`);
  return BigInt(given as number);
}

function invalid(what: string): HmsError {
  return new HmsError("DEVICE_COMMAND_INVALID", "EINVAL", `Bind for a device: ${what}`);
}
