// The model host must answer random scenarios as a real kernel did: Linux 6.12.117 with its HMM test device, recorded
// in a guest (README.md beside this file). What differs is listed, with the reason.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { modelCaseHost } from "@hms/conform";
import { answersOf, scenarioOf } from "./scenario.ts";

const FILE = join(import.meta.dirname, "answers/kernel-6.12.117.jsonl.gz");

/** Scenarios of small pages that differ, and why. One that differs no more fails the test. */
const DIFFERENT: ReadonlyMap<number, string> = new Map([
  [905, "the kernel does not merge regions with and without pages, and mremap refuses to move two"],
]);

/**
 * Of the scenarios with huge pages so many may differ: when the kernel can split a huge page depends on who holds a
 * reference to it for a moment, and this host lets a device keep huge pages whole.
 */
const HUGE_DIFFERENT_MAX = 40;

interface Compared {
  readonly seed: number;
  readonly huge: boolean;
  /** The first step that differs, in words; null when none does. */
  readonly difference: string | null;
}

async function compare(line: string): Promise<Compared> {
  const { seed, answers } = JSON.parse(line) as {
    readonly seed: number;
    readonly answers: readonly string[];
  };
  const scenario = scenarioOf(seed);
  const huge = scenario.steps.some((step) => step.do === "map" && step.huge);
  const ours = await answersOf(scenario, modelCaseHost({ reusePlaces: false }));
  // The kernel's gup_test answers 0 also for pages that it could not pin: what pins do shows in the steps after them.
  const at = answers.findIndex((answer, i) => answer !== ours[i] && scenario.steps[i]?.do !== "pin");
  if (at < 0 && answers.length === ours.length) return { seed, huge, difference: null };
  const step = JSON.stringify(scenario.steps[at]);
  return {
    seed,
    huge,
    difference: `seed ${seed}, step ${at + 1} ${step}: the kernel says "${answers[at]}", the model "${ours[at]}"`,
  };
}

describe("the model host answers random scenarios as Linux 6.12.117 did", () => {
  const compared: Compared[] = [];
  before(async () => {
    const lines = gunzipSync(readFileSync(FILE)).toString("utf8").trimEnd().split("\n");
    for (const line of lines) compared.push(await compare(line));
  });

  test("with small pages, but for what is listed", () => {
    const small = compared.filter(({ huge }) => !huge);
    assert.ok(small.length > 900, `only ${small.length} scenarios have small pages`);
    const unexpected = small.filter(({ seed, difference }) => difference !== null && !DIFFERENT.has(seed));
    assert.deepEqual(
      unexpected.map(({ difference }) => difference),
      [],
    );
    const gone = small.filter(({ seed, difference }) => difference === null && DIFFERENT.has(seed));
    assert.deepEqual(
      gone.map(({ seed }) => seed),
      [],
      "these agree now: take them off the list",
    );
  });

  test("with huge pages, mostly", (context) => {
    const huge = compared.filter((one) => one.huge);
    const differing = huge.filter(({ difference }) => difference !== null);
    context.diagnostic(`${huge.length - differing.length} of ${huge.length} scenarios with huge pages agree`);
    assert.ok(huge.length > 100, `only ${huge.length} scenarios have huge pages`);
    assert.ok(
      differing.length <= HUGE_DIFFERENT_MAX,
      differing.map(({ difference }) => difference).join("\n"),
    );
  });
});
