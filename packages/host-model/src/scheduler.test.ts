import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, type Errno, errnoOf, OK } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { StepOutcome } from "./face.ts";
import { ModelHost } from "./host.ts";
import type { ModelProcess } from "./process.ts";
import { Random } from "./random.ts";

/** Runs three threads that fill, read, unmap and fork, and says in which order things happened. */
function story(seed: number): string[] {
  const host = new ModelHost({ seed, ramPages: 64, swapPages: 256 });
  const process = host.createProcess();
  const first = process.mmap({ pages: 40 });
  const said: string[] = [];
  const thread = (name: string, work: (round: number) => Errno): void => {
    let round = 0;
    host.scheduler.add({
      name,
      step: (): StepOutcome => {
        const errno = work(round);
        said.push(`${name}${round}:${errno}@${host.scheduler.depth}`);
        if (errno === EAGAIN) return "blocked";
        round++;
        return round === 40 ? "done" : "ran";
      },
    });
  };
  thread("w", (round) => process.write(first + round, 0, new Uint8Array(4096).fill(round)));
  thread("r", (round) => process.touch(first + ((round * 7) % 40)));
  thread("m", (round) => (round % 8 === 0 ? forked(process) : process.mprotect(first, 40, "rw")));
  const { stuck } = host.scheduler.run();
  assert.deepEqual(stuck, []);
  for (let i = 0; i < 40; i++) {
    const bytes = new Uint8Array(1);
    assert.equal(process.read(first + i, 9, bytes), OK);
    assert.equal(bytes[0], i);
  }
  said.push(String(host.clock.now));
  return said;
}

function forked(process: ModelProcess): Errno {
  try {
    return process.fork().exit();
  } catch (error) {
    if (HmsError.is(error)) return errnoOf(error.errno);
    throw error;
  }
}

test("the same seed gives the same story, another seed another, and steps do run inside of steps", () => {
  const stories = [1, 2, 3, 4].map(story);
  assert.deepEqual(story(1), stories[0]);
  assert.equal(new Set(stories.map((one) => one.join())).size, 4);
  assert.ok(stories.flat().some((said) => /@[23]/.test(said)));
});

test("tasks that wait for each other are named, and a number of steps can be the end", () => {
  const host = new ModelHost();
  host.scheduler.add({ name: "one", step: () => "blocked" });
  host.scheduler.add({ name: "two", step: () => "blocked" });
  const report = host.scheduler.run();
  assert.deepEqual([...report.stuck].sort(), ["one", "two"]);
  assert.equal(report.steps, 0);
  const other = new ModelHost();
  other.scheduler.add({ name: "endless", step: () => "ran" });
  assert.deepEqual(other.scheduler.run(10), { steps: 10, blocked: 0, stuck: [] });
});

test("random numbers: the same for the same seed, spread over the range, different for near seeds", () => {
  const first = new Random(5);
  const again = new Random(5);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const value = first.below(10);
    assert.equal(value, again.below(10));
    counts[value] = (counts[value] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 850 && count < 1150, counts.join());
  const near = new Set(Array.from({ length: 100 }, (_, seed) => new Random(seed).bits()));
  assert.equal(near.size, 100);
  assert.notEqual(new Random(2 ** 40).bits(), new Random(2 ** 41).bits());
});
