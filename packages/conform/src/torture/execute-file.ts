import { EFAULT, EINVAL, OK, PAGE_BYTES } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { Run } from "./run.ts";
import { FILE_PRIVATE, FileShadow, UNMAPPED, WORD_OFFSETS, WORDS } from "./shadow.ts";
import { FILE_PAGES, type File, NAMED_FILES, SPACES } from "./world.ts";

function fileOf(run: Run, i: number): File | null {
  return run.world.files[run.program.actor(i)] ?? null;
}

export function write(run: Run, i: number): void {
  const { program, world } = run;
  const open = fileOf(run, i);
  if (open === null) return;
  const page = program.first(i);
  const { file, shadow } = open;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, program.y(i), true);
  if (run.loose) run.settleFile(program.actor(i));
  const errno = file.write(page, bytes);
  const refused = errno === EFAULT && world.profile.reflink === "refuse" && shadow.kind === "dax";
  const expected = page < shadow.pages ? OK : EINVAL;
  if (!refused && run.expect("a file write", errno, expected)) {
    run.set(shadow.words, page * WORDS, program.y(i), true);
  }
}

export function read(run: Run, i: number): void {
  const { program } = run;
  const open = fileOf(run, i);
  if (open === null) return;
  const page = program.first(i);
  const { file, shadow } = open;
  const bytes = new Uint8Array(PAGE_BYTES);
  const errno = file.read(page, bytes);
  if (!run.expect("a file read", errno, page < shadow.pages ? OK : EINVAL) || run.changing > 0) return;
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < WORDS; word++) {
    const value = view.getInt32(WORD_OFFSETS[word] ?? 0, true);
    const must = shadow.words[page * WORDS + word];
    if (value === must || (run.loose && run.journal.wasSeen(value))) continue;
    run.world.fail(
      `a read of page ${page} of file ${program.actor(i)} gave ${value} as word ${word}, must be ${must}`,
    );
  }
}

export function truncate(run: Run, i: number): void {
  const { program, world } = run;
  const index = program.actor(i);
  const open = fileOf(run, i);
  if (open === null) return;
  const pages = Math.min(FILE_PAGES, program.x(i));
  const { file, shadow } = open;
  run.changing++;
  const errno = file.truncate(pages);
  run.changing--;
  if (run.loose) run.settleFile(index);
  if (!run.expect("truncating", errno, OK)) return;
  const before = shadow.pages;
  shadow.pages = pages;
  if (pages >= before) return;
  for (let page = pages; page < before; page++) zero(run, shadow, page);
  for (let space = 0; space < SPACES; space++) dropCopies(run, space, index, pages);
  for (let space = 0; space < SPACES; space++) world.shadow(space);
}

/** Copies that a process made of pages that are cut off go too. */
function dropCopies(run: Run, space: number, file: number, from: number): void {
  const shadow = run.world.shadow(space);
  for (let page = 0; page < shadow.pages; page++) {
    if (shadow.access[page] === UNMAPPED || shadow.flavour[page] === 0) continue;
    if (shadow.file[page] !== file || (shadow.filePage[page] ?? 0) < from) continue;
    shadow.pinned[page] = 0;
    if (shadow.flavour[page] === FILE_PRIVATE) run.drop(shadow, page);
    run.touch(space, page);
  }
}

function zero(run: Run, shadow: FileShadow, page: number): void {
  for (let word = 0; word < WORDS; word++) run.set(shadow.words, page * WORDS + word, 0);
}

export function punch(run: Run, i: number): void {
  const { program, world } = run;
  const index = program.actor(i);
  const open = fileOf(run, i);
  if (open === null) return;
  const { file, shadow } = open;
  const first = program.first(i);
  const count = program.count(i);
  run.changing++;
  const errno = file.punchHole(first, count);
  run.changing--;
  if (run.loose) run.settleFile(index);
  if (!run.expect("punching a hole", errno, first + count <= shadow.pages ? OK : EINVAL)) {
    // Some of it may be a hole already.
    run.journal.noteUncertain(0);
    return;
  }
  for (let page = first; page < first + count; page++) zero(run, shadow, page);
  for (const space of world.shadows) {
    for (let page = 0; page < space.pages; page++) {
      if (space.file[page] === index && space.copied[page] === 0) space.pinned[page] = 0;
    }
  }
}

/** A DAX file becomes the twin of another one: they share their extents from then on. */
export function reflink(run: Run, i: number): void {
  const { program, world } = run;
  const index = program.x(i);
  const open = fileOf(run, i);
  const old = world.files[index] ?? null;
  if (open === null || old === null || old === open || index >= NAMED_FILES || run.loose) return;
  if (open.shadow.kind !== "dax" || old.shadow.kind !== "dax" || old.file.mapped) return;
  old.file.close();
  const shadow = new FileShadow("dax", open.shadow.pages, FILE_PAGES);
  try {
    world.files[index] = { file: open.file.reflink(), shadow };
  } catch (error) {
    if (!HmsError.is(error)) throw error;
    run.expect("sharing extents", EINVAL, OK);
    world.addFile(index, "dax", 0);
    return;
  }
  shadow.words.set(open.shadow.words);
  run.succeeded++;
}
