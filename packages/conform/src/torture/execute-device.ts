import type { TestHandle } from "@hms/driver-test";
import {
  CAUSE,
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOENT,
  EPERM,
  type Errno,
  errnoOf,
  type FrameNumber,
  MAY_ATOMIC,
  MAY_READ,
  OK,
  PAGE_BYTES,
  REQUEST_FAULT,
  REQUEST_WRITE,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { mayRefuseWrite } from "./execute-cpu.ts";
import type { Run } from "./run.ts";
import {
  ANONYMOUS,
  NO_ACCESS,
  READ_WRITE,
  type SpaceShadow,
  UNMAPPED,
  WORD_OFFSETS,
  WORDS,
} from "./shadow.ts";
import { SPACES } from "./world.ts";

/** How often a device tries to get a page, before it gives up. */
const TRIES = 8;

/** What a device's access to a page must come to. */
function deviceErrno(run: Run, shadow: SpaceShadow, page: number, write: boolean): Errno {
  const access = shadow.access[page] ?? 0;
  // A bad entry comes before a wrong right, as in the kernel's walk.
  if (access <= NO_ACCESS || shadow.lost[page] === 1) return EFAULT;
  if (write && access !== READ_WRITE) return EPERM;
  return run.world.locate(shadow, page) ? OK : EFAULT;
}

/** A write that a region does not allow is EPERM, and EFAULT where the page is the device's own already. */
function refusal(errno: Errno, expected: Errno): Errno {
  return expected === EPERM && errno === EFAULT ? EPERM : errno;
}

/** A device reads one word, through its own table as an engine would. */
export function read(run: Run, i: number): void {
  const { program, world } = run;
  const space = program.x(i) >> 4;
  const word = program.x(i) & 15;
  const page = program.first(i);
  const handle = world.handle(program.actor(i), space);
  if (handle === null) return;
  const shadow = world.shadow(space);
  const expected = deviceErrno(run, shadow, page, false);
  const bytes = new Uint8Array(4);
  const errno = access(run, handle, page, false, word, bytes);
  run.touch(space, page);
  if (!run.expect("a device read", errno, expected)) return;
  const value = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8) | ((bytes[2] ?? 0) << 16) | ((bytes[3] ?? 0) << 24);
  run.compare("a device read", shadow, page, word, value);
}

/** A device writes one word. */
export function write(run: Run, i: number): void {
  const { program, world } = run;
  const space = program.x(i) >> 4;
  const word = program.x(i) & 15;
  const page = program.first(i);
  const handle = world.handle(program.actor(i), space);
  if (handle === null) return;
  const shadow = world.shadow(space);
  const expected = deviceErrno(run, shadow, page, true);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, program.y(i), true);
  const errno = access(run, handle, page, true, word, bytes);
  run.touch(space, page);
  if (run.loose) run.settle(space, page);
  if (errno === EFAULT && mayRefuseWrite(run, shadow, page)) return;
  if (run.expect("a device write", refusal(errno, expected), expected))
    run.commit(shadow, page, word, program.y(i));
}

/** Nothing else can run between the look at the table and the access: that is what the mirror's lock is for. */
function access(
  run: Run,
  handle: TestHandle,
  page: number,
  forWrite: boolean,
  word: number,
  bytes: Uint8Array,
): Errno {
  const { world } = run;
  const { device } = handle.device;
  const at = world.base + page;
  const range = world.ranges[world.plan.level];
  if (range === undefined) return EBUSY;
  for (let tries = 0; tries < TRIES; tries++) {
    if (device.gone) return ENODEV;
    const right = handle.table.right(at);
    if (right > MAY_READ || (right === MAY_READ && !forWrite)) {
      return transfer(run, handle, handle.table.frame(at), forWrite, WORD_OFFSETS[word] ?? 0, bytes);
    }
    range.set({ first: at, count: 1, request: forWrite ? REQUEST_FAULT | REQUEST_WRITE : REQUEST_FAULT });
    const errno = handle.mirror.populate(range);
    if (errno !== OK) return errno;
  }
  return EBUSY;
}

/** The engine's load or store itself. EFAULT: another device is about to be gone, and with it what this one maps. */
function transfer(
  run: Run,
  handle: TestHandle,
  frame: FrameNumber,
  forWrite: boolean,
  offset: number,
  bytes: Uint8Array,
): Errno {
  const { core } = run.world.host;
  try {
    if (forWrite) core.write(frame, offset, bytes, handle.device.device);
    else core.read(frame, offset, bytes, handle.device.device);
    return OK;
  } catch (error) {
    if (run.loose && HmsError.is(error) && error.errno === "ENODEV") return EFAULT;
    throw error;
  }
}

interface Command {
  readonly space: number;
  readonly handle: TestHandle;
  readonly shadow: SpaceShadow;
  readonly first: number;
  readonly count: number;
  readonly buffer: Uint8Array;
}

function commandOf(run: Run, i: number): Command | null {
  const { program, world } = run;
  const space = program.x(i);
  const handle = world.handle(program.actor(i), space);
  if (handle === null) return null;
  const first = program.first(i);
  const count = Math.min(program.count(i), world.profile.windowPages - first);
  const bytes = count * PAGE_BYTES;
  const buffer = run.loose ? new Uint8Array(bytes) : world.buffer.subarray(0, bytes);
  return { space, handle, shadow: world.shadow(space), first, count, buffer };
}

/** What the pages of a range must answer at most: the first thing that is wrong with one of them; OK. */
function worst(run: Run, { shadow, first, count }: Command, forWrite: boolean): Errno {
  for (let page = first; page < first + count; page++) {
    const errno = deviceErrno(run, shadow, page, forWrite);
    if (errno !== OK) return errno;
  }
  return OK;
}

/** A word that no operation writes, in the buffer before a command. */
const POISON = -2;

function poison(buffer: Uint8Array): void {
  const view = new DataView(buffer.buffer, buffer.byteOffset);
  for (let at = 0; at < buffer.length; at += PAGE_BYTES) {
    for (const offset of WORD_OFFSETS) view.setInt32(at + offset, POISON, true);
  }
}

function expectPoison(run: Run, what: string, buffer: Uint8Array): void {
  const view = new DataView(buffer.buffer, buffer.byteOffset);
  for (let at = 0; at < buffer.length; at += PAGE_BYTES) {
    for (const offset of WORD_OFFSETS) {
      if (view.getInt32(at + offset, true) !== POISON)
        run.world.fail(`${what} failed, but changed the buffer`);
    }
  }
}

export function commandRead(run: Run, i: number): void {
  const command = commandOf(run, i);
  if (command === null) return;
  const { space, handle, shadow, first, count, buffer } = command;
  const expected = worst(run, command, false);
  poison(buffer);
  const { errno, pages } = handle.run("read", run.world.base + first, count, buffer);
  run.touchRange(space, first, count);
  // Which of several things is wrong with a range is not looked at.
  const known = errno !== OK && expected !== OK ? expected : errno;
  if (!run.expect("the command read", known, expected)) {
    expectPoison(run, "the command read", buffer);
    return;
  }
  if (pages !== count) run.world.fail(`the command read answered ${pages} pages of ${count}`);
  run.compareBuffer("the command read", shadow, first, count, buffer);
}

export function commandWrite(run: Run, i: number): void {
  const command = commandOf(run, i);
  if (command === null) return;
  const { space, handle, shadow, first, count, buffer } = command;
  const { world } = run;
  const expected = worst(run, command, true);
  const value = run.program.y(i);
  buffer.fill(0);
  const view = new DataView(buffer.buffer, buffer.byteOffset);
  for (let k = 0; k < count * WORDS; k++) {
    const at = Math.floor(k / WORDS) * PAGE_BYTES + (WORD_OFFSETS[k % WORDS] ?? 0);
    view.setInt32(at, value + k, true);
  }
  // Others see the first pages while the last are not there yet.
  if (run.loose) for (let k = 0; k < count * WORDS; k++) run.journal.noteUncertain(value + k);
  // The process may have ended when this has.
  for (let page = first; run.loose && page < first + count; page++) {
    const isFile = shadow.flavour[page] !== ANONYMOUS && shadow.access[page] !== UNMAPPED;
    if (isFile) run.settleFile(shadow.file[page] ?? 0);
  }
  const { errno, pages } = handle.run("write", world.base + first, count, buffer);
  run.touchRange(space, first, count);
  const refused = errno === EFAULT && anyRefuses(run, command);
  const known = errno !== OK && expected !== OK ? expected : errno;
  const done = !refused && run.expect("the command write", refusal(known, expected), expected);
  if (done && pages !== count) world.fail(`the command write answered ${pages} pages of ${count}`);
  if (done && !run.loose) {
    for (let k = 0; k < count * WORDS; k++) {
      run.commit(shadow, first + Math.floor(k / WORDS), k % WORDS, value + k);
    }
    return;
  }
  // It may have stored some of the pages, or all of them before others wrote.
  takeWhatIsThere(run, command, value);
}

function anyRefuses(run: Run, { shadow, first, count }: Command): boolean {
  for (let page = first; page < first + count; page++) if (mayRefuseWrite(run, shadow, page)) return true;
  return false;
}

/** Each page has either what it had, or what the device stored. */
function takeWhatIsThere(run: Run, { space, shadow, first, count }: Command, value: number): void {
  if (run.loose) {
    for (let page = first; page < first + count; page++) {
      run.settle(space, page);
      if (shadow.flavour[page] !== ANONYMOUS && shadow.access[page] !== UNMAPPED)
        run.settleFile(shadow.file[page] ?? 0);
    }
    return;
  }
  for (let page = first; page < first + count; page++) {
    if (!run.actual(space, page)) continue;
    const k = (page - first) * WORDS;
    if (run.peek.words[0] !== value + k) {
      run.settleOwn(shadow, space, page);
      continue;
    }
    for (let word = 0; word < WORDS; word++) run.commit(shadow, page, word, value + k + word);
  }
}

export function migrateToDevice(run: Run, i: number): void {
  const command = commandOf(run, i);
  if (command === null) return;
  const { space, handle, shadow, first, count, buffer } = command;
  poison(buffer);
  const { errno, pages } = handle.run("migrate-to-device", run.world.base + first, count, buffer);
  run.touchRange(space, first, count);
  if (errno === OK) {
    if (pages !== count) run.world.fail(`migrating to a device answered ${pages} pages of ${count}`);
    run.compareBuffer("migrating to a device", shadow, first, count, buffer);
    run.succeeded++;
    return;
  }
  expectPoison(run, "migrating to a device", buffer);
  // Best effort: what did not move shows as a gap.
  if (errno === ENOENT) return;
  run.expect("migrating to a device", errno, unmovable(run, command) ? EINVAL : ENOENT);
}

/** Whether the range has something that does not migrate at all. */
function unmovable(run: Run, { shadow, first, count }: Command): boolean {
  for (let page = first; page < first + count; page++) {
    if ((shadow.access[page] ?? 0) <= NO_ACCESS) return true;
    const file = shadow.flavour[page] === ANONYMOUS ? null : run.world.files[shadow.file[page] ?? 0];
    if (file?.shadow.kind === "dax") return true;
  }
  return false;
}

export function migrateToSystem(run: Run, i: number): void {
  const command = commandOf(run, i);
  if (command === null) return;
  const { space, handle, first, count } = command;
  const { errno, pages } = handle.run("migrate-to-system", run.world.base + first, count);
  run.touchRange(space, first, count);
  run.expect("migrating to the system", errno, unmovable(run, command) ? EINVAL : OK);
  if (errno === OK && pages > count)
    run.world.fail(`migrating to the system answered ${pages} pages of ${count}`);
}

export function snapshot(run: Run, i: number): void {
  const command = commandOf(run, i);
  if (command === null) return;
  const { handle, shadow, first, count, buffer } = command;
  const { errno } = handle.run("snapshot", run.world.base + first, count, buffer);
  if (!run.expect("a snapshot", errno, OK) || run.loose) return;
  for (let k = 0; k < count; k++) {
    const code = buffer[k] ?? 0;
    const access = shadow.access[first + k] ?? 0;
    if (access <= NO_ACCESS && code !== 0xff)
      run.world.fail(`a snapshot says ${code} of page ${first + k}, which has no access`);
    if (code !== 0xff && (code & 2) !== 0 && access !== READ_WRITE) {
      run.world.fail(`a snapshot says that page ${first + k} is writable`);
    }
  }
}

export function exclusive(run: Run, i: number): void {
  const command = commandOf(run, i);
  if (command === null) return;
  const { space, handle, shadow, first, count, buffer } = command;
  poison(buffer);
  const { errno } = handle.run("exclusive", run.world.base + first, count, buffer);
  run.touchRange(space, first, count);
  // A write fault: private mappings of files become the process's own, whether all pages were obtained or not.
  if (!run.loose) run.settleOwnRange(shadow, space, first, count);
  if (errno !== OK) {
    expectPoison(run, "taking pages", buffer);
    if (errno !== EBUSY && errno !== ENOENT) run.expect("taking pages exclusively", errno, EBUSY);
    return;
  }
  const expected = worst(run, command, true);
  if (!run.expect("taking pages exclusively", errno, expected)) return;
  run.compareBuffer("taking pages exclusively", shadow, first, count, buffer);
  for (let k = 0; k < count && !run.loose; k++) {
    const right = handle.table.right(run.world.base + first + k);
    if (right !== MAY_ATOMIC && right !== 0 && count <= 64)
      run.world.fail(`page ${first + k} is not exclusive`);
  }
}

export function release(run: Run, i: number): void {
  const handle = run.world.handle(run.program.actor(i), run.program.x(i));
  if (handle === null) return;
  const { errno } = handle.run("release");
  if (errno !== EBUSY && run.expect("releasing", errno, OK) && !run.loose) {
    const { mapped } = handle.device.memory.frames;
    if (mapped > 0) run.world.fail(`${mapped} pages are left after everything was released`);
  }
}

/** Someone who is no driver wants pages somewhere. */
export function move(run: Run, i: number): void {
  const { program, world } = run;
  const space = program.actor(i);
  const process = world.process(space);
  if (process === null) return;
  const first = program.first(i);
  const count = Math.min(program.count(i), world.profile.windowPages - first);
  const to = program.x(i) === 0 ? null : world.device(program.x(i) - 1).memory;
  const duplicate = program.y(i) === 1 && to !== null;
  try {
    const report = world.host.core.migrate({
      space: process.space,
      first: world.base + first,
      count,
      to,
      duplicate,
    });
    const kept = report.kept.reduce((sum, one) => sum + one.count, 0);
    if (report.moved < 0 || report.moved + kept > count) {
      world.fail(`moving ${count} pages answered ${report.moved} moved and ${kept} kept`);
    }
    if (report.moved > 0) run.succeeded++;
  } catch (error) {
    if (!HmsError.is(error)) throw error;
    run.expect("moving pages", errnoOf(error.errno), run.loose ? EBUSY : OK);
  }
  run.touchRange(space, first, count);
}

export function evict(run: Run, i: number): void {
  const { program, world } = run;
  const { memory, device } = world.device(program.actor(i));
  if (device.gone) return;
  const { moved } = memory.evict(program.first(i) % memory.pages, program.count(i), CAUSE.eviction);
  if (moved > 0) run.succeeded++;
}

export function close(run: Run, i: number): void {
  const { program, world } = run;
  const at = program.actor(i) * SPACES + program.x(i);
  const handle = world.handles[at] ?? null;
  world.handles[at] = null;
  handle?.close();
}
