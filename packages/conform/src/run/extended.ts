import type {
  ExplainStep,
  InjectStep,
  MigrateStep,
  NotificationsStep,
  RaceStep,
  ReclaimStep,
  RivalStep,
  StepPlace,
} from "../format/case.ts";
import { fillWords, PAGE_BYTES } from "../format/words.ts";
import type { CaseDevice, Explained, ExtendedProcess, Notified, PageSpan, RivalCall } from "../host.ts";
import type { Actor } from "./actor.ts";
import { expectEnd, title } from "./cpu.ts";
import { StepFailure } from "./outcome.ts";

/** The extensions' side of a process. A host that lists their capabilities must have it. */
function extendedOf(actor: Actor, step: StepPlace): ExtendedProcess {
  const { extended } = actor.process;
  if (extended === undefined) throw new StepFailure(step, "the host says that it can do this, but cannot");
  return extended;
}

/** Runs the steps while a second thread gets in between. */
export async function race(actor: Actor, step: RaceStep, run: () => Promise<void>): Promise<void> {
  const calls = step.rival.map((rival) => rivalCall(actor, rival));
  const rival = extendedOf(actor, step).rival(calls, step.times);
  try {
    await run();
  } catch (error) {
    rival.abandon();
    throw error;
  }
  await expectEnd(step, null, "the rival's steps", async () => rival.stop());
}

function rivalCall(actor: Actor, step: RivalStep): RivalCall {
  const place = actor.place(step.part, step);
  switch (step.step) {
    case "unmap":
      return (process) => process.unmap(place);
    case "protect":
      return (process) => process.protect(place, step.protection);
    case "advise":
      return (process) => process.advise(place, step.advice);
    case "touch":
      return (process) => process.touch(place);
    case "fill": {
      const words = new Uint32Array((place.pages * PAGE_BYTES) / 4);
      fillWords(words, step.words, place.firstWord);
      const bytes = new Uint8Array(words.buffer);
      return (process) => process.store(place.page, bytes);
    }
  }
}

export async function notifications(actor: Actor, step: NotificationsStep): Promise<void> {
  const found = (await actor.device(step.on, step).notifications?.()) ?? [];
  for (let i = 0; i < Math.max(step.are.length, found.length); i++) {
    const expected = step.are[i];
    const range = expected === undefined || expected.part === null ? null : actor.place(expected.part, step);
    const owner = expected?.owner ?? null;
    const actual = found[i];
    // What the case does not say is not looked at.
    const said = expected === undefined ? "none" : sentence(expected.event, range, owner);
    const heard =
      actual === undefined
        ? "none"
        : sentence(
            actual.event,
            expected !== undefined && range === null ? null : actual.span,
            expected !== undefined && owner === null ? null : ownerOf(actor, actual),
          );
    if (said === heard) continue;
    throw new StepFailure(step, `notification ${i + 1} of ${step.on}`, { expected: said, actual: heard });
  }
}

function sentence(event: string, span: PageSpan | null, owner: string | null): string {
  const range = span === null ? "" : ` of ${span.pages} pages from page ${span.page}`;
  return `${event}${range}${owner === null ? "" : ` for ${owner}`}`;
}

function ownerOf(actor: Actor, { owner }: Notified): string {
  return owner === null ? "nobody" : actor.nameOf(owner);
}

export async function inject(actor: Actor, step: InjectStep): Promise<void> {
  if (step.on === null) await extendedOf(actor, step).inject(step.fault, step.times);
  else await actor.device(step.on, step).inject?.(step.fault, step.times);
}

export async function reclaim(actor: Actor, step: ReclaimStep): Promise<void> {
  const freed = await extendedOf(actor, step).reclaim(step.pages, { nonBlocking: step.nonBlocking });
  expectPages(step, `reclaiming ${step.pages} pages`, step.expectPages, freed);
}

export async function migrate(actor: Actor, step: MigrateStep): Promise<void> {
  const place = actor.place(step.part, step);
  const to = step.to === "system" ? null : actor.device(step.to, step);
  const moved = await extendedOf(actor, step).migrate(place, to, { duplicate: step.duplicate });
  expectPages(step, `migrating ${title(place)} to ${step.to}`, step.expectPages, moved);
}

function expectPages(step: StepPlace, what: string, expected: number | null, actual: number): void {
  if (expected === null || expected === actual) return;
  throw new StepFailure(step, `${what}, pages`, { expected: String(expected), actual: String(actual) });
}

export async function explain(actor: Actor, step: ExplainStep): Promise<void> {
  const place = actor.place(step.part, step);
  const runs = await extendedOf(actor, step).explain(place);
  let page = place.first;
  for (const run of runs) {
    for (const [what, expected, actual] of claims(actor, step, run)) {
      if (expected === null || expected === actual) continue;
      throw new StepFailure(step, `explanation of page ${page} of ${place.region.name}, ${what}`, {
        expected,
        actual,
      });
    }
    page += run.pages;
  }
  if (page !== place.first + place.pages) {
    throw new StepFailure(step, `explanation of ${title(place)}, pages`, {
      expected: String(place.pages),
      actual: String(page - place.first),
    });
  }
}

function claims(actor: Actor, step: ExplainStep, run: Explained): [string, string | null, string][] {
  const named = (place: string | CaseDevice | null): string =>
    place === null ? "none" : typeof place === "string" ? place : actor.nameOf(place);
  return [
    ["where", step.where, named(run.where)],
    ["from", step.from, named(run.from)],
    ["cause", step.cause, run.cause],
    ["override", step.override, run.override?.what ?? "none"],
    ["by", step.by, named(run.override?.by ?? null)],
  ];
}
