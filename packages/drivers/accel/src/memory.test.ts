import assert from "node:assert/strict";
import { test } from "node:test";
import { CAUSE, checkInvariants, OK, PAGE_BYTES } from "@hms/hmm";
import { Random } from "@hms/host-model";
import { Isolation } from "./isolation.ts";
import { ACCESS_READ, ACCESS_WRITE } from "./layout.ts";
import { AccelMemory } from "./memory.ts";
import { Spin } from "./spin.ts";
import { PlainMachine, type PlainWindow } from "./testing/plain.ts";
import type { Advice, SpaceView, ViewWindow } from "./view.ts";

const quiet = { faulted: () => {}, failedFault: () => {} };

interface Device {
  readonly memory: AccelMemory;
  readonly view: SpaceView;
  readonly opened: ViewWindow;
  readonly window: PlainWindow;
  declared: number;
}

function addDevice(
  machine: PlainMachine,
  space: SpaceView["space"],
  first: number,
  pages: number,
  own: number,
): Device {
  const memory = new AccelMemory(
    machine.core,
    machine,
    `accel${machine.core.devices.size}`,
    own * PAGE_BYTES,
    quiet,
  );
  const device = { memory, declared: 0 } as Device;
  const view = memory.view(space, () => device.declared);
  const opened = view.open(1, first, pages);
  return Object.assign(device, { view, opened, window: opened.window as PlainWindow });
}

function check(machine: PlainMachine): void {
  const wrong = checkInvariants(machine.core);
  assert.deepEqual(wrong, []);
}

test("random work of CPU and two devices, over memory that is far too small, against plain bytes", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Random(seed);
    const machine = new PlainMachine();
    const process = machine.host.createProcess();
    const pages = 96;
    const shared = seed % 5 === 0;
    const first = process.mmap({ pages, share: shared ? "shared" : "private" });
    const devices = [
      addDevice(machine, process.space, first, pages, 16 + (seed % 3) * 8),
      addDevice(machine, process.space, first, pages, 40),
    ];
    const truth = new Uint8Array(pages);
    const advices: readonly Advice[] = ["auto", "move", "duplicate", "stay"];
    for (let step = 0; step < 400; step++) {
      const page = random.below(pages);
      const device = devices[random.below(2)];
      if (device === undefined) continue;
      const what = `seed ${seed}, step ${step}, page ${page}`;
      device.opened.advice = advices[random.below(4)] ?? "auto";
      device.declared = random.below(4);
      switch (random.below(7)) {
        case 0:
          machine.settle();
          truth[page] = step;
          assert.equal(process.write(first + page, 0, new Uint8Array(PAGE_BYTES).fill(step)), OK, what);
          break;
        case 1: {
          machine.settle();
          const bytes = new Uint8Array(PAGE_BYTES);
          assert.equal(process.read(first + page, 0, bytes), OK, what);
          assert.ok(
            bytes.every((byte) => byte === truth[page]),
            what,
          );
          break;
        }
        case 2:
        case 3:
          truth[page] = step;
          assert.equal(device.window.store(first + page, step), OK, what);
          break;
        case 4: {
          const bytes = device.window.load(first + page);
          assert.ok(
            bytes.every((byte) => byte === truth[page]),
            `${what}: ${bytes[0]} for ${truth[page]}`,
          );
          break;
        }
        case 5: {
          const count = 1 + random.below(pages - page);
          machine.core.migrate({
            space: process.space,
            first: first + page,
            count,
            to: random.below(3) === 0 ? null : device.memory.memory,
          });
          break;
        }
        default:
          device.memory.memory.evict(0, 8, CAUSE.eviction);
      }
      check(machine);
    }
    machine.settle();
    for (let page = 0; page < pages; page++) {
      const bytes = new Uint8Array(PAGE_BYTES);
      process.read(first + page, 0, bytes);
      assert.ok(
        bytes.every((byte) => byte === truth[page]),
        `seed ${seed}, page ${page} at the end`,
      );
    }
    for (const { memory, view, opened } of devices) {
      view.closeWindow(opened);
      memory.closeView(view);
      memory.close();
      assert.equal(memory.available, memory.memory.pages);
    }
    check(machine);
  }
});

test("what is written moves to the device; what a CPU has just used is duplicated for reading, and stays", () => {
  const machine = new PlainMachine();
  const process = machine.host.createProcess();
  const first = process.mmap({ pages: 32 });
  process.write(first, 0, new Uint8Array(32 * PAGE_BYTES).fill(5));
  const device = addDevice(machine, process.space, first, 32, 64);
  const where = (page: number): string =>
    machine.core.explain(process.space, first + page, 1)[0]?.where ?? "";
  device.declared = ACCESS_READ;
  device.window.load(first);
  assert.equal(where(0), "accel0 memory");
  // The CPU brings it home by touching it, and the device reads it again at once.
  machine.settle();
  process.read(first, 0, new Uint8Array(8));
  assert.equal(where(0), "host");
  device.window.load(first);
  assert.equal(where(0), "host");
  assert.equal(machine.core.statistics.duplicated > 0 || device.memory.available < 64, true);
  device.declared = ACCESS_WRITE;
  device.window.store(first, 6);
  assert.equal(where(0), "accel0 memory");
  check(machine);
});

test("when nothing can leave the device's memory, pages are used where they are", () => {
  const machine = new PlainMachine();
  const process = machine.host.createProcess();
  const first = process.mmap({ pages: 64 });
  const device = addDevice(machine, process.space, first, 64, 16);
  for (let page = 0; page < 16; page++) device.window.store(first + page, page);
  for (let index = 0; index < 16; index++) device.memory.memory.hold(index, "the test holds it");
  for (let page = 16; page < 64; page++) assert.equal(device.window.store(first + page, page), OK);
  assert.equal(machine.core.explain(process.space, first + 40, 1)[0]?.where, "host");
  machine.settle();
  const bytes = new Uint8Array(1);
  process.read(first + 40, 0, bytes);
  assert.equal(bytes[0], 40);
  for (let index = 0; index < 16; index++) device.memory.memory.unhold(index);
  check(machine);
});

test("a device's touch of what it may not have fails, and nothing else happens", () => {
  const machine = new PlainMachine();
  const process = machine.host.createProcess();
  const first = process.mmap({ pages: 8 });
  const device = addDevice(machine, process.space, first, 8, 16);
  device.window.store(first, 9);
  process.mprotect(first, 4, "r");
  assert.notEqual(device.window.touch(first, true), OK);
  assert.equal(device.window.touch(first, false), OK);
  process.munmap(first + 4, 4);
  assert.notEqual(device.window.touch(first + 5, false), OK);
  machine.settle();
  const bytes = new Uint8Array(1);
  process.read(first, 0, bytes);
  assert.equal(bytes[0], 9);
  assert.throws(() => new AccelMemory(machine.core, machine, "tiny", 4096, quiet), { errno: "EINVAL" });
  check(machine);
});

test("a stream through a small memory evicts what it has passed, and brings in more at a time", () => {
  const machine = new PlainMachine();
  const process = machine.host.createProcess();
  const pages = 2048;
  const first = process.mmap({ pages });
  const device = addDevice(machine, process.space, first, pages, 512);
  const before = machine.core.statistics.deviceFaults;
  let faults = 0;
  for (let page = 0; page < pages; page++) {
    if (device.view.table.right(first + page) === 0) faults++;
    device.window.store(first + page, page % 251);
  }
  assert.ok(faults < pages / 16, `${faults} faults for ${pages} pages`);
  assert.ok(machine.core.statistics.deviceFaults - before < pages);
  assert.ok(device.memory.evicted >= pages - 512);
  for (let page = 0; page < pages; page++) assert.equal(device.window.load(first + page)[7], page % 251);
});

/** A region of 16 MiB that a CPU has written, and a device with so many pages. */
function written(own: number) {
  const pages = 4096;
  const machine = new PlainMachine();
  const process = machine.host.createProcess();
  const first = process.mmap({ pages });
  for (let page = 0; page < pages; page++) process.write(first + page, 0, new Uint8Array([page % 251]));
  const device = addDevice(machine, process.space, first, pages, own);
  device.declared = ACCESS_READ | ACCESS_WRITE;
  return { machine, process, first, pages, device };
}

test("what a sequence comes to next comes while nobody waits", () => {
  const { machine, first, pages, device } = written(8192);
  const { window, memory, view } = device;
  const before = machine.core.statistics.deviceFaults;
  for (let page = 0; page < pages; page++) {
    assert.equal(window.load(first + page)[0], page % 251);
    window.work();
  }
  assert.ok(window.cameAhead >= pages / 2, `${window.cameAhead} pages`);
  assert.ok(machine.core.statistics.deviceFaults - before < 12);
  const fetched = machine.core.explain(view.space, first, pages).filter(({ cause }) => cause === "ahead");
  assert.equal(
    fetched.reduce((sum, { count }) => sum + count, 0),
    window.cameAhead,
  );
  assert.equal(memory.available, 8192 - pages);
  check(machine);
});

test("nothing comes ahead that somebody has to leave for, that is to stay, or when the work is done", () => {
  const { machine, first, pages, device } = written(4096);
  const { window, memory, opened } = device;
  for (let round = 0; round < 3; round++) {
    // Half of the device's memory has something else in it.
    for (let page = pages - 1; page >= 2048; page -= 7) window.load(first + page);
    for (let page = 0; page < pages; page++) {
      window.load(first + page);
      const { evicted } = memory;
      window.work();
      assert.equal(memory.evicted, evicted);
    }
  }
  const homeAgain = (): void => {
    machine.settle();
    machine.core.migrate({ space: device.view.space, first, count: pages, to: null });
  };
  const ends: (() => void)[] = [
    () => (device.declared = 0),
    () => (opened.advice = "stay"),
    () => (opened.closing = true),
  ];
  for (const end of ends) {
    homeAgain();
    for (let page = 0; page < 2048; page++) window.load(first + page);
    end();
    const came = window.cameAhead;
    assert.equal(window.work(), false);
    assert.equal(window.cameAhead, came);
    device.declared = ACCESS_READ | ACCESS_WRITE;
    opened.advice = "auto";
    opened.closing = false;
  }
  check(machine);
});

test("sequences of a CPU and a device over the same memory, with what comes ahead, against plain bytes", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new Random(seed);
    const { machine, process, first, pages, device } = written(3000);
    const truth = Uint8Array.from({ length: pages }, (_, page) => page % 251);
    for (let step = 0; step < 16; step++) {
      const begin = random.below(3) === 0 ? random.below(pages) : 0;
      const end = Math.min(pages, begin + 1 + random.below(pages));
      const byCpu = random.below(3) === 0;
      const stride = 1 + random.below(3);
      device.declared = random.below(4) === 0 ? 0 : ACCESS_READ | ACCESS_WRITE;
      if (byCpu) machine.settle();
      for (let page = begin; page < end; page += stride) {
        const value = (page + step) % 251;
        if (byCpu) process.write(first + page, 0, new Uint8Array([value]));
        else assert.equal(device.window.store(first + page, value), OK);
        truth[page] = value;
        if (!byCpu && random.below(40) === 0) device.window.work();
      }
      check(machine);
    }
    machine.settle();
    const bytes = new Uint8Array(1);
    for (let page = 0; page < pages; page++) {
      process.read(first + page, 0, bytes);
      assert.equal(bytes[0], truth[page], `seed ${seed}, page ${page}`);
    }
  }
});

test("errors count for an hour", () => {
  const isolation = new Isolation();
  isolation.strategy = 3;
  assert.equal(isolation.add(2, 0), false);
  assert.equal(isolation.add(1, 3_660e9), false);
  assert.equal(isolation.errors(3_660e9), 1);
  assert.equal(isolation.add(1, 3_700e9), false);
  assert.equal(isolation.add(1, 3_800e9), true);
  assert.equal(isolation.isolated, true);
  assert.equal(isolation.errors(3_800e9 + 7_200e9), 0);
  isolation.strategy = 0;
  assert.equal(isolation.add(1000, 4_000e9), false);
});

test("one looks as long as it pays", () => {
  const spin = new Spin(2, 40);
  assert.equal(spin.limit, 40);
  for (let i = 0; i < 10; i++) spin.miss();
  assert.equal(spin.limit, 2);
  let long = 0;
  for (let i = 0; i < 32; i++) {
    if (spin.limit === 40) long++;
    spin.miss();
  }
  assert.equal(long, 2);
  for (let i = 0; i < 5; i++) spin.hit();
  assert.equal(spin.limit, 40);
});
