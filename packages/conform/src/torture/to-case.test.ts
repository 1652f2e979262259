// A program that does not fail, said as a case, passes: what a case of torture expects is what must be.
import assert from "node:assert/strict";
import { test } from "node:test";
import { printCase } from "../format/print.ts";
import { readCase } from "../format/read.ts";
import { modelCaseHost } from "../model/host.ts";
import { runCase } from "../run/runner.ts";
import { RACED, RIVALS } from "./case-ops.ts";
import { Generator } from "./generate.ts";
import { profileOf } from "./profile.ts";
import { OP, Program } from "./program.ts";
import { Run } from "./run.ts";
import { toCase } from "./to-case.ts";
import { World } from "./world.ts";

const FIRST = Number(process.env.HMS_TORTURE_SEED ?? 1);
const PROGRAMS = Number(process.env.HMS_TORTURE_SEEDS ?? 120);
const NEEDS = ["alternatives", "dax", "faults", "placement", "race", "signals", "swap"];
/** What a case has no words for. */
const UNSAID: ReadonlySet<number> = new Set([
  ...[OP.fileWrite, OP.dma, OP.truncate, OP.punch, OP.reflink, OP.hold, OP.failHostAllocation],
]);

test(`programs of torture pass as cases: seeds ${FIRST} to ${FIRST + PROGRAMS - 1}`, async () => {
  let said = 0;
  for (let seed = FIRST; seed < FIRST + PROGRAMS; seed++) {
    const profile = profileOf(seed);
    const program = programOf(seed, new World(profile));
    const options = { name: `seed ${seed}`, placed: seed % 2 === 0, raceTimes: 1 + (seed % 5) };
    const made = toCase(program, profile, options);
    if (typeof made === "string") continue;
    said++;
    const text = printCase({ ...made, needs: NEEDS });
    const read = readCase(options.name, text);
    assert.ok("steps" in read);
    const outcome = await runCase(read, modelCaseHost());
    assert.equal(outcome.result, "passed", `seed ${seed}: ${JSON.stringify(outcome)}\n${text}`);
  }
  assert.ok(said > PROGRAMS / 2, `${said} of ${PROGRAMS} programs can be said`);
});

/** Some operations that have words, with what happens within them. */
function programOf(seed: number, world: World): Program {
  const program = new Program();
  const run = new Run(world, program);
  const generator = new Generator(world, seed);
  for (let left = 4 + (seed % 30); left > 0; left--) {
    const next = new Program();
    generator.next(next);
    if (!canBeSaid(next)) continue;
    const at = program.length;
    for (let i = 0; i < next.length; i++) program.add(next.op(i), next.parent(i) < 0 ? -1 : at, next.at(i));
    run.step(at, program.length);
  }
  return program;
}

function canBeSaid(program: Program): boolean {
  const codes = Array.from({ length: program.length }, (_, i) => program.code(i));
  if (codes.some((code) => UNSAID.has(code))) return false;
  const [outer = 0, ...within] = codes;
  return within.length === 0 || (RACED.has(outer) && within.every((code) => RIVALS.has(code)));
}
