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
