import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { caseFiles } from "../run/files.ts";
import type { Step, TestCase } from "./case.ts";
import { printCase } from "./print.ts";
import { readCase } from "./read.ts";

/** A case without what printing changes: places, and repeats instead of their rounds. */
function essence(test: TestCase): unknown {
  const bare = (steps: readonly Step[]): unknown[] =>
    steps.flatMap((step) => {
      if (step.step === "repeat") return step.rounds.flatMap(bare);
      const { label: _label, line: _line, ...rest } = step;
      if (rest.step === "fork") return [{ ...rest, child: bare(rest.child), parent: bare(rest.parent) }];
      if (rest.step === "race") return [{ ...rest, steps: bare(rest.steps), rival: bare(rest.rival) }];
      return [rest];
    });
  return { name: test.name, needs: test.needs, devices: [...test.devices], steps: bare(test.steps) };
}

test("every case of the tree reads the same after being printed", () => {
  const files = caseFiles([new URL("../../../../test/cases", import.meta.url).pathname]);
  assert.ok(files.length > 50);
  for (const file of files) {
    const read = readCase(file, readFileSync(file, "utf8"));
    assert.ok("steps" in read, file);
    const again = readCase(file, printCase(read, ["printed"]));
    assert.ok("steps" in again, file);
    assert.deepEqual(essence(again), essence(read), file);
  }
});
