import assert from "node:assert/strict";
import { test } from "node:test";
import { Around } from "./around.ts";

const LIMIT = 1 << 30;

/** Touches every page of a range in order, as a program does, and answers how many faults that took. */
function touchAll(around: Around, first: number, count: number, there: Set<number> = new Set()): number {
  let faults = 0;
  for (let page = first; page < first + count; page++) {
    if (there.has(page)) continue;
    around.at(page, 0, LIMIT, 512);
    assert.ok(around.first <= page && page < around.first + around.count);
    for (let near = around.first; near < around.first + around.count; near++) there.add(near);
    faults++;
  }
  return faults;
}

test("windows grow with faults in order, either way, to whole 2 MiB", () => {
  const around = new Around();
  let page = 100_003;
  for (let i = 0; i < 10; i++) {
    around.at(page, 0, LIMIT, 512);
    page = around.first + around.count;
  }
  assert.equal(around.count, 512);
  assert.equal(around.first % 512, 0);
  page = 50_000;
  for (let i = 0; i < 10; i++) {
    around.at(page, 0, LIMIT, 512);
    assert.ok(around.first <= page && page < around.first + around.count);
    page = around.first - 1;
  }
  assert.equal(around.count, 512);
  assert.equal(around.first % 512, 0);
});

test("touches here and there bring one page each, whatever came before", () => {
  const around = new Around(16);
  touchAll(around, 0, 100_000);
  let brought = 0;
  for (let i = 1; i <= 1000; i++) {
    around.at(200_000 + ((i * 7919) % 1000) * 1000, 0, LIMIT, 512);
    brought += around.count;
  }
  assert.ok(brought < 1000 + 2 * 128, `${brought} pages`);
  assert.equal(around.count, 1);
});

test("block after block soon comes with one fault for each, and little beyond it", () => {
  for (const block of [4, 16, 64]) {
    const around = new Around();
    const there = new Set<number>();
    for (let k = 0; k < 16; k++) touchAll(around, k * 1000, block, there);
    const before = there.size;
    let faults = 0;
    for (let k = 16; k < 216; k++) faults += touchAll(around, k * 1000, block, there);
    assert.ok(faults <= 230, `${faults} faults for 200 blocks of ${block}`);
    assert.ok(there.size - before <= 2 * 200 * block, `${there.size - before} pages`);
  }
});

test("a sequence may leave out a few pages, and many go on side by side", () => {
  const around = new Around();
  const pages = Array.from({ length: 30 }, (_, k) => k * 100_000);
  for (let round = 0; round < 8; round++) {
    for (let k = 0; k < 30; k++) {
      around.at((pages[k] ?? 0) + (round > 3 ? 3 : 0), 0, LIMIT, 512);
      pages[k] = around.first + around.count;
    }
  }
  assert.ok(around.count > 256);
});

test("windows stay within what they may be of", () => {
  const around = new Around(64);
  around.at(5, 4, 6, 512);
  assert.deepEqual([around.first, around.count], [5, 1]);
  around.at(1000, 0, 1010, 4);
  assert.ok(around.count <= 4);
  around.fixed = 16;
  around.at(1000, 995, 1005, 512);
  assert.deepEqual([around.first, around.count], [995, 10]);
});

/** What follows a window that comes by itself. */
interface Led {
  readonly faults: number;
  readonly ahead: number;
}

/** The same where what comes next is brought before it is touched, and is there in time. */
function touchLed(around: Around, first: number, count: number, end = LIMIT, there = new Set<number>()): Led {
  let faults = 0;
  let ahead = 0;
  for (let page = first; page < first + count; page++) {
    if (there.has(page)) continue;
    around.at(page, 0, end, 512);
    assert.ok(around.first <= page && page < around.first + around.count);
    const { ahead: next } = around;
    const beyond = around.first + around.count;
    assert.ok(next >= 0 && next <= 8192 && (next === 0 || beyond + next <= end), `${next} ahead`);
    for (let near = around.first; near < beyond + next; near++) there.add(near);
    const sequence = next > 0 ? around.leadBy(next) : 0;
    for (let from = beyond; from < beyond + next; from += 512)
      around.came(sequence, from, Math.min(from + 512, beyond + next));
    ahead += next;
    faults++;
  }
  return { faults, ahead };
}

test("what comes next is said of a sequence that goes on, twice as much each time", () => {
  const around = new Around();
  const windows: number[] = [];
  for (let page = 0; windows.length < 12; ) {
    around.at(page, 0, LIMIT, 512);
    const beyond = around.first + around.count;
    const sequence = around.leadBy(around.ahead);
    around.came(sequence, beyond, beyond + around.ahead);
    windows.push(around.ahead);
    page = beyond + around.ahead;
  }
  // 1, 4, 16, 64, 256 and the first 512 pages, then those that are led.
  assert.deepEqual(windows, [0, 0, 0, 0, 0, 0, 512, 1024, 2048, 4096, 8192, 8192]);
});

test("a sequence that begins again is led by half of the way that it went; in vain, by half of that", () => {
  const around = new Around();
  const pages = 16 * 512;
  touchLed(around, 0, pages, pages);
  for (let round = 0; round < 3; round++)
    assert.deepEqual(touchLed(around, 0, pages, pages), { faults: 3, ahead: 13 * 512 });
  for (let round = 0; round < 3; round++) {
    // Its beginning alone says nothing: it may be all that is touched this time.
    assert.deepEqual(touchLed(around, 0, 100, pages), { faults: 1, ahead: 0 });
    assert.deepEqual(touchLed(around, 0, pages, pages), { faults: 4, ahead: 12 * 512 });
  }
  touchLed(around, 0, pages, pages);
  const inVain: number[] = [];
  for (let k = 0; k < 5; k++) inVain.push(touchLed(around, 0, 600, pages).ahead / 512);
  assert.deepEqual(inVain, [6, 2, 0, 0, 0]);
});

test("a sequence that is advised is led from its first window on", () => {
  const around = new Around();
  around.fixed = 512;
  assert.deepEqual(touchLed(around, 512, 63 * 512, 64 * 512), { faults: 7, ahead: 56 * 512 });
});

test("what was led in vain is little, and less where it is in vain again and again", () => {
  for (const { block, stride, most } of [
    { block: 4, stride: 8, most: 0.2 },
    { block: 4, stride: 16, most: 0.2 },
    { block: 6, stride: 11, most: 0.35 },
  ]) {
    const around = new Around();
    let touched = 0;
    let inVain = 0;
    for (let round = 0; round < 8; round++) {
      const there = new Set<number>();
      const before = touched;
      for (let first = 256 + (round % 3) * 700; first < 64 * 512; first += stride * 512) {
        touchLed(around, first, block * 512, LIMIT, there);
        touched += block * 512;
      }
      inVain += there.size - (touched - before);
    }
    assert.ok(inVain <= most * touched, `${block} of ${stride}: ${inVain} of ${touched}`);
  }
});

test("who is faster than what leads it is led no further; what came for another sequence does not count", () => {
  const around = new Around();
  let page = 0;
  do {
    around.at(page, 0, LIMIT, 512);
    const beyond = around.first + around.count;
    around.came(around.leadBy(around.ahead), beyond, beyond + around.ahead);
    page = beyond + around.ahead;
  } while (around.ahead < 2048);
  around.at(page, 0, LIMIT, 512);
  assert.equal(around.ahead, 4096);
  // One of eight windows came, and then another one that does not follow it.
  const beyond = around.first + around.count;
  const sequence = around.leadBy(4096);
  around.came(sequence, beyond, beyond + 512);
  around.came(sequence, beyond + 1024, beyond + 1536);
  around.at(beyond + 512, 0, LIMIT, 512);
  assert.deepEqual([around.first, around.count, around.ahead], [beyond + 512, 512, 4096]);
  around.one(7);
  assert.deepEqual([around.first, around.count, around.ahead], [7, 1, 0]);
});

test("blocks here and there, others in each round, are not led far", () => {
  const around = new Around(16);
  const blocks = 128;
  let touched = 0;
  let ahead = 0;
  for (let round = 0; round < 50; round++) {
    const there = new Set<number>();
    for (let group = 0; group * 10 < blocks; group++) {
      const among = Math.min(10, blocks - group * 10);
      const block = group * 10 + ((round * 7 + group * 3) % among);
      ahead += touchLed(around, block * 64, 64, blocks * 64, there).ahead;
      touched += 64;
    }
  }
  assert.ok(ahead < touched / 4, `${ahead} pages ahead of ${touched}`);
});

test("what blocks have taught is soon forgotten where there are none", () => {
  const around = new Around();
  const there = new Set<number>();
  for (let k = 0; k < 200; k++) touchAll(around, k * 1000, 64, there);
  let brought = 0;
  for (let i = 1; i <= 1000; i++) {
    around.at(10_000_000 + ((i * 7919) % 1000) * 1000, 0, LIMIT, 512);
    brought += around.count;
  }
  assert.ok(brought < 1000 + 8 * 128 + 2 * 128, `${brought} pages`);
  assert.equal(around.count, 1);
});
