import {
  ANON,
  checkInvariants,
  EAGAIN,
  EBUSY,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  ENOENT,
  ENOMEM,
  ENOSPC,
  EPERM,
  type Errno,
  ESRCH,
  errnoName,
  KIND,
  LOST,
  MAY_WRITE,
  OK,
  PAGE_BYTES,
  WRITE,
} from "@hms/hmm";
import type { ModelProcess } from "@hms/host-model";
import { HmsError } from "@hms/topology";
import { execute } from "./execute.ts";
import { Journal } from "./journal.ts";
import { Losses } from "./losses.ts";
import { FOUND, GONE, NOTHING, ON_ITS_WAY, Peek } from "./peek.ts";
import { DEPTH_MAX } from "./plan.ts";
import type { Program } from "./program.ts";
import {
  FILE_PRIVATE,
  FILE_SHARED,
  READ_WRITE,
  type SpaceShadow,
  UNMAPPED,
  WORD_OFFSETS,
  WORDS,
} from "./shadow.ts";
import { FILE_PAGES, FILES, NAMED_FILES, SPACES, TortureFailure, type World } from "./world.ts";

/** Pages that are looked at after each operation, at most; the rest waits for the next look at everything. */
const TOUCHED_MAX = 24;
/** Errors that an operation may end with when others were under way at the same time. */
const IN_THE_WAY: ReadonlySet<Errno> = new Set([
  OK,
  EAGAIN,
  EBUSY,
  EFAULT,
  EIO,
  ENOMEM,
  ENOSPC,
  EPERM,
  ENOENT,
  EINVAL,
  ENODEV,
  ESRCH,
]);
/** Errors for want of memory, or because a driver was made to fail or to refuse. */
const IN_NEED: ReadonlySet<Errno> = new Set([ENOMEM, ENOSPC, EFAULT, EIO, EBUSY]);

/** Does the operations of a program and looks after each whether everything is as it must be. */
export class Run {
  readonly world: World;
  readonly program: Program;
  readonly peek: Peek;
  readonly journal = new Journal();
  readonly losses: Losses;
  /** Operations done, those within others too. */
  done = 0;
  /** Operations that ended with OK. */
  succeeded = 0;
  /** How many operations that change what is mapped, or what a file holds, are under way. */
  changing = 0;
  readonly #touched = new Int32Array(TOUCHED_MAX * 2);
  #touchedCount = 0;
  readonly #settle: number[] = [];
  readonly #settleFiles = new Set<number>();
  readonly #current: number[] = new Array(DEPTH_MAX + 1).fill(0);
  readonly #points: number[] = new Array(DEPTH_MAX + 1).fill(0);
  readonly #next: number[] = new Array(DEPTH_MAX + 1).fill(0);
  #end = 0;
  #wasExcused = false;

  constructor(world: World, program: Program) {
    this.world = world;
    this.program = program;
    this.peek = new Peek(world.host);
    this.losses = new Losses(this);
  }

  /** Whether others are under way at the same time, so that much may be in the way. */
  get loose(): boolean {
    return this.journal.open;
  }

  /** Does operation `i` with those within it, which go up to `end`, and looks at what they touched. */
  step(i: number, end: number): void {
    const { plan } = this.world;
    this.#touchedCount = 0;
    if (end - i > 1) {
      this.journal.begin();
      plan.onPoint = () => this.#point();
      this.#end = end;
    }
    const starved = this.world.starved;
    this.#wasExcused = this.#isExcused();
    plan.level = 0;
    this.#enter(i);
    plan.onPoint = null;
    if (starved) this.world.host.failNextAllocations(0);
    if (starved) this.world.starved = false;
    this.#settlePages();
    this.losses.settle();
    this.journal.end();
    for (let k = 0; k < this.#touchedCount; k++) {
      this.verifyPage(this.#touched[2 * k] ?? 0, this.#touched[2 * k + 1] ?? 0);
    }
  }

  #enter(i: number): void {
    const { plan } = this.world;
    const level = ++plan.level;
    this.#current[level] = i;
    this.#points[level] = 0;
    this.#next[level] = i + 1;
    this.done++;
    try {
      execute(this, i);
    } catch (error) {
      if (error instanceof TortureFailure || !HmsError.is(error)) throw error;
      throw new TortureFailure(`threw ${error.code} ${error.errno}: ${error.message}`);
    }
    plan.level--;
  }

  /** A point where others may run: the operation of the plan does. */
  #point(): void {
    const { plan } = this.world;
    const { level } = plan;
    if (level === 0 || level >= DEPTH_MAX) return;
    const points = (this.#points[level] ?? 0) + 1;
    this.#points[level] = points;
    for (;;) {
      const next = this.#nextWithin(level);
      if (next < 0 || this.program.at(next) > points) return;
      this.#next[level] = next + 1;
      this.#enter(next);
    }
  }

  #nextWithin(level: number): number {
    const parent = this.#current[level] ?? 0;
    for (let i = this.#next[level] ?? 0; i < this.#end; i++) if (this.program.parent(i) === parent) return i;
    return -1;
  }

  /** A page is to be looked at after the operation. */
  touch(space: number, page: number): void {
    if (this.#touchedCount === TOUCHED_MAX) return;
    this.#touched[2 * this.#touchedCount] = space;
    this.#touched[2 * this.#touchedCount + 1] = page;
    this.#touchedCount++;
  }

  touchRange(space: number, first: number, count: number): void {
    const pages = this.world.profile.windowPages;
    for (let page = first; page < Math.min(pages, first + count); page++) {
      if (this.#touchedCount === TOUCHED_MAX) break;
      this.touch(space, page);
    }
    if (this.loose)
      for (let page = first; page < Math.min(pages, first + count); page++) this.settle(space, page);
  }

  /** What a page holds is known only when everything that is under way has ended. */
  settle(space: number, page: number): void {
    this.#settle.push(space, page);
    const shadow = this.world.shadow(space);
    if (shadow.access[page] !== UNMAPPED && shadow.flavour[page] === FILE_SHARED)
      this.settleFile(shadow.file[page] ?? 0);
  }

  /** The same for a file. */
  settleFile(file: number): void {
    this.#settleFiles.add(file);
  }

  /** Checks how an operation ended: as it must, or as it may when others or a want of memory were in the way. */
  expect(what: string, errno: Errno, expected: Errno): boolean {
    if (errno === expected) {
      if (errno === OK) this.succeeded++;
      return errno === OK;
    }
    const excused = this.loose
      ? IN_THE_WAY.has(errno)
      : errno !== OK && IN_NEED.has(errno) && (this.#wasExcused || this.#isExcused());
    if (!excused) {
      this.world.fail(
        `${what} answered ${errno === OK ? "OK" : errnoName(errno)}, must be ${expected === OK ? "OK" : errnoName(expected)}`,
      );
    }
    return errno === OK;
  }

  /** Whether something may fail that otherwise must not. */
  #isExcused(): boolean {
    const { world } = this;
    if (world.strained) return true;
    for (let i = 0; i < world.devices.length; i++) {
      const { inject } = world.device(i);
      if (inject.copiesLeft >= 0 || inject.failAllocation) return true;
      if ((world.refusing[i] ?? 0) > 0 || (world.holds[i]?.size ?? 0) > 0) return true;
    }
    return false;
  }

  /** A word of a page was written. */
  commit(shadow: SpaceShadow, page: number, word: number, value: number): void {
    this.own(shadow, page);
    if (!this.world.locate(shadow, page)) {
      if (this.loose) return;
      this.world.fail(`page ${page} was written beyond the end of its file`);
    }
    this.set(this.world.slot, this.world.slotAt + word, value, true);
  }

  /** A write to a private mapping of a file makes the page the process's own. */
  own(shadow: SpaceShadow, page: number): void {
    if (shadow.flavour[page] !== FILE_PRIVATE || shadow.copied[page] === 1) return;
    if (!this.world.locate(shadow, page)) return;
    const { slot, slotAt } = this.world;
    for (let word = 0; word < WORDS; word++)
      this.set(shadow.words, page * WORDS + word, slot[slotAt + word] ?? 0);
    shadow.copied[page] = 1;
  }

  /** After an operation that faults for writing and may have ended early: a private mapping's page may be its own now. */
  settleOwn(shadow: SpaceShadow, space: number, page: number): void {
    if (shadow.flavour[page] !== FILE_PRIVATE || shadow.copied[page] === 1) return;
    const process = this.world.process(space);
    const flags = process?.space.table.flagsAt(this.world.base + page) ?? 0;
    if ((flags & KIND) !== 0 && (flags & ANON) !== 0) this.own(shadow, page);
  }

  settleOwnRange(shadow: SpaceShadow, space: number, first: number, count: number): void {
    for (let page = first; page < first + count; page++) this.settleOwn(shadow, space, page);
  }

  /** Sets a word of the shadow. `last`: nothing else runs between the write and this, so what is there is known. */
  set(words: Int32Array, at: number, value: number, last = false): void {
    const { journal } = this;
    if (last) {
      journal.note(words[at] ?? 0);
      journal.note(value);
    } else if (journal.open) {
      journal.noteUncertain(words[at] ?? 0);
      journal.noteUncertain(value);
    }
    words[at] = value;
  }

  /** The page's content is dropped: it begins anew. */
  drop(shadow: SpaceShadow, page: number): void {
    if (this.journal.open) {
      this.journal.noteUncertain(0);
      const located = shadow.access[page] !== UNMAPPED && this.world.locate(shadow, page);
      const { slot, slotAt } = this.world;
      for (let word = 0; located && word < WORDS; word++)
        this.journal.noteUncertain(slot[slotAt + word] ?? 0);
    }
    shadow.clear(page);
  }

  /** Compares a word that someone read. */
  compare(what: string, shadow: SpaceShadow, page: number, word: number, value: number): void {
    if (this.changing > 0) return;
    if (!this.world.locate(shadow, page)) {
      if (!this.loose) this.world.fail(`${what}: page ${page} is beyond the end of its file, but was read`);
      return;
    }
    const expected = this.world.slot[this.world.slotAt + word] ?? 0;
    if (value === expected || (this.loose && this.journal.wasSeen(value))) return;
    this.world.fail(`${what}: word ${word} of page ${page} is ${value}, must be ${expected}`);
  }

  /** Compares the words of pages in a buffer, page by page. */
  compareBuffer(what: string, shadow: SpaceShadow, first: number, count: number, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let i = 0; i < count; i++) {
      for (let word = 0; word < WORDS; word++) {
        const value = view.getInt32(i * PAGE_BYTES + (WORD_OFFSETS[word] ?? 0), true);
        this.compare(what, shadow, first + i, word, value);
      }
    }
  }

  #settlePages(): void {
    const list = this.#settle;
    for (let k = 0; k < list.length; k += 2) this.#settlePage(list[k] ?? 0, list[k + 1] ?? 0);
    list.length = 0;
    for (const file of this.#settleFiles) this.#settleFilePages(file);
    this.#settleFiles.clear();
  }

  #settleFilePages(index: number): void {
    const file = this.world.files[index] ?? null;
    if (file === null) return;
    for (let page = 0; page < Math.min(file.shadow.pages, file.file.pages); page++) {
      this.peek.filePage(file.file, page);
      this.#takeWords(`page ${page} of file ${index}`, file.shadow.words, page * WORDS);
    }
  }

  /** Takes what is there, if it is one of the values that it may have. */
  #takeWords(what: string, words: Int32Array, at: number, anySeen = false): void {
    for (let word = 0; word < WORDS; word++) {
      const value = this.peek.words[word] ?? 0;
      const known = words[at + word] ?? 0;
      if (value === known) continue;
      if (!(anySeen ? this.journal.wasSeen(value) : this.journal.mayRemain(value))) {
        this.world.fail(
          `word ${word} of ${what} is ${value} after operations at the same time, none of which wrote that; it was ${known}`,
        );
      }
      words[at + word] = value;
    }
  }

  #settlePage(space: number, page: number): void {
    const process = this.world.process(space);
    if (process === null) return;
    const shadow = this.world.shadow(space);
    const found = this.peek.page(process, this.world.base + page);
    if (shadow.flavour[page] === FILE_PRIVATE) {
      const flags = process.space.table.flagsAt(this.world.base + page);
      if (found === NOTHING || (flags & ANON) === 0) shadow.copied[page] = 0;
      else this.own(shadow, page);
    }
    if (found === GONE || found === ON_ITS_WAY || !this.world.locate(shadow, page)) return;
    if (found === NOTHING) {
      if (shadow.owns(page)) this.peek.words.fill(0);
      else if (!this.#peekFile(shadow, page)) return;
      this.world.locate(shadow, page);
    }
    // When a copy of a file's page was made is not known: it has what the file had at some time.
    const copied = shadow.flavour[page] === FILE_PRIVATE && shadow.copied[page] === 1;
    this.#takeWords(`page ${page} of process ${space}`, this.world.slot, this.world.slotAt, copied);
  }

  /** What a page holds now, also when its file is on the disk; false when that cannot be seen. */
  actual(space: number, page: number): boolean {
    const process = this.world.process(space);
    if (process === null) return false;
    const shadow = this.world.shadow(space);
    const found = this.peek.page(process, this.world.base + page);
    if (found !== NOTHING) return found === FOUND;
    if (!shadow.owns(page)) return this.#peekFile(shadow, page);
    this.peek.words.fill(0);
    return true;
  }

  /** What a file holds in a page, wherever that is; false beyond its end. */
  #peekFile(shadow: SpaceShadow, page: number): boolean {
    const file = this.world.files[shadow.file[page] ?? 0] ?? null;
    const filePage = shadow.filePage[page] ?? 0;
    if (file === null || filePage >= file.file.pages) return false;
    this.peek.filePage(file.file, filePage);
    return true;
  }

  /** Looks at one page: what it holds, what the process and the devices may do with it. */
  verifyPage(space: number, page: number): void {
    const { world } = this;
    const process = world.process(space);
    if (process === null || page >= world.profile.windowPages) return;
    const shadow = world.shadow(space);
    const flags = process.space.table.flagsAt(world.base + page);
    const region = process.space.regions.at(world.base + page);
    const access = region === null ? 0 : region.writable ? 3 : region.readable ? 2 : 1;
    if (access !== shadow.access[page])
      this.#wrong(space, page, `has access ${access}, must be ${shadow.access[page]}`);
    if (((flags & KIND) === LOST) !== (shadow.lost[page] === 1)) {
      this.#wrong(space, page, shadow.lost[page] === 1 ? "must be lost" : "must not be lost");
    }
    if ((flags & WRITE) !== 0 && access !== READ_WRITE)
      this.#wrong(space, page, "is writable, its region is not");
    const found = this.peek.page(process, world.base + page);
    if (found === ON_ITS_WAY) this.#wrong(space, page, "is still on its way");
    const located = access !== 0 && world.locate(shadow, page);
    if (!located) {
      if (found !== NOTHING)
        this.#wrong(space, page, access === 0 ? "is there, but nothing is mapped" : "is beyond its file");
    } else if (found === FOUND) this.#verifyWords(space, page, "holds");
    else if (found === NOTHING) this.#verifyNothing(space, page, shadow);
    this.#verifyPin(space, page, shadow, process);
    this.#verifyDevices(space, page, located, access);
  }

  #verifyWords(space: number, page: number, what: string): void {
    const { slot, slotAt } = this.world;
    for (let word = 0; word < WORDS; word++) {
      if (this.peek.words[word] === slot[slotAt + word]) continue;
      this.#wrong(
        space,
        page,
        `${what} ${this.peek.words[word]} as word ${word}, must be ${slot[slotAt + word]}`,
      );
    }
  }

  #verifyNothing(space: number, page: number, shadow: SpaceShadow): void {
    if (!shadow.owns(page)) return;
    if (shadow.copied[page] === 1) this.#wrong(space, page, "was the process's own, and is not there");
    for (let word = 0; word < WORDS; word++) {
      const must = shadow.words[page * WORDS + word];
      if (must !== 0) this.#wrong(space, page, `is empty, but word ${word} must be ${must}`);
    }
  }

  #verifyPin(space: number, page: number, shadow: SpaceShadow, process: ModelProcess): void {
    const pinned = shadow.pinned[page] ?? 0;
    if (pinned === 0) return;
    const frame = process.space.table.frameAt(this.world.base + page);
    if (frame + 1 !== pinned)
      this.#wrong(space, page, `is pinned to frame ${pinned - 1}, but is frame ${frame}`);
  }

  /** Every device that maps the page may, and sees the same words. */
  #verifyDevices(space: number, page: number, located: boolean, access: number): void {
    const { world } = this;
    for (let device = 0; device < world.devices.length; device++) {
      const handle = world.handles[device * SPACES + space] ?? null;
      const right = handle === null ? 0 : handle.table.right(world.base + page);
      if (handle === null || right === 0 || !handle.mirror.open) continue;
      if (!located || access < 2)
        this.#wrong(space, page, `is mapped by device ${device} although it may not`);
      if (right >= MAY_WRITE && access !== READ_WRITE)
        this.#wrong(space, page, `may be written by device ${device}`);
      this.peek.frame(handle.table.frame(world.base + page));
      this.#verifyWords(space, page, `for device ${device} holds`);
    }
  }

  #wrong(space: number, page: number, what: string): never {
    this.world.fail(`page ${page} of process ${space} ${what}`);
  }

  /** Looks at everything: the core's own invariants, and every byte of every page and file. */
  verifyAll(): void {
    const [problem] = checkInvariants(this.world.host.core);
    if (problem !== undefined) this.world.fail(problem);
    for (let space = 0; space < SPACES; space++) {
      const process = this.world.process(space);
      if (process === null) continue;
      for (let page = 0; page < this.world.profile.windowPages; page++) {
        this.verifyPage(space, page);
        this.#verifyOtherBytes(space, page, this.peek.bytes(process, this.world.base + page));
      }
    }
    for (let file = 0; file < FILES; file++) this.#verifyFile(file);
  }

  #verifyOtherBytes(space: number, page: number, bytes: Uint8Array | null): void {
    if (bytes === null) return;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_BYTES / 4);
    let others = 0;
    for (let i = 1; i < 513; i++) others |= words[i] ?? 0;
    for (let i = 514; i < 1023; i++) others |= words[i] ?? 0;
    if (others === 0) return;
    for (let i = 1; i < 1023; i++) {
      if (words[i] === 0 || i === 513) continue;
      this.#wrong(space, page, `holds ${words[i]} at byte ${i * 4}, which nobody wrote`);
    }
  }

  #verifyFile(index: number): void {
    const file = this.world.files[index] ?? null;
    if (file === null) return;
    if (file.file.pages !== file.shadow.pages) {
      // Shared anonymous memory is closed when nothing maps it any more.
      if (index >= NAMED_FILES && file.file.pages === 0) return;
      this.world.fail(`file ${index} has ${file.file.pages} pages, must have ${file.shadow.pages}`);
    }
    const { words } = this.peek;
    for (let page = 0; page < Math.min(file.shadow.pages, FILE_PAGES); page++) {
      this.peek.filePage(file.file, page);
      for (let word = 0; word < WORDS; word++) {
        const must = file.shadow.words[page * WORDS + word];
        if (words[word] === must) continue;
        this.world.fail(
          `page ${page} of file ${index} holds ${words[word]} as word ${word}, must be ${must}`,
        );
      }
    }
  }

  /** Ends everything: nothing may be left over, of memory, swap or a device's. */
  finish(): void {
    this.verifyAll();
    const { world } = this;
    const { host } = world;
    this.journal.end();
    for (let i = 0; i < world.devices.length; i++) {
      const { inject, memory, device } = world.device(i);
      inject.decide = null;
      inject.failAllocation = false;
      inject.copiesLeft = -1;
      if (!device.gone) for (const page of world.holds[i] ?? []) memory.unhold(page);
    }
    for (const held of world.pins) held?.pin.release();
    for (const process of world.processes) {
      if (process === null) continue;
      const errno = process.exit();
      if (errno !== OK) world.fail(`a process could not end: ${errnoName(errno)}`);
    }
    for (let i = 0; i < world.devices.length; i++) {
      const { available, memory } = world.device(i);
      if (available !== memory.pages)
        world.fail(`${memory.pages - available} pages of device ${i} are left over`);
    }
    for (const file of world.files) if (file !== null && !file.file.mapped) file.file.close();
    const [leak] = host.leaks();
    if (leak !== undefined) world.fail(`frame ${leak} is not used and not free, or the reverse`);
    if (host.available !== host.framesCount - 1)
      world.fail(`${host.framesCount - 1 - host.available} pages are left over`);
    if (host.swap.available !== host.swap.pages)
      world.fail(`${host.swap.pages - host.swap.available} swap slots are left over`);
  }
}
