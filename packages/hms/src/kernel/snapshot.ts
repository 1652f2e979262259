import {
  ANON,
  CAUSE,
  DIRTY,
  EMPTY,
  HOST,
  HUGE_PAGES,
  KIND,
  LOST,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  PRIVATE,
  type Space,
  SWAP,
  WRITE,
  ZERO,
} from "@hms/hmm";
import type { LinuxHost } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, Later, Output } from "@hms/uabi";
import { labelOf } from "../label.ts";
import type { Kernel } from "./kernel.ts";
import type { PeerEntry, RegionEntry } from "./objects.ts";

const bytes = new Uint8Array(PAGE_BYTES);
const words = new BigUint64Array(bytes.buffer);

/** Pages that are copied between two signs of life. */
const STEP: PageCount = 4 * HUGE_PAGES;
type Snapshot = Later<Output<CoreRegistry, "region", "snapshot">>;

/**
 * A new region with the content of another. First every page is taken from wherever it could be written, then all are
 * copied; nobody can write in between, because this thread answers no faults until it is done. What is on disk is
 * shared there. Pages of shared and file regions cannot be taken away from everyone: those are copied one by one, and
 * faults are answered meanwhile.
 */
export function* snapshotting(
  kernel: Kernel,
  source: RegionEntry,
  maker: PeerEntry,
  later: Snapshot,
): Generator<boolean, void> {
  let made: RegionEntry | null = null;
  try {
    const host = kernel.open;
    expectWhole(source.space.linux.space, source);
    made = emptyLike(kernel, source, maker);
    const atOnce = source.linux.file === null;
    if (atOnce) takeAway(host, source.space.linux.space, source);
    for (let k = 0; k < source.pages; ) {
      const end = Math.min(source.pages, k + STEP);
      k = copyPages(host, source, made, k, end);
      kernel.beat();
      if (atOnce) continue;
      yield true;
      if (!source.space.regions.has(source) || !made.space.regions.has(made)) throw gone(source);
    }
    later.answer({ snapshot: made.handle, address: made.first * PAGE_BYTES, size: made.pages * PAGE_BYTES });
  } catch (error) {
    if (made?.space.regions.has(made) === true) kernel.destroyRegion(made);
    later.fail(error);
  }
}

function gone({ name }: RegionEntry): HmsError {
  return new HmsError(
    "REGION_FREED",
    "ENOENT",
    `Making a snapshot of ${name} failed: it was freed meanwhile.`,
  );
}

function emptyLike(kernel: Kernel, source: RegionEntry, maker: PeerEntry): RegionEntry {
  const file = source.kind === "copy" ? source.options.file : undefined;
  const options = {
    bytes: source.pages * PAGE_BYTES,
    huge: source.options.huge ?? null,
    ...(file === undefined ? {} : { file }),
  };
  const kind = source.kind === "copy" ? "copy" : "anonymous";
  return kernel.addRegion(source.space, options, kind, labelOf(source.name, " snapshot"), maker);
}

/** Copies pages `from` to `end` - 1 of the region; where there is nothing it may go further. Returns how far it came. */
function copyPages(
  host: LinuxHost,
  source: RegionEntry,
  made: RegionEntry,
  from: PageCount,
  end: PageCount,
): PageCount {
  const { space } = source.space.linux;
  // What the core has no entry for may be in the file, or on disk.
  const inCache = source.linux.file !== null;
  let k = from;
  while (k < end) {
    const page = source.first + k;
    if (!inCache && space.table.next(page, page + 1) === null) {
      k += HUGE_PAGES - (page % HUGE_PAGES);
      continue;
    }
    copyPage(host, source, page, made.first + k, inCache);
    k++;
  }
  return k;
}

function expectWhole(space: Space, { first, pages, name }: RegionEntry): void {
  const end = first + pages;
  for (let chunk = space.table.next(first, end); chunk !== null; ) {
    for (let index = 0; index < HUGE_PAGES; index++) {
      if (((chunk.flags[index] ?? 0) & KIND) !== LOST) continue;
      throw new HmsError(
        "PAGES_LOST",
        "EIO",
        `Making a snapshot of ${name} failed: page ${chunk.first + index} was lost with its device.`,
      );
    }
    chunk = space.table.next(chunk.first + HUGE_PAGES, end);
  }
}

/** From now on every touch of the region's pages is a fault, which waits until this thread has time. */
function takeAway(host: LinuxHost, space: Space, { first, pages }: RegionEntry): void {
  const end = first + pages;
  for (let chunk = space.table.next(first, end); chunk !== null; ) {
    for (let index = 0; index < HUGE_PAGES; index++) {
      const flags = chunk.flags[index] ?? EMPTY;
      const kind = flags & KIND;
      if ((kind === HOST || kind === PRIVATE) && (flags & ZERO) === 0)
        host.pages.reach(chunk.frames[index] ?? 0);
    }
    chunk = space.table.next(chunk.first + HUGE_PAGES, end);
  }
}

/** Zeros need no page, unless a file would be seen in their place. */
function copyPage(
  host: LinuxHost,
  source: RegionEntry,
  from: PageIndex,
  to: PageIndex,
  fetch: boolean,
): void {
  const { space } = source.space.linux;
  if (fetch && (space.table.flagsAt(from) & KIND) === EMPTY)
    expectOk(host.fault(space, from, false, CAUSE.cpuFault));
  const flags = space.table.flagsAt(from);
  if ((flags & KIND) === EMPTY || (flags & ZERO) !== 0) return;
  if ((flags & KIND) === SWAP) {
    host.shareSwap(space.table.frameAt(from));
    space.install(to, SWAP | ANON, space.table.frameAt(from), CAUSE.copyOnWrite);
    return;
  }
  // Read first: making room for the copy may send the page to disk.
  host.core.read(space.table.frameAt(from), 0, bytes, null);
  if (source.kind !== "copy" && words.every((word) => word === 0n)) return;
  const frame = host.allocate(space, false);
  if (frame === NO_FRAME) expectOk(12);
  host.write(frame, 0, bytes, null);
  space.install(to, HOST | ANON | WRITE | DIRTY, frame, CAUSE.copyOnWrite);
}

function expectOk(errno: number): void {
  if (errno === OK) return;
  throw new HmsError(
    "SNAPSHOT_FAILED",
    errno === 12 ? "ENOMEM" : "EIO",
    `Making a snapshot failed: ${errno === 12 ? "no memory is left" : "a page cannot be read"}.`,
  );
}
