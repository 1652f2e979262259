import { HmsError } from "@hms/topology";
import type {
  CheckStep,
  ErrorName,
  FileCheckStep,
  FillStep,
  IncrementStep,
  StepPlace,
} from "../format/case.ts";
import { fillWords, firstMismatch, PAGE_BYTES, WORDS_PER_PAGE, type Words, wordAt } from "../format/words.ts";
import type { Actor, Place } from "./actor.ts";
import { StepFailure } from "./outcome.ts";

/** Pages that the CPU reads or writes in one go: bounds the memory that a step needs. */
const CHUNK_PAGES = 256;

const words = new Uint32Array(CHUNK_PAGES * WORDS_PER_PAGE);
const bytes = new Uint8Array(words.buffer);

export async function fill(actor: Actor, step: FillStep): Promise<void> {
  const place = actor.place(step.part, step);
  await expectEnd(step, step.error, `filling ${title(place)}`, () =>
    inChunks(place, CHUNK_PAGES, async (page, count, firstWord) => {
      fillWords(words.subarray(0, count * WORDS_PER_PAGE), step.words, firstWord);
      await actor.process.store(page, bytes.subarray(0, count * PAGE_BYTES));
    }),
  );
}

export async function check(actor: Actor, step: CheckStep): Promise<void> {
  const place = actor.place(step.part, step);
  await expectEnd(step, step.error, `checking ${title(place)}`, () =>
    inChunks(place, CHUNK_PAGES, async (page, count, firstWord) => {
      const found = words.subarray(0, count * WORDS_PER_PAGE);
      await actor.process.load(page, bytes.subarray(0, count * PAGE_BYTES));
      compare(step, "the CPU reads", place, found, step.words, firstWord);
    }),
  );
}

export async function increment(actor: Actor, step: IncrementStep): Promise<void> {
  const place = actor.place(step.part, step);
  await expectEnd(step, null, `incrementing ${title(place)}`, () =>
    inChunks(place, 1, async (page, count, firstWord) => {
      const found = words.subarray(0, count * WORDS_PER_PAGE);
      await actor.process.load(page, bytes.subarray(0, count * PAGE_BYTES));
      compare(step, "the CPU reads", place, found, step.from, firstWord);
      for (let i = 0; i < found.length; i++) found[i] = (found[i] ?? 0) + 1;
      await actor.process.store(page, bytes.subarray(0, count * PAGE_BYTES));
    }),
  );
}

export async function fileCheck(actor: Actor, step: FileCheckStep): Promise<void> {
  const place = actor.place(step.part, step);
  const { file } = place.region;
  if (file === null) throw new StepFailure(step, `region ${place.region.name} has no file to read`);
  await inChunks(place, CHUNK_PAGES, async (page, count, firstWord) => {
    const found = words.subarray(0, count * WORDS_PER_PAGE);
    const filePage = file.firstPage + (page - place.region.page);
    await file.file.read(filePage, bytes.subarray(0, count * PAGE_BYTES));
    compare(step, "the file holds", place, found, step.words, firstWord);
  });
}

type Chunk = (page: number, count: number, firstWord: number) => Promise<void>;

async function inChunks(place: Place, chunkPages: number, run: Chunk): Promise<void> {
  for (let done = 0; done < place.pages; done += chunkPages) {
    const count = Math.min(chunkPages, place.pages - done);
    await run(place.page + done, count, place.firstWord + done * WORDS_PER_PAGE);
  }
}

/** Compares words with a pattern; the first that differs ends the case. */
export function compare(
  at: StepPlace,
  what: string,
  place: Place,
  found: Uint32Array,
  pattern: Words,
  firstWord: number,
): void {
  const index = firstMismatch(found, pattern, firstWord);
  if (index < 0) return;
  const word = firstWord + index;
  const page = Math.floor(word / WORDS_PER_PAGE);
  throw new StepFailure(at, `${what} word ${word} (page ${page}) of ${place.region.name}`, {
    expected: printWord(wordAt(pattern, word)),
    actual: printWord(found[index] ?? 0),
  });
}

/** A word for a person: small negative numbers are shown as such too. */
function printWord(word: number): string {
  return word < 0x8000_0000 ? String(word) : `${word} (${word | 0})`;
}

/** Names a part for a sentence. */
export function title({ region, first, pages }: Place): string {
  return pages === region.pages ? region.name : `pages ${first} to ${first + pages - 1} of ${region.name}`;
}

/** Runs something that must succeed, or end with a named error or signal. */
export async function expectEnd(
  at: StepPlace,
  expected: ErrorName | null,
  what: string,
  run: () => Promise<void>,
): Promise<void> {
  let actual: string | null = null;
  let detail = "";
  try {
    await run();
  } catch (error) {
    if (!HmsError.is(error)) throw error;
    actual = error.code === "SIGSEGV" || error.code === "SIGBUS" ? error.code : (error.errno ?? error.code);
    detail = error.message;
  }
  if (actual === expected) return;
  throw new StepFailure(at, detail === "" ? what : `${what} (${detail})`, {
    expected: expected ?? "success",
    actual: actual ?? "success",
  });
}
