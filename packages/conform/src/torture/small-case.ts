import type { Step, TestCase } from "../format/case.ts";
import { printCase } from "../format/print.ts";
import { readCase } from "../format/read.ts";
import type { CaseHost } from "../host.ts";
import type { Outcome } from "../run/outcome.ts";
import { runCase } from "../run/runner.ts";
import { isLook, isPlacement, PLACE } from "./case-steps.ts";
import type { Shrunk } from "./shrink.ts";
import { toCase } from "./to-case.ts";
import type { World } from "./world.ts";

/** How often a case is run to make it shorter. */
const TRIES_MAX = 600;
/** How often the rival of a race is tried to get in, from the first point on; 1: at any one. */
const RACE_TIMES: readonly number[] = [1, 2, 3, 4, 6, 8, 12, 16, 24];
/** Pages that memory is asked to give up where torture's small machine has no room. */
const MANY_PAGES = 4096;

/** A failure as a case file, or why it cannot be one. */
export type CaseText = { readonly text: string; readonly failure: string } | { readonly problem: string };

export interface SmallCaseOptions {
  /** Of the case. */
  readonly name: string;
  /** Lines for the head of the file. */
  readonly comment: readonly string[];
  readonly host: CaseHost;
  /** Called with the world of torture in which the expected values are found, to break it as the host is. */
  readonly prepare?: ((world: World) => void) | undefined;
}

/** Says a shrunk failure as a case file that fails on a host, and leaves out every step that is not needed for that. */
export async function smallCase(shrunk: Shrunk, options: SmallCaseOptions): Promise<CaseText> {
  const found = await failingCase(shrunk, options);
  if ("problem" in found) return found;
  const { test, kind } = found;
  const short = await simpler(
    { ...test, steps: await shorter(test, kind, options.host) },
    kind,
    options.host,
  );
  const needs = EXTENSION_NAMES.filter((need) => short.steps.some((step) => uses(need, step)));
  const text = printCase({ ...short, needs }, options.comment);
  // What a person gets is the text: that is what must fail.
  const again = readCase(options.name, text);
  const outcome = "foreign" in again ? null : await runCase(again, options.host);
  if (outcome?.result !== "failed") return { problem: "as a case file it passes" };
  return { text, failure: `step ${outcome.step ?? "?"}: ${outcome.message}` };
}

/** The first way to say the program as a case that fails. */
async function failingCase(
  { program, failure }: Shrunk,
  { name, host, prepare }: SmallCaseOptions,
): Promise<{ readonly test: TestCase; readonly kind: string } | { readonly problem: string }> {
  for (const placed of [false, true]) {
    for (const raceTimes of RACE_TIMES) {
      const made = toCase(program, failure.profile, { name, placed, raceTimes, prepare });
      if (typeof made === "string") return { problem: made };
      for (const pressure of PRESSURES) {
        const test = { ...made, steps: underPressure(made.steps, pressure) };
        const kind = await kindOf(test, host);
        if (kind !== null) return { test, kind };
      }
      if (!made.steps.some(hasRace)) break;
    }
  }
  return { problem: "as a case it passes: it takes a machine as small as torture's" };
}

function hasRace(step: Step): boolean {
  if (step.step === "fork") return step.child.some(hasRace) || step.parent.some(hasRace);
  return step.step === "race";
}

/** What comes before each step, so that pages move as on a small machine although the case's is large. */
const PRESSURES: readonly (readonly Step[])[] = [
  [],
  [{ ...PLACE, step: "reclaim", pages: MANY_PAGES, nonBlocking: false, expectPages: null }],
];

function underPressure(steps: readonly Step[], pressure: readonly Step[]): readonly Step[] {
  if (pressure.length === 0) return steps;
  return steps.flatMap((step) =>
    step.step === "fork"
      ? [
          {
            ...step,
            child: underPressure(step.child, pressure),
            parent: underPressure(step.parent, pressure),
          },
        ]
      : [...pressure, step],
  );
}

/** Leaves out devices that nothing uses. */
async function simpler(test: TestCase, kind: string, host: CaseHost): Promise<TestCase> {
  const text = JSON.stringify(test.steps);
  const used = [...test.devices].filter(([name]) => text.includes(JSON.stringify(name)));
  const simple = { ...test, devices: new Map(used) };
  return (await kindOf(simple, host)) === kind ? simple : test;
}

/** Leaves out what only looks at pages, or moves them: without it the others hold what they held. */
async function shorter(test: TestCase, kind: string, host: CaseHost): Promise<readonly Step[]> {
  let best = test.steps;
  let tries = 0;
  const fails = async (steps: readonly Step[]): Promise<boolean> =>
    tries++ < TRIES_MAX && (await kindOf({ ...test, steps }, host)) === kind;
  for (let size = countOf(best) >> 1; size >= 1; size >>= 1) {
    for (let at = countOf(best) - size; at > -size && tries < TRIES_MAX; at -= size) {
      const without = leaveOut(best, Math.max(0, at), at + size);
      if (countOf(without) < countOf(best) && (await fails(without))) best = without;
    }
  }
  return best;
}

/** Steps that may be left out, in order, those within forks too. */
function countOf(steps: readonly Step[]): number {
  let count = 0;
  for (const step of steps) {
    if (step.step === "fork") count += countOf(step.child) + countOf(step.parent);
    else if (isLook(step) || isPlacement(step)) count++;
  }
  return count;
}

/** Without those numbered from one up to another. */
function leaveOut(steps: readonly Step[], from: number, to: number): Step[] {
  let number = 0;
  const walk = (list: readonly Step[]): Step[] =>
    list.flatMap((step): Step[] => {
      if (step.step === "fork") {
        const child = walk(step.child);
        const parent = walk(step.parent);
        return child.length === 0 && parent.length === 0 ? [] : [{ ...step, child, parent }];
      }
      if (!isLook(step) && !isPlacement(step)) return [step];
      const at = number++;
      return at >= from && at < to ? [] : [step];
    });
  return walk(steps);
}

/** What is wrong, numbers aside; null when nothing is. */
async function kindOf(test: TestCase, host: CaseHost): Promise<string | null> {
  let outcome: Outcome;
  try {
    outcome = await runCase(test, host);
  } catch (error) {
    return String(error).replace(/-?\d+/g, "N");
  }
  return outcome.result === "failed" ? outcome.message.replace(/-?\d+/g, "N") : null;
}

/** The extensions that a case of torture may use. */
const EXTENSION_NAMES: readonly string[] = [
  "alternatives",
  "dax",
  "faults",
  "placement",
  "race",
  "signals",
  "swap",
];

const EXTENSION_OF: Readonly<Record<string, string>> = {
  inject: "faults",
  reclaim: "swap",
  migrate: "placement",
  race: "race",
};

function uses(need: string, step: Step): boolean {
  if (EXTENSION_OF[step.step] === need) return true;
  switch (step.step) {
    case "fork":
      return step.child.some((one) => uses(need, one)) || step.parent.some((one) => uses(need, one));
    case "race":
      return step.steps.some((one) => uses(need, one)) || step.rival.some((one) => uses(need, one));
    case "advise":
      return need === "swap" && step.advice === "pageout";
    case "map":
      return need === "dax" && step.backing.kind === "dax";
    case "device":
      return need === "alternatives" && step.expect.orErrors.length > 0;
    case "fill":
      return need === "signals" && step.error !== null;
    default:
      return false;
  }
}
