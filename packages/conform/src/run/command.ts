import type { DeviceStep } from "../format/case.ts";
import { printCode } from "../format/codes.ts";
import { fillWords, PAGE_BYTES, WORDS_PER_PAGE } from "../format/words.ts";
import type { CommandResult } from "../host.ts";
import type { Actor, Place } from "./actor.ts";
import { compare, title } from "./cpu.ts";
import { StepFailure } from "./outcome.ts";

/** What a buffer holds before a command, so that a byte that the command did not write shows. */
const POISON = 0xa5a5_5a5a;

/** Commands that put what the device reads into the program's buffer. */
const READS_BACK: ReadonlySet<string> = new Set(["read", "migrate-to-device", "exclusive"]);

/**
 * Runs a device command with the program's buffer for it and compares all that the step says. The buffer that the
 * device gets is poisoned first: what the program's buffer holds is only what a successful command put there, and a
 * command that fails, or has nothing to say, must leave every byte of it alone.
 */
export async function command(actor: Actor, step: DeviceStep): Promise<void> {
  const device = actor.device(step.on, step);
  if (step.part === null) {
    expectResult(step, await device.run(step.command, null, new Uint8Array(0)), null);
    return;
  }
  const place = actor.place(step.part, step);
  const held = actor
    .buffer(place.region, step.on)
    .subarray(place.firstWord, place.firstWord + place.pages * WORDS_PER_PAGE);
  const given = scratch(place.pages);
  const words = new Uint32Array(given.buffer, 0, held.length);
  words.fill(POISON);
  if (step.writes !== null) {
    fillWords(held, step.writes, place.firstWord);
    words.set(held);
  }
  const result = await device.run(step.command, { page: place.page, pages: place.pages }, given);
  expectResult(step, result, place);
  if (result.error === null && READS_BACK.has(step.command)) {
    held.set(words);
  } else {
    const codes = result.error === null && step.command === "snapshot" ? place.pages : 0;
    expectUntouched(step, words, step.writes === null ? null : held, codes);
    if (codes > 0) expectCodes(step, given.subarray(0, codes), place);
  }
  if (step.reads !== null && (result.error === null || step.expect.error !== null)) {
    compare(step, `device ${step.on}'s buffer holds`, place, held, step.reads, place.firstWord);
  }
}

let room = new ArrayBuffer(0);

function scratch(pages: number): Uint8Array<ArrayBuffer> {
  if (room.byteLength < pages * PAGE_BYTES) room = new ArrayBuffer(pages * PAGE_BYTES);
  return new Uint8Array(room, 0, pages * PAGE_BYTES);
}

function expectResult(step: DeviceStep, result: CommandResult, place: Place | null): void {
  const what = `${step.command}${place === null ? "" : ` of ${title(place)}`} on ${step.on}`;
  const { error, pages, faults, orErrors } = step.expect;
  if (result.error !== error && !(result.error !== null && orErrors.includes(result.error))) {
    throw new StepFailure(step, what, { expected: error ?? "success", actual: result.error ?? "success" });
  }
  if (result.error !== null) return;
  if (pages !== null && result.pages !== pages) {
    throw new StepFailure(step, `${what}, pages`, { expected: String(pages), actual: String(result.pages) });
  }
  if (faults !== null && result.faults !== faults) {
    throw new StepFailure(step, `${what}, faults`, {
      expected: String(faults),
      actual: String(result.faults),
    });
  }
}

/** The buffer must still hold what it held: the poison, or what was to be written; `codes` bytes are the snapshot's. */
function expectUntouched(
  step: DeviceStep,
  words: Uint32Array,
  written: Uint32Array | null,
  codes: number,
): void {
  for (let i = Math.ceil(codes / 4); i < words.length; i++) {
    const before = written === null ? POISON : written[i];
    if (words[i] !== before) {
      throw new StepFailure(
        step,
        `${step.command} on ${step.on} changed word ${i} of the buffer it was given`,
        {
          expected: String(before),
          actual: String(words[i]),
        },
      );
    }
  }
}

function expectCodes(step: DeviceStep, found: Uint8Array, place: Place): void {
  const { codes, codesAll } = step;
  if (codes === null) return;
  for (let i = 0; i < found.length; i++) {
    const expected = codes[codesAll ? 0 : i];
    if (expected !== found[i]) {
      throw new StepFailure(step, `snapshot of ${place.region.name} on ${step.on}, page ${place.first + i}`, {
        expected: expected === undefined ? "no code" : printCode(expected),
        actual: printCode(found[i] ?? 0),
      });
    }
  }
}
