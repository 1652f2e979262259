import { EFAULT, EINVAL, ENOMEM, type Errno, errnoOf, OK } from "@hms/hmm";
import { type MapRequest, ModelFile, type ModelProcess } from "@hms/host-model";
import { HmsError } from "@hms/topology";
import { MAP } from "./program.ts";
import type { Run } from "./run.ts";
import { ANONYMOUS, FILE_PRIVATE, FILE_SHARED, FileShadow, SpaceShadow, UNMAPPED, WORDS } from "./shadow.ts";
import { FILE_PAGES, FILES, NAMED_FILES, PINS, SPACES } from "./world.ts";

const PROTECTIONS = ["none", "none", "r", "rw"] as const;

interface Range {
  readonly space: number;
  readonly process: ModelProcess;
  readonly shadow: SpaceShadow;
  readonly first: number;
  /** The page after the last, in the window. */
  readonly end: number;
}

function rangeOf(run: Run, i: number): Range | null {
  const { program, world } = run;
  const space = program.actor(i);
  const process = world.process(space);
  if (process === null) return null;
  const first = program.first(i);
  const end = Math.min(world.profile.windowPages, first + program.count(i));
  return { space, process, shadow: world.shadow(space), first, end };
}

/** Does a call that changes what is mapped, and has everything in the range looked at afterwards. */
function change(run: Run, { space, first, end }: Range, call: () => Errno): Errno {
  run.changing++;
  const errno = call();
  run.changing--;
  run.touchRange(space, first, end - first);
  return errno;
}

export function map(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { program, world } = run;
  const what = program.x(i) & 15;
  const access = program.x(i) >> 4;
  const request = requestOf(run, what, range, program.y(i));
  if (request === null) return;
  const { process, shadow, first, end } = range;
  const at = world.base + first;
  world.reserved[request.file] = what === MAP.shared ? 1 : 0;
  const errno = change(run, range, () => {
    const page = process.mmap({
      ...request.map,
      pages: end - first,
      protection: PROTECTIONS[access] ?? "rw",
      at,
    });
    return page < 0 ? -page : OK;
  });
  world.reserved[request.file] = 0;
  if (!run.expect("mapping", errno, OK)) {
    forgetUnmapped(run, range);
    return;
  }
  const file = what === MAP.shared ? adoptShared(run, range, request.file) : request.file;
  for (let page = first; page < end; page++) {
    run.drop(shadow, page);
    shadow.access[page] = access;
    shadow.flavour[page] = request.flavour;
    shadow.file[page] = file;
    shadow.filePage[page] = request.offset + page - first;
  }
}

interface Request {
  readonly map: Omit<MapRequest, "pages">;
  readonly flavour: number;
  readonly file: number;
  readonly offset: number;
}

function requestOf(run: Run, what: number, range: Range, y: number): Request | null {
  if (what === MAP.anonymous) return { map: {}, flavour: ANONYMOUS, file: 0, offset: 0 };
  if (what === MAP.huge) return { map: { huge: true }, flavour: ANONYMOUS, file: 0, offset: 0 };
  if (what === MAP.shared) {
    const file = range.end - range.first > FILE_PAGES ? -1 : freeFile(run);
    return file < 0 ? null : { map: { share: "shared" }, flavour: FILE_SHARED, file, offset: 0 };
  }
  const index = y & 255;
  const file = run.world.files[index] ?? null;
  if (file === null) return null;
  const share = what === MAP.fileShared ? "shared" : "private";
  const offset = y >> 8;
  const flavour = what === MAP.fileShared ? FILE_SHARED : FILE_PRIVATE;
  return { map: { share, backing: { kind: "file", file: file.file, offset } }, flavour, file: index, offset };
}

/** A place for shared anonymous memory: one that no page refers to any more. */
function freeFile(run: Run): number {
  const used = run.world.reserved.slice();
  for (const shadow of run.world.shadows) {
    for (let page = 0; page < shadow.pages; page++) {
      if (shadow.access[page] !== UNMAPPED && shadow.flavour[page] !== ANONYMOUS)
        used[shadow.file[page] ?? 0] = 1;
    }
  }
  for (let file = NAMED_FILES; file < FILES; file++) if (used[file] === 0) return file;
  return -1;
}

function adoptShared(run: Run, { process, first, end }: Range, wanted: number): number {
  const { world } = run;
  const backing = process.space.regions.at(world.base + first)?.backing;
  if (backing instanceof ModelFile) {
    world.files[wanted] = { file: backing, shadow: new FileShadow("memory", end - first, FILE_PAGES) };
  } else if (!run.loose) {
    world.fail("shared memory has no file behind it");
  }
  return wanted;
}

/** After a call that failed half way: what is not mapped any more is not. */
function forgetUnmapped(run: Run, { process, shadow, first, end }: Range): void {
  for (let page = first; page < end; page++) {
    if (process.space.regions.at(run.world.base + page) !== null) continue;
    run.drop(shadow, page);
    shadow.access[page] = UNMAPPED;
  }
}

export function unmap(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { process, shadow, first, end } = range;
  const errno = change(run, range, () => process.munmap(run.world.base + first, end - first));
  if (!run.expect("unmapping", errno, OK)) return;
  for (let page = first; page < end; page++) {
    run.drop(shadow, page);
    shadow.access[page] = UNMAPPED;
  }
}

function hasHole({ shadow, first, end }: Range): boolean {
  for (let page = first; page < end; page++) if (shadow.access[page] === UNMAPPED) return true;
  return false;
}

export function protect(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { process, shadow, first, end } = range;
  const access = run.program.x(i);
  const expected = hasHole(range) ? ENOMEM : OK;
  const errno = change(run, range, () =>
    process.mprotect(run.world.base + first, end - first, PROTECTIONS[access] ?? "rw"),
  );
  run.expect("protecting", errno, expected);
  if (errno !== OK && errno !== ENOMEM) return;
  // Up to the first hole.
  for (let page = first; page < end && shadow.access[page] !== UNMAPPED; page++) shadow.access[page] = access;
}

export function remap(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { program, world } = run;
  const { space, process, shadow, first } = range;
  const to = program.x(i);
  const count = Math.min(range.end - first, world.profile.windowPages - to);
  const end = first + count;
  if (count < 1 || (to < end && first < to + count)) return;
  const source = { ...range, end };
  const target = { ...range, first: to, end: to + count };
  const keepOld = program.y(i) === 1;
  const errno = change(run, source, () => {
    const page = process.mremap(world.base + first, count, { to: world.base + to, keepOld });
    return page < 0 ? -page : OK;
  });
  run.touchRange(space, to, count);
  // Whether a range is one region is the host's to know: neighbours may have been joined.
  const expected = errno === EFAULT || hasHole(source) ? EFAULT : OK;
  if (!run.expect("moving a range", errno, expected)) {
    forgetUnmapped(run, target);
    return;
  }
  const moved = new SpaceShadow(count);
  for (let k = 0; k < count; k++) moved.copyPage(k, shadow, first + k);
  for (let k = 0; k < count; k++) {
    run.drop(shadow, first + k);
    if (!keepOld) shadow.access[first + k] = UNMAPPED;
  }
  for (let k = 0; k < count; k++) {
    run.drop(shadow, to + k);
    shadow.copyPage(to + k, moved, k);
  }
}

export function discard(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { process, shadow, first, end } = range;
  const expected = hasHole(range) ? ENOMEM : OK;
  const errno = change(run, range, () => process.madvise(run.world.base + first, end - first, "dontneed"));
  run.expect("discarding", errno, expected);
  if (errno !== OK && errno !== ENOMEM) {
    // Some of it may be gone.
    if (run.loose) run.journal.noteUncertain(0);
    return;
  }
  for (let page = first; page < end; page++) {
    if (shadow.access[page] === UNMAPPED) continue;
    shadow.pinned[page] = 0;
    if (shadow.flavour[page] !== FILE_SHARED) run.drop(shadow, page);
  }
}

export function pageOut(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { space, process, first, end } = range;
  const errno = process.madvise(run.world.base + first, end - first, "pageout");
  run.touchRange(space, first, end - first);
  run.expect("paging out", errno, hasHole(range) ? ENOMEM : OK);
}

export function collapse(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { space, process, first, end } = range;
  process.madvise(run.world.base + first, end - first, "collapse");
  run.touchRange(space, first, end - first);
}

export function adviseHuge(run: Run, i: number): void {
  const range = rangeOf(run, i);
  if (range === null) return;
  const { process, first, end } = range;
  const errno = process.madvise(
    run.world.base + first,
    end - first,
    run.program.x(i) === 1 ? "hugepage" : "nohugepage",
  );
  // On DAX it is no advice.
  if (errno !== EINVAL) run.expect("advising", errno, hasHole(range) ? ENOMEM : OK);
}

export function fork(run: Run, i: number): void {
  const { program, world } = run;
  const parent = program.actor(i);
  const process = world.process(parent);
  const free = world.processes.indexOf(null);
  if (process === null || free < 0) return;
  const from = world.shadow(parent);
  if (run.loose) noteAll(run, from);
  let child: ModelProcess;
  run.changing++;
  try {
    child = process.fork();
  } catch (error) {
    if (!HmsError.is(error)) throw error;
    run.expect("forking", errnoOf(error.errno), OK);
    return;
  } finally {
    run.changing--;
  }
  // Another operation may have taken the place meanwhile.
  const place = world.processes.indexOf(null);
  if (place < 0) {
    child.exit();
    return;
  }
  world.adopt(place, child);
  const shadow = world.shadow(place);
  for (let page = 0; page < shadow.pages; page++) {
    shadow.copyPage(page, from, page);
    if (run.loose) run.settle(place, page);
  }
  if (run.loose) noteAll(run, from);
  run.succeeded++;
}

/** What a child gets is what the parent had at some time during the fork. */
function noteAll(run: Run, shadow: SpaceShadow): void {
  run.journal.noteUncertain(0);
  for (let at = 0; at < shadow.pages * WORDS; at++) {
    if (shadow.words[at] !== 0) run.journal.noteUncertain(shadow.words[at] ?? 0);
  }
}

export function exit(run: Run, i: number): void {
  const { program, world } = run;
  const space = program.actor(i);
  const process = world.process(space);
  if (process === null) return;
  run.changing++;
  const errno = process.exit();
  run.changing--;
  if (!run.expect("exiting", errno, OK)) return;
  // Within this one it may have ended already, and another have come in its place.
  if (world.process(space) !== process) return;
  world.processes[space] = null;
  for (let pin = 0; pin < PINS; pin++) if (world.pins[pin]?.space === space) world.pins[pin] = null;
  const shadow = world.shadow(space);
  shadow.access.fill(UNMAPPED);
  shadow.pinned.fill(0);
  for (let device = 0; device < world.devices.length; device++) {
    const handle = world.handles[device * SPACES + space] ?? null;
    world.handles[device * SPACES + space] = null;
    handle?.close();
  }
  if (world.processes.every((one) => one === null)) world.spawn(0);
}

export function spawn(run: Run, _i: number): void {
  const free = run.world.processes.indexOf(null);
  if (free >= 0) run.world.spawn(free);
}
