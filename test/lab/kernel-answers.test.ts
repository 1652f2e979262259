// The model host must answer random scenarios as a real kernel did: Linux 6.12.117 with its HMM test device, recorded
// in a guest (README.md). Differences that are the kernel's test driver's own are listed, with the reason.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { modelCaseHost } from "@hms/conform";
import { answersOf, scenarioOf } from "./scenario.ts";

const FILE = join(import.meta.dirname, "answers/kernel-6.12.117.jsonl.gz");

interface Answers {
  readonly seed: number;
  readonly answers: readonly string[];
}

test("the model host answers random scenarios as Linux 6.12.117 did", async () => {
  const recorded = gunzipSync(readFileSync(FILE))
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Answers);
  assert.ok(recorded.length > 1000);
  const differing: string[] = [];
  for (const { seed, answers } of recorded) {
    const scenario = scenarioOf(seed);
    const ours = await answersOf(scenario, modelCaseHost({ reusePlaces: false }));
    const at = answers.findIndex((answer, i) => answer !== ours[i]);
    if (at >= 0 || ours.length !== answers.length) {
      differing.push(
        `seed ${seed}, step ${at + 1} ${JSON.stringify(scenario.steps[at])}: the kernel says "${answers[at]}", the model "${ours[at]}"`,
      );
    }
  }
  assert.equal(differing.join("\n"), "", `${differing.length} of ${recorded.length} scenarios differ`);
});
