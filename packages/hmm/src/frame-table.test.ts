import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameAllocator } from "./frame-allocator.ts";
import { FrameTable, LOCKED } from "./frame-table.ts";
import { HUGE_PAGES } from "./units.ts";

test("any mappings of a frame: the reverse map knows exactly those that are there", () => {
  const mapping = fc.record({
    space: fc.nat(5),
    page: fc.oneof(fc.nat(3), fc.integer({ min: 2 ** 36 - 3, max: 2 ** 36 - 1 })),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), mapping), { maxLength: 60 }), (steps) => {
      const table = new FrameTable(1000, 4);
      const mapped: string[] = [];
      for (const [add, { space, page }] of steps) {
        const key = `${space}:${page}`;
        const at = mapped.indexOf(key);
        if (add && at < 0) {
          table.map(2, space, page);
          mapped.push(key);
        } else if (!add && at >= 0) {
          table.unmap(2, space, page);
          mapped.splice(at, 1);
        }
        const known = (table.further(2) ?? []).map((one) => `${one.space}:${one.page}`);
        if ((table.mapCount[2] ?? 0) > 0) known.push(`${table.spaceOf(2)}:${table.pageOf(2)}`);
        assert.deepEqual(known.sort(), [...mapped].sort());
        assert.equal(table.mapCount[2], mapped.length);
        assert.equal(table.mapped, mapped.length === 0 ? 0 : 1);
      }
    }),
    { numRuns: 500 },
  );
});

test("a frame is unused only when nothing maps, pins, locks or keeps it; pins are bounded", () => {
  const table = new FrameTable(0, 2);
  assert.ok(table.unused(1));
  table.set(1, LOCKED);
  assert.ok(!table.unused(1));
  table.clear(1, LOCKED);
  for (let i = 0; i < 0xffff; i++) assert.ok(table.pin(1));
  assert.ok(!table.pin(1));
  for (let i = 0; i < 0xffff; i++) table.unpin(1);
  assert.ok(table.unused(1));
  assert.throws(() => table.unpin(1), /no pin to give back/);
  assert.throws(() => table.unmap(0, 3, 4), /does not map/);
});

test("any takes and gives: no page is given out twice, huge blocks are whole, and nothing is lost", () => {
  const sizes = fc.record({ pages: fc.integer({ min: 1, max: 2000 }), reserved: fc.nat(3) });
  const step = fc.oneof(
    fc.record({ take: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ give: fc.nat(1000) }),
    fc.constant({ huge: true }),
  );
  fc.assert(
    fc.property(sizes, fc.array(step, { maxLength: 60 }), ({ pages, reserved }, steps) => {
      if (reserved > pages) return;
      const free = new FrameAllocator(pages, reserved);
      const out = new Set<number>();
      const put = (index: number): void => {
        assert.ok(index >= reserved && index < pages && !out.has(index));
        out.add(index);
      };
      for (const one of steps) {
        if ("take" in one) {
          for (let i = 0; i < one.take; i++) {
            const index = free.take();
            if (index < 0) assert.equal(out.size, pages - reserved);
            else put(index);
          }
        } else if ("give" in one) {
          for (const index of [...out].slice(0, one.give)) {
            free.give(index);
            out.delete(index);
          }
        } else {
          const first = free.takeHuge();
          if (first < 0) continue;
          assert.equal(first % HUGE_PAGES, 0);
          for (let k = 0; k < HUGE_PAGES; k++) put(first + k);
        }
        assert.equal(free.available, pages - reserved - out.size);
      }
      for (const index of out) free.give(index);
      assert.equal(free.available, pages - reserved);
      const whole = Math.floor(pages / HUGE_PAGES) - (reserved > 0 && pages >= HUGE_PAGES ? 1 : 0);
      let blocks = 0;
      while (free.takeHuge() >= 0) blocks++;
      assert.equal(blocks, whole, "what is given back joins to huge blocks again");
    }),
    { numRuns: 300 },
  );
});

test("runs of pages: nobody gets a page twice, and what is given back together is had together again", () => {
  const sizes = fc.record({ pages: fc.integer({ min: 1, max: 2100 }), reserved: fc.nat(20) });
  const step = fc.oneof(
    fc.record({ take: fc.integer({ min: 1, max: HUGE_PAGES }) }),
    fc.record({ one: fc.nat(40) }),
    fc.record({ give: fc.nat(5), part: fc.nat(600) }),
  );
  fc.assert(
    fc.property(sizes, fc.array(step, { maxLength: 60 }), ({ pages, reserved }, steps) => {
      if (reserved > pages) return;
      const free = new FrameAllocator(pages, reserved);
      const out = new Set<number>();
      const runs: { first: number; count: number }[] = [];
      const put = (first: number, count: number): void => {
        for (let index = first; index < first + count; index++) {
          assert.ok(index >= reserved && index < pages && !out.has(index) && free.isTaken(index));
          out.add(index);
        }
        runs.push({ first, count });
      };
      for (const ask of steps) {
        if ("take" in ask) {
          const first = free.takeRun(ask.take);
          if (first < 0) assert.equal(out.size, pages - reserved);
          else assert.ok(free.got >= 1 && free.got <= ask.take);
          if (first >= 0) put(first, free.got);
        } else if ("one" in ask) {
          for (let i = 0; i < ask.one; i++) {
            const index = free.take();
            if (index >= 0) put(index, 1);
          }
        } else {
          const run = runs.splice(ask.give, 1)[0];
          if (run === undefined) continue;
          const count = Math.min(run.count, ask.part + 1);
          free.giveRun(run.first, count);
          for (let k = 0; k < count; k++) out.delete(run.first + k);
          if (count < run.count) runs.push({ first: run.first + count, count: run.count - count });
        }
        assert.equal(free.available, pages - reserved - out.size);
      }
      for (const { first, count } of runs) free.giveRun(first, count);
      assert.equal(free.available, pages - reserved);
      for (let left = pages - reserved; left > 0; left -= free.got) assert.ok(free.takeRun(HUGE_PAGES) >= 0);
      assert.equal(free.takeRun(1), -1);
    }),
  );
});

test("mappings of frames that follow each other, together as one by one", () => {
  const table = new FrameTable(1000, 600);
  table.mapRun(8, 500, 3, 2 ** 32 + 512);
  assert.equal(table.mapped, 500);
  for (const index of [8, 9, 507]) {
    assert.deepEqual(
      [table.mapCount[index], table.spaceOf(index), table.pageOf(index)],
      [1, 3, 2 ** 32 + 512 + index - 8],
    );
  }
  table.unmap(8, 3, 2 ** 32 + 512);
  table.unmapRun(9, 499);
  assert.equal(table.mapped, 0);
  assert.ok(table.mapCount.every((count) => count === 0));
});

test("giving back what is free is a programmer's error", () => {
  const free = new FrameAllocator(600);
  const index = free.take();
  free.give(index);
  assert.throws(() => free.give(index), /free already/);
  const block = free.takeHuge();
  free.give(block + 5);
  assert.throws(() => free.give(block + 5), /free already/);
});

test("pages that are taken together follow each other, in whatever order they were given back", () => {
  const free = new FrameAllocator(4 * HUGE_PAGES);
  for (let i = 0; i < 2 * HUGE_PAGES; i++) free.take();
  for (let index = HUGE_PAGES - 1; index >= 100; index--) free.give(index);
  assert.equal(free.takeRun(64), 100);
  assert.equal(free.got, 64);
  assert.equal(free.takeRun(64), 164);
  free.give(100);
  assert.throws(() => free.giveRun(99, 3), /page 100 is free already/);
  assert.ok(free.isTaken(99) && free.isTaken(101));
  assert.throws(() => new FrameAllocator(600).give(700), /page 700 is none of the 600/);
});
