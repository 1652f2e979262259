// The helper of a single device's driver, on the simulated host with the test device: what it says is what happened.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CAUSE, PAGE_BYTES } from "@hms/hmm";
import {
  DEVICE_BIND,
  DEVICE_DEFAULT,
  DEVICE_MEMORY,
  DEVICE_MIGRATE,
  type DeviceCommand,
  DeviceHelper,
  type DeviceMover,
  type DeviceResult,
  HOST_MEMORY,
  ReportBuilder,
} from "@hms/policy";
import { HmsError } from "@hms/topology";
import { at, expectPages, expectSound, lab, mapFilled } from "./hmm/lab.ts";

/** A driver's side, over the core's own migration. */
function moverOf({ host, process, devices }: ReturnType<typeof lab>): DeviceMover {
  const { memory } = at(devices, 0);
  return {
    sharing: true,
    move({ first, count }, to) {
      const { moved, kept } = host.core.migrate({
        space: process.space,
        first,
        count,
        to: to === "device" ? memory : null,
        cause: CAUSE.migrate,
      });
      const stayed = kept.reduce((sum, one) => sum + one.count, 0);
      const report = new ReportBuilder("preferred", count).wanted(to, count);
      report.placed(to, count - stayed).moved(to, moved);
      for (const { count: pages, why } of kept) {
        report.refused({ target: to, by: "driver", why, now: "host" }, pages).elsewhere("host", pages);
      }
      return report.done();
    },
  };
}

function command(
  kind: number,
  target: number,
  range: { readonly first: number; readonly count: number },
  given: Partial<DeviceCommand> = {},
): DeviceCommand {
  return {
    header: BigInt(kind) | (BigInt(target) << 16n),
    start: BigInt(range.first * PAGE_BYTES),
    end: BigInt((range.first + range.count) * PAGE_BYTES),
    pages: range.count,
    stride: 0,
    reserved: [0, 0],
    ...given,
  };
}

const report = (result: DeviceResult | undefined) => (result?.state === "done" ? result.report : undefined);

test("pages go to the device and home, and the result says how many", () => {
  const made = lab();
  const first = mapFilled(made.process, 32);
  const helper = new DeviceHelper(moverOf(made));
  helper.init(null);
  const there = helper.run([command(DEVICE_MIGRATE, DEVICE_MEMORY, { first, count: 32 })]);
  assert.deepEqual(report(there[0])?.targets, [{ target: "device", wanted: 32, placed: 32, moved: 32 }]);
  assert.equal(report(there[0])?.satisfied, true);
  const memory = at(made.devices, 0).memory;
  assert.equal(memory.frames.mapped, 32);
  const back = helper.run([command(DEVICE_MIGRATE, HOST_MEMORY, { first: first + 8, count: 8 })]);
  assert.equal(report(back[0])?.targets[0]?.moved, 8);
  assert.equal(memory.frames.mapped, 24);
  expectPages(made.process, first, 32);
  expectSound(made);
});

test("holes and what does not fit are told, and not passed over", () => {
  const made = lab([{ pages: 512 }]);
  const first = mapFilled(made.process, 16);
  made.process.munmap(first + 4, 2);
  const helper = new DeviceHelper(moverOf(made));
  helper.init(null);
  const [result] = helper.run([command(DEVICE_MIGRATE, DEVICE_MEMORY, { first, count: 16 })]);
  const told = report(result);
  assert.equal(told?.targets[0]?.moved, 14);
  assert.equal(told?.satisfied, false);
  assert.equal(
    told?.refused.reduce((sum, one) => sum + one.pages, 0),
    2,
  );
});

test("all commands are looked at before the first takes effect", () => {
  const made = lab();
  const first = mapFilled(made.process, 8);
  const helper = new DeviceHelper(moverOf(made));
  helper.init(null);
  const range = { first, count: 8 };
  assert.throws(
    () =>
      helper.run([
        command(DEVICE_MIGRATE, DEVICE_MEMORY, range),
        command(DEVICE_BIND, DEVICE_MEMORY, range),
        command(9, 0, range),
      ]),
    (error) =>
      HmsError.is(error) &&
      error.errno === "EINVAL" &&
      /command 3 of 3: there is no command 9/.test(error.message),
  );
  assert.equal(at(made.devices, 0).memory.frames.mapped, 0);
  assert.equal(helper.wanted(first), null);
});

test("what is bound is kept, replaced, dropped, moved and forgotten with its range", () => {
  const helper = new DeviceHelper(moverOf(lab()));
  helper.init(null);
  helper.run([
    command(DEVICE_BIND, DEVICE_MEMORY, { first: 100, count: 100 }),
    command(DEVICE_BIND, HOST_MEMORY, { first: 120, count: 10 }),
    command(DEVICE_DEFAULT, HOST_MEMORY, { first: 140, count: 10 }),
  ]);
  assert.deepEqual(
    [119, 120, 130, 140, 150, 200].map((page) => helper.wanted(page)),
    ["device", "host", "device", null, "device", null],
  );
  helper.moved({ first: 115, count: 10 }, 1000);
  assert.deepEqual(
    [115, 1000, 1005, 1010].map((page) => helper.wanted(page)),
    [null, "device", "host", null],
  );
  helper.unmapped({ first: 1000, count: 5 });
  assert.equal(helper.wanted(1000), null);
});

test("a command that fails is told with its reason, and those after it are left out", () => {
  let calls = 0;
  const helper = new DeviceHelper({
    sharing: true,
    move(): never {
      calls++;
      throw new HmsError("DEVICE_GONE", "ENODEV", "Move pages: the device is gone");
    },
  });
  helper.init(null);
  const range = { first: 10, count: 1 };
  const results = helper.run([
    command(DEVICE_BIND, DEVICE_MEMORY, range),
    command(DEVICE_MIGRATE, DEVICE_MEMORY, range),
    command(DEVICE_BIND, HOST_MEMORY, range),
    command(DEVICE_MIGRATE, HOST_MEMORY, range),
  ]);
  assert.deepEqual(
    results.map(({ state }) => state),
    ["done", "failed", "left out", "left out"],
  );
  assert.equal(results[1]?.state === "failed" && results[1].error.errno, "ENODEV");
  assert.equal(calls, 1);
  assert.equal(helper.wanted(10), "device");
});

test("sharing begins once, and only on a device that can", () => {
  const none = new DeviceHelper({ ...moverOf(lab()), sharing: false });
  assert.throws(
    () => none.init(null),
    (error) => HmsError.is(error) && error.errno === "ENOSYS",
  );
  const helper = new DeviceHelper(moverOf(lab()));
  const one = command(DEVICE_BIND, DEVICE_MEMORY, { first: 1, count: 1 });
  assert.throws(
    () => helper.run([one]),
    (error) => HmsError.is(error) && error.errno === "EINVAL",
  );
  helper.init({ first: 100, count: 10 });
  assert.throws(
    () => helper.init(null),
    (error) => HmsError.is(error) && error.errno === "EBUSY",
  );
});

const good = { first: 50, count: 4 };
for (const [what, given, words] of [
  ["high bits of the header", { header: 1n << 48n }, /bits of the header from 48 on/],
  ["a negative header", { header: -1n }, /bits of the header/],
  ["an unknown command", { header: 7n | (BigInt(DEVICE_MEMORY) << 16n) }, /no command 7/],
  ["an unknown target", { header: 1n << 16n }, /no target 0x1/],
  ["a stride", { stride: 4096 }, /stride .* must be 0, but are 4096/],
  ["what is reserved", { reserved: [0, 1] }, /but are 0 and 0, 1/],
  ["an empty range", { end: 50n * 4096n, pages: 0 }, /at least one byte/],
  ["a range backwards", { start: 60n * 4096n }, /at least one byte/],
  ["a range beyond the space", { end: 1n << 49n }, /end by 2\^48/],
  ["another number of pages", { pages: 5 }, /is of 4 pages, but 5 are said/],
  [
    "the driver's own range",
    { start: 98n * 4096n, end: 102n * 4096n },
    /manages itself: 10 pages from page 0x64/,
  ],
] as const) {
  test(`refused: ${what}`, () => {
    const helper = new DeviceHelper(moverOf(lab()));
    helper.init({ first: 100, count: 10 });
    const one = command(DEVICE_BIND, DEVICE_MEMORY, good, given as Partial<DeviceCommand>);
    assert.throws(
      () => helper.run([one]),
      (error) =>
        HmsError.is(error) &&
        error.code === "DEVICE_COMMAND_INVALID" &&
        error.errno === "EINVAL" &&
        words.test(error.message),
    );
    assert.equal(helper.wanted(50), null);
  });
}

test("a range that begins and ends within pages has all of them", () => {
  const helper = new DeviceHelper(moverOf(lab()));
  helper.init(null);
  helper.run([command(DEVICE_BIND, DEVICE_MEMORY, good, { start: 50n * 4096n + 5n, end: 53n * 4096n + 1n })]);
  assert.deepEqual(
    [49, 50, 53, 54].map((page) => helper.wanted(page)),
    [null, "device", "device", null],
  );
});

test("what is unmapped goes also when no more can be recorded", () => {
  const helper = new DeviceHelper(moverOf(lab()));
  helper.init(null);
  const ranges = 1 << 20;
  for (let i = 0; i < ranges; i += 1024) {
    const many = Array.from({ length: 1024 }, (_, j) =>
      command(DEVICE_BIND, DEVICE_MEMORY, { first: (i + j) * 10, count: 5 }),
    );
    assert.ok(helper.run(many).every(({ state }) => state === "done"));
  }
  const [full] = helper.run([command(DEVICE_BIND, DEVICE_MEMORY, { first: ranges * 10, count: 5 })]);
  assert.equal(full?.state === "failed" && full.error.errno, "ENOSPC");
  // A hole would make two ranges of one: the end of the range goes too.
  helper.unmapped({ first: 102, count: 1 });
  assert.deepEqual(
    [99, 101, 102, 104, 110].map((page) => helper.wanted(page)),
    [null, "device", null, null, "device"],
  );
});
