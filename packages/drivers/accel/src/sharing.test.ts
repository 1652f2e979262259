// Binding and migrating by commands to the device: validated together, in the space of the queue, and told as it happened.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KIND, PAGE_BYTES, PRIVATE } from "@hms/hmm";
import { DEVICE_BIND, DEVICE_DEFAULT, DEVICE_MEMORY, DEVICE_MIGRATE, HOST_MEMORY } from "@hms/policy";
import type { AccelContext } from "./context.ts";
import type { ControlCommand, ControlReply, PlaceCommand } from "./control.ts";
import { PLACES_MAX, type PlaceResult } from "./sharing.ts";
import { Lab } from "./testing/lab.ts";

function command(kind: number, target: number, first: number, count: number): PlaceCommand {
  const [start, end] = [first * PAGE_BYTES, (first + count) * PAGE_BYTES];
  return { header: kind + target * 2 ** 16, start, end, pages: count };
}

function control(lab: Lab, given: ControlCommand, context: AccelContext = lab.context): ControlReply {
  const replies: ControlReply[] = [];
  lab.driver.control(given, (reply) => replies.push(reply), context);
  assert.equal(replies.length, 1);
  return replies[0] as ControlReply;
}

function place(lab: Lab, commands: readonly PlaceCommand[], queue = lab.queue): readonly PlaceResult[] {
  const reply = control(lab, { command: "place", queue: queue.number, commands });
  if (reply.outcome !== "OK") throw new Error(reply.error.message);
  return reply.results ?? [];
}

const share = (lab: Lab, queue = lab.queue): ControlReply =>
  control(lab, { command: "share", queue: queue.number });
const reportOf = (result: PlaceResult | undefined) => (result?.state === "done" ? result.report : null);
const movedOf = (result: PlaceResult | undefined) => reportOf(result)?.targets[0]?.moved;
const errnoOf = (reply: ControlReply) => (reply.outcome === "OK" ? "OK" : reply.error.errno);
const inDevice = ({ process, first, pages }: Lab): number[] =>
  Array.from({ length: pages }, (_, i) => i).filter(
    (i) => (process.space.table.flagsAt(first + i) & KIND) === PRIVATE,
  );

test("pages go to the device and home, with what they hold, and the results say how many", async () => {
  await using lab = new Lab({ pages: 32 });
  for (let i = 0; i < 32; i++) lab.process.write(lab.first + i, 0, Uint8Array.of(i + 1));
  share(lab);
  const [there, back] = place(lab, [
    command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first, 32),
    command(DEVICE_MIGRATE, HOST_MEMORY, lab.first + 8, 8),
  ]);
  assert.deepEqual(reportOf(there)?.targets, [{ target: "device", wanted: 32, placed: 32, moved: 32 }]);
  assert.deepEqual(reportOf(back)?.targets, [{ target: "host", wanted: 8, placed: 8, moved: 8 }]);
  assert.equal(reportOf(there)?.satisfied && reportOf(back)?.satisfied, true);
  assert.equal(inDevice(lab).length, 24);
  const [again] = place(lab, [command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first, 8)]);
  assert.equal(movedOf(again), 0);
  assert.equal(reportOf(again)?.satisfied, true);
  const byte = new Uint8Array(1);
  for (let i = 0; i < 32; i++) {
    lab.process.read(lab.first + i, 0, byte);
    assert.equal(byte[0], i + 1, `page ${i}`);
  }
});

test("what stays is told: holes, and more than the memory has", async () => {
  await using lab = new Lab({ pages: 64, memoryBytes: 32 * PAGE_BYTES });
  lab.process.munmap(lab.first + 60, 4);
  share(lab);
  const [result] = place(lab, [command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first, 64)]);
  const report = reportOf(result);
  assert.equal(report?.satisfied, false);
  assert.ok((report?.targets[0]?.placed ?? 0) <= 32);
  assert.equal(report?.targets[0]?.placed, inDevice(lab).length);
  assert.deepEqual(
    report?.refused.filter(({ errno }) => errno !== null).map(({ by, errno, pages }) => [by, errno, pages]),
    [
      ["capacity", "ENOMEM", 28],
      ["kernel", "EFAULT", 4],
    ],
  );
});

test("what is bound counts when the device touches it, until it is dropped or unmapped", async () => {
  await using lab = new Lab({ pages: 32 });
  share(lab);
  for (let i = 0; i < 32; i++) lab.process.write(lab.first + i, 0, Uint8Array.of(1));
  const results = place(lab, [command(DEVICE_BIND, HOST_MEMORY, lab.first, 16)]);
  assert.deepEqual(results, [{ state: "done", report: null }]);
  lab.fill();
  assert.deepEqual(
    inDevice(lab),
    Array.from({ length: 16 }, (_, i) => 16 + i),
  );
  place(lab, [command(DEVICE_DEFAULT, HOST_MEMORY, lab.first, 8)]);
  lab.queue.view.forget(lab.first, lab.first + 32);
  lab.fill();
  assert.deepEqual(inDevice(lab).slice(0, 9), [0, 1, 2, 3, 4, 5, 6, 7, 16]);
  lab.process.munmap(lab.first + 8, 8);
  const choice = { way: "unsaid", count: 8, strict: false } as const;
  const said = { ...choice };
  lab.queue.view.sharing.choose(lab.first + 8, said);
  assert.deepEqual(said, choice);
});

test("all commands are looked at before the first takes effect", async () => {
  await using lab = new Lab();
  share(lab);
  const good = command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first, 4);
  const hostile: readonly [string, unknown][] = [
    ["unknown command", { ...good, header: 9 + DEVICE_MEMORY * 2 ** 16 }],
    ["unknown target", { ...good, header: 5 * 2 ** 16 }],
    ["a reserved bit", { ...good, header: good.header + 2 ** 48 }],
    ["more than 53 bits", { ...good, header: 2 ** 60 }],
    ["stride", { ...good, stride: 1 }],
    ["reserved", { ...good, reserved: [0, 1] }],
    ["reserved of another kind", { ...good, reserved: 0 }],
    ["an empty range", { ...good, end: good.start, pages: 0 }],
    ["another number of pages", { ...good, pages: 5 }],
    ["beyond the space", { ...good, start: 0, end: 2 ** 52, pages: 2 ** 40 }],
    ["a negative address", { ...good, start: -4096 }],
    ["a fraction", { ...good, start: good.start + 0.5 }],
    ["text", { ...good, end: "0x1000" }],
    ["nothing of an address", { header: good.header, end: good.end, pages: 4 }],
    ["a field that nobody knows", { ...good, flags: 1 }],
    ["null", null],
    ["an array", [good]],
  ];
  for (const [what, bad] of hostile) {
    const commands = [good, bad as PlaceCommand];
    const reply = control(lab, { command: "place", queue: lab.queue.number, commands });
    assert.equal(errnoOf(reply), "EINVAL", what);
    assert.match(reply.outcome === "OK" ? "" : reply.error.message, /command 2/, what);
    assert.deepEqual(inDevice(lab), [], what);
  }
  for (const commands of [[], Array.from({ length: PLACES_MAX + 1 }, () => good), null, {}, "all"]) {
    const given = { command: "place", queue: lab.queue.number, commands } as ControlCommand;
    assert.equal(errnoOf(control(lab, given)), "EINVAL");
  }
  assert.deepEqual(inDevice(lab), []);
});

test("sharing is begun first, once, and not in what is unmanaged", async () => {
  await using lab = new Lab();
  const one = command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first, 1);
  const queue = lab.queue.number;
  assert.equal(errnoOf(control(lab, { command: "place", queue, commands: [one] })), "EINVAL");
  const start = lab.first * PAGE_BYTES;
  for (const unmanaged of [{ start, end: start }, { start: -1, end: start }, { start }, 7]) {
    const given = { command: "share", queue, unmanaged } as unknown as ControlCommand;
    assert.equal(errnoOf(control(lab, given)), "EINVAL");
  }
  assert.equal(
    errnoOf(control(lab, { command: "share", queue, unmanaged: { start, end: start + 1 } })),
    "OK",
  );
  assert.equal(errnoOf(share(lab)), "EBUSY");
  assert.equal(errnoOf(control(lab, { command: "place", queue, commands: [one] })), "EINVAL");
  assert.equal(movedOf(place(lab, [command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first + 1, 1)])[0]), 1);
});

test("a queue reaches no other space, and no other's queue can be named", async () => {
  await using lab = new Lab();
  const other = lab.machine.host.createProcess();
  // At the same addresses as the lab's region.
  assert.equal(other.mmap({ pages: lab.pages }), lab.first);
  using context = lab.driver.openContext();
  const queue = context.queue({ pasid: context.bind(other.space) });
  const commands = [command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first, 4)];
  const given = { command: "place", queue: queue.number, commands } as const;
  assert.equal(errnoOf(control(lab, given)), "ENOENT");
  assert.equal(errnoOf(control(lab, { ...given, queue: lab.queue.number }, context)), "ENOENT");
  assert.equal(errnoOf(control(lab, { ...given, queue: Number.NaN }, context)), "ENOENT");
  control(lab, { command: "share", queue: queue.number }, context);
  assert.equal(errnoOf(control(lab, given, context)), "OK");
  assert.deepEqual(inDevice(lab), []);
  assert.equal(other.space.table.flagsAt(lab.first) & KIND, PRIVATE);
  // The lab's space is not shared by it.
  assert.equal(errnoOf(control(lab, { ...given, queue: lab.queue.number })), "EINVAL");
  queue.reset();
  assert.equal(errnoOf(control(lab, given, context)), "ENXIO");
});

test("a move that cannot begin is told with its error, and what follows is left out", async () => {
  await using lab = new Lab();
  share(lab);
  lab.driver.deviceMemory.device.disappear();
  const results = place(lab, [
    command(DEVICE_BIND, DEVICE_MEMORY, lab.first, 1),
    command(DEVICE_MIGRATE, DEVICE_MEMORY, lab.first, 1),
    command(DEVICE_BIND, HOST_MEMORY, lab.first, 1),
  ]);
  assert.deepEqual(
    results.map(({ state }) => state),
    ["done", "failed", "left out"],
  );
  assert.equal(results[1]?.state === "failed" && results[1].error.errno, "ENODEV");
});
