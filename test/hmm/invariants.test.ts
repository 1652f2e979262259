import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkInvariants,
  HOST,
  KIND,
  LOCKED,
  MAY_ATOMIC,
  MAY_READ,
  MAY_WRITE,
  MOVING,
  WRITE,
} from "@hms/hmm";
import { at, expectOk, type Lab, lab, mapFilled, mapHuge } from "./lab.ts";

/** Damage, and what the check must say of it. */
const DAMAGES: readonly (readonly [string, RegExp, (machine: Lab, first: number) => void])[] = [
  [
    "a page that two write",
    /writable although others map it/,
    ({ process }, first) => {
      process.fork();
      flags(process, first, (before) => before | WRITE);
    },
  ],
  [
    "a page that its region lets nobody write",
    /is writable, its region is not/,
    ({ process }, first) => {
      process.mprotect(first, 1, "r");
      flags(process, first, (before) => before | WRITE);
    },
  ],
  [
    "a page that never arrives",
    /is on its way, but no migration is/,
    ({ process }, first) => flags(process, first, (before) => (before & ~KIND) | MOVING),
  ],
  [
    "a count that is wrong",
    /pages are in host, accounted are/,
    ({ process }) => {
      process.space.table.counts[1] = 17;
    },
  ],
  [
    "an entry outside of any region",
    /entries are populated/,
    ({ process }, first) => {
      process.space.regions.remove(first, first + 1);
    },
  ],
  [
    "a frame that is mapped once more than is known",
    /is mapped \d+ times, counted are/,
    ({ host, process }, first) => {
      const { host: frames } = host.core.memories;
      const frame = process.space.table.frameAt(first);
      frames.mapCount[frame] = 2;
    },
  ],
  [
    "a frame that another page maps",
    /thinks that page/,
    ({ process }, first) => {
      const { table } = process.space;
      const chunk = table.ensure(first);
      const [a, b] = [chunk.frames[first - chunk.first] ?? 0, chunk.frames[first - chunk.first + 1] ?? 0];
      chunk.frames[first - chunk.first] = b;
      chunk.frames[first - chunk.first + 1] = a;
    },
  ],
  [
    "a lock that nobody holds",
    /is locked, but nothing is under way/,
    ({ host, process }, first) => host.core.memories.host.set(process.space.table.frameAt(first), LOCKED),
  ],
  [
    "a translation of what is not there",
    /which is not there/,
    (machine, first) => at(machine.handles, 0).table.set(first + 40, 5, MAY_READ),
  ],
  [
    "a translation to another frame",
    /which is frame/,
    ({ handles }, first) => at(handles, 0).table.set(first, 7777, MAY_READ),
  ],
  [
    "a right to write what is read-only",
    /which is read-only/,
    ({ process, handles }, first) => {
      process.mprotect(first, 1, "r");
      at(handles, 0).table.set(first, process.space.table.frameAt(first), MAY_WRITE);
    },
  ],
  [
    "a right to what is not exclusive",
    /which is not exclusive/,
    ({ process, handles }, first) =>
      at(handles, 0).table.set(first, process.space.table.frameAt(first), MAY_ATOMIC),
  ],
  [
    "a right to another device's private page",
    /which is another device's/,
    ({ process, handles }, first) => {
      expectOk(at(handles, 1).run("migrate-to-device", first, 1));
      at(handles, 0).table.set(first, process.space.table.frameAt(first), MAY_READ);
    },
  ],
  [
    "a right to what a device has for itself",
    /someone has for itself/,
    ({ process, handles }, first) => {
      expectOk(at(handles, 1).run("exclusive", first, 1));
      at(handles, 0).table.set(first, process.space.table.frameAt(first), MAY_READ);
    },
  ],
  [
    "a huge page in pieces",
    /the huge page at \d+ is not one/,
    ({ process }) => {
      const huge = mapHuge(process);
      flags(process, huge + 9, (before) => before & ~WRITE);
    },
  ],
  [
    "a private page that pretends to be coherent",
    /is not in/,
    ({ process, handles }, first) => {
      expectOk(at(handles, 0).run("migrate-to-device", first, 1));
      flags(process, first, (before) => (before & ~KIND) | 4);
    },
  ],
  [
    "a duplicate that nobody has",
    /says it is duplicated/,
    ({ process }, first) => flags(process, first, (before) => (before & ~WRITE) | 0x200),
  ],
];

function flags(process: Lab["process"], page: number, change: (before: number) => number): void {
  const chunk = process.space.table.ensure(page);
  const index = page - chunk.first;
  chunk.flags[index] = change(chunk.flags[index] ?? HOST);
}

for (const [what, says, damage] of DAMAGES) {
  test(`the check finds ${what}`, () => {
    const machine = lab([{}, {}]);
    const first = mapFilled(machine.process, 4);
    expectOk(at(machine.handles, 0).run("read", first + 2, 1));
    assert.deepEqual(checkInvariants(machine.host.core), []);
    damage(machine, first);
    const problems = checkInvariants(machine.host.core);
    assert.ok(
      problems.some((problem) => says.test(problem)),
      `expected ${says}, found ${JSON.stringify(problems)}`,
    );
  });
}
