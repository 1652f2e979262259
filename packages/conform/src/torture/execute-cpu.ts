import { EFAULT, EIO, EOPNOTSUPP, type Errno, OK } from "@hms/hmm";
import type { Run } from "./run.ts";
import {
  ANONYMOUS,
  FILE_SHARED,
  NO_ACCESS,
  READ_WRITE,
  type SpaceShadow,
  UNMAPPED,
  WORD_OFFSETS,
  WORDS,
} from "./shadow.ts";
import { PINS } from "./world.ts";

/** What a CPU access to a page must answer. */
export function accessErrno(run: Run, shadow: SpaceShadow, page: number, write: boolean): Errno {
  const access = shadow.access[page] ?? 0;
  if (access <= NO_ACCESS || (write && access !== READ_WRITE)) return EFAULT;
  if (shadow.lost[page] === 1) return EIO;
  return run.world.locate(shadow, page) ? OK : EIO;
}

/** Whether a write to the page may be refused, because the file shares its extents with another one. */
export function mayRefuseWrite(run: Run, shadow: SpaceShadow, page: number): boolean {
  if (shadow.flavour[page] !== FILE_SHARED || run.world.profile.reflink !== "refuse") return false;
  return run.world.files[shadow.file[page] ?? 0]?.shadow.kind === "dax";
}

export function write(run: Run, i: number): void {
  const { program, world } = run;
  const space = program.actor(i);
  const process = world.process(space);
  if (process === null) return;
  const shadow = world.shadow(space);
  const page = program.first(i);
  const word = program.x(i);
  const value = program.y(i);
  const expected = accessErrno(run, shadow, page, true);
  world.wordView.setInt32(0, value, true);
  // Others that run within this one use the same four bytes.
  const bytes = run.loose ? world.word.slice() : world.word;
  const errno = process.write(world.base + page, WORD_OFFSETS[word] ?? 0, bytes);
  run.touch(space, page);
  if (run.loose) run.settle(space, page);
  if (errno === EIO && mayRefuseWrite(run, shadow, page)) return;
  if (run.expect("a CPU write", errno, expected)) run.commit(shadow, page, word, value);
}

export function read(run: Run, i: number): void {
  const { program } = run;
  readWord(run, program.actor(i), program.first(i), program.x(i));
}

function readWord(run: Run, space: number, page: number, word: number): void {
  const { world } = run;
  const process = world.process(space);
  if (process === null) return;
  const shadow = world.shadow(space);
  const expected = accessErrno(run, shadow, page, false);
  const bytes = run.loose ? new Uint8Array(4) : world.word;
  const errno = process.read(world.base + page, WORD_OFFSETS[word] ?? 0, bytes);
  run.touch(space, page);
  if (!run.expect("a CPU read", errno, expected)) return;
  const value = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8) | ((bytes[2] ?? 0) << 16) | ((bytes[3] ?? 0) << 24);
  run.compare("a CPU read", shadow, page, word, value);
}

export function readAll(run: Run, i: number): void {
  const { program, world } = run;
  const first = program.first(i);
  const end = Math.min(world.profile.windowPages, first + program.count(i));
  for (let page = first; page < end; page++) {
    for (let word = 0; word < WORDS; word++) readWord(run, program.actor(i), page, word);
  }
}

export function pin(run: Run, i: number): void {
  const { program, world } = run;
  const space = program.actor(i);
  const process = world.process(space);
  const free = world.pins.indexOf(null);
  if (process === null || free < 0) return;
  const shadow = world.shadow(space);
  const page = program.first(i);
  const forWrite = program.y(i) === 1;
  const long = program.x(i) === 1;
  const expected = pinErrno(run, shadow, page, forWrite, long);
  const held = process.pin(world.base + page, 1, { kind: long ? "long" : "short", write: forWrite });
  run.touch(space, page);
  if (run.loose) run.settle(space, page);
  if (typeof held === "number") {
    if (held !== EFAULT || !mayRefuseWrite(run, shadow, page)) run.expect("a pin", held, expected);
    return;
  }
  run.expect("a pin", OK, expected);
  // Another operation may have taken the place meanwhile.
  const place = world.pins[free] === null ? free : world.pins.indexOf(null);
  if (place < 0 || !long) {
    held.release();
    if (forWrite) run.own(shadow, page);
    return;
  }
  world.pins[place] = { pin: held, space, page, write: forWrite };
  if (!forWrite) return;
  run.own(shadow, page);
  if (!run.loose) shadow.pinned[page] = process.space.table.frameAt(world.base + page) + 1;
}

function pinErrno(run: Run, shadow: SpaceShadow, page: number, forWrite: boolean, long: boolean): Errno {
  const file = shadow.flavour[page] === ANONYMOUS ? null : run.world.files[shadow.file[page] ?? 0];
  if (shadow.access[page] !== UNMAPPED && long && file?.shadow.kind === "dax") return EOPNOTSUPP;
  return accessErrno(run, shadow, page, forWrite) === OK ? OK : EFAULT;
}

export function unpin(run: Run, i: number): void {
  dropPin(run, run.program.x(i) % PINS);
}

/** Gives a pin back; if its page is held by another one too, that is not watched any more. */
export function dropPin(run: Run, index: number): void {
  const { world } = run;
  const held = world.pins[index] ?? null;
  if (held === null) return;
  world.pins[index] = null;
  held.pin.release();
  // The page may be another process's by now, or somewhere else: no page of that number is watched.
  for (const shadow of world.shadows) shadow.pinned[held.page] = 0;
  run.touch(held.space, held.page);
}

/** What a device behind a pin does: it writes to the memory itself. */
export function dma(run: Run, i: number): void {
  const { program, world } = run;
  const held = world.pins[program.x(i) % PINS] ?? null;
  if (held === null || !held.write || run.loose) return;
  const shadow = world.shadow(held.space);
  const frame = (shadow.pinned[held.page] ?? 0) - 1;
  if (frame < 0) return;
  world.wordView.setInt32(0, program.y(i), true);
  world.host.core.write(frame, WORD_OFFSETS[0] ?? 0, world.word, null);
  run.commit(shadow, held.page, 0, program.y(i));
  run.succeeded++;
  run.touch(held.space, held.page);
}
