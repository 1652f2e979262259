import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DeviceMemory,
  type DeviceMemoryOps,
  errnoName,
  FaultRange,
  FrameAllocator,
  type Migration,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  REQUEST_FAULT,
  SELECT_SYSTEM,
} from "@hms/hmm";
import {
  at,
  expectErrno,
  expectOk,
  expectPages,
  expectSound,
  fillPages,
  type Lab,
  lab,
  mapFilled,
} from "./lab.ts";

/** What a driver does instead of what it should. */
type Misdeed = (migration: Migration, memory: () => DeviceMemory, take: () => number) => void;

interface Bad extends Lab {
  readonly memory: DeviceMemory;
  readonly free: FrameAllocator;
}

/** A machine whose second device misbehaves in its step of a migration, in or out. */
function badDriver(inward: Misdeed, outward: Misdeed, more: Partial<DeviceMemoryOps> = {}): Bad {
  const machine = lab([{}]);
  const bytes = new Uint8Array(64 * PAGE_BYTES);
  const free = new FrameAllocator(64);
  const device = machine.host.core.addDevice("bad");
  const memory: DeviceMemory = device.addMemory({
    name: "bad memory",
    kind: "coherent",
    pages: 64,
    ops: {
      free: (index) => free.give(index),
      migrateToHost: (migration) =>
        outward(
          migration,
          () => memory,
          () => free.take(),
        ),
      migrateToDevice: (migration) =>
        inward(
          migration,
          () => memory,
          () => free.take(),
        ),
      read: (index, offset, target) =>
        target.set(bytes.subarray(index * PAGE_BYTES + offset, index * PAGE_BYTES + offset + target.length)),
      write: (index, offset, source) => bytes.set(source, index * PAGE_BYTES + offset),
      ...more,
    },
  });
  return { ...machine, memory, free };
}

/** As it should be. */
const goodIn: Misdeed = (migration, memory, take) => {
  const page = new Uint8Array(PAGE_BYTES);
  for (let i = 0; i < migration.count; i++) {
    if (!migration.moving(i)) continue;
    const index = take();
    migration.load(i, page);
    memory().ops.write(index, 0, page);
    migration.setDestination(i, memory().base + index);
  }
};

const goodOut: Misdeed = (migration, memory) => {
  const page = new Uint8Array(PAGE_BYTES);
  migration.takeHostPages();
  for (let i = 0; i < migration.count; i++) {
    if (!migration.moving(i) || migration.destination(i) === NO_FRAME) continue;
    memory().ops.read(migration.source(i) - memory().base, 0, page);
    migration.store(i, page);
  }
};

function moveIn(bad: Bad, first: number, count: number) {
  return bad.host.core.migrate({ space: bad.process.space, first, count, to: bad.memory });
}

test("a good driver of the same make passes, so that what follows fails for its own reason", () => {
  const bad = badDriver(goodIn, goodOut);
  const first = mapFilled(bad.process, 4);
  assert.equal(moveIn(bad, first, 4).moved, 4);
  expectPages(bad.process, first, 4);
  assert.equal(bad.host.core.migrate({ space: bad.process.space, first, count: 4, to: null }).moved, 4);
  expectPages(bad.process, first, 4);
  assert.equal(bad.free.available, 64);
  expectSound(bad);
});

test("wrong destinations on the way in: an error with a code, every page where it was, nothing taken", () => {
  const misdeeds: readonly (readonly [string, string, Misdeed])[] = [
    ["another device's frame", "FOREIGN_PAGE", (m) => m.setDestination(0, 0x8000_0000)],
    ["a host frame", "FOREIGN_PAGE", (m) => m.setDestination(0, 17)],
    ["no frame", "FOREIGN_PAGE", (m) => m.setDestination(0, NO_FRAME)],
    ["a frame beyond the end", "FOREIGN_PAGE", (m, memory) => m.setDestination(0, memory().base + 64)],
    ["a negative frame", "FOREIGN_PAGE", (m) => m.setDestination(0, -5)],
    ["a frame between two", "FOREIGN_PAGE", (m, memory) => m.setDestination(0, memory().base + 0.5)],
    ["no number", "FOREIGN_PAGE", (m) => m.setDestination(0, Number.NaN)],
    [
      "the same frame twice",
      "PAGE_IN_USE",
      (m, memory) => {
        m.setDestination(0, memory().base + 63);
        m.setDestination(1, memory().base + 63);
      },
    ],
    [
      "two frames for a page",
      "DESTINATION_SET",
      (m, memory) => {
        m.setDestination(0, memory().base + 63);
        m.setDestination(0, memory().base + 62);
      },
    ],
    ["a page that is not there", "NOT_MOVING", (m, memory) => m.setDestination(4, memory().base)],
    ["a page below the first", "NOT_MOVING", (m, memory) => m.setDestination(-1, memory().base)],
    [
      "a host page",
      "WRONG_DIRECTION",
      (m, memory) => {
        m.takeHostPages();
        m.setDestination(0, memory().base);
      },
    ],
    ["half a page", "BAD_COPY", (m) => m.load(0, new Uint8Array(100))],
    ["nothing of a page", "BAD_COPY", (m) => m.load(0, new Uint8Array(0))],
    ["more pages than there are", "BAD_COPY", (m) => m.load(3, new Uint8Array(2 * PAGE_BYTES))],
    ["pages apart", "BAD_COPY", (m) => m.load(1, new Uint8Array(3 * PAGE_BYTES))],
    ["bytes for the host", "NO_HOST_PAGE", (m) => m.store(0, new Uint8Array(PAGE_BYTES))],
    ["a huge page that is none", "WRONG_DIRECTION", (m) => m.takeHugeHostPage(0)],
    ["steps out of order", "MIGRATION_STEP", (m) => m.finalize()],
    [
      "a second setup",
      "MIGRATION_STEP",
      (m) => m.setup({ space: m.space as never, first: 0, count: 1, select: SELECT_SYSTEM, to: null }),
    ],
  ];
  for (const [what, code, misdeed] of misdeeds) {
    let seen: unknown = null;
    const bad = badDriver((migration, memory, take) => {
      try {
        misdeed(migration, memory, take);
      } catch (error) {
        seen = error;
        throw error;
      }
    }, goodOut);
    const region = mapFilled(bad.process, 4);
    fillPages(bad.process, region + 1, 1, 40);
    expectOk({ errno: bad.process.madvise(region + 2, 1, "dontneed") });
    const report = moveIn(bad, region, 4);
    assert.deepEqual([(seen as { code: string } | null)?.code, report.moved], [code, 0], what);
    const callbacks = bad.host.core.records.driverFaults.list().map(({ callback }) => callback);
    assert.ok(callbacks.includes("migrateToDevice"), what);
    expectPages(bad.process, region, 1);
    expectPages(bad.process, region + 1, 1, 40);
    expectPages(bad.process, region + 2, 1, 0);
    expectPages(bad.process, region + 3, 1, 4);
    assert.equal(bad.memory.frames.mapped, 0);
    assert.equal(bad.host.core.migrating, 0);
    expectSound(bad);
  }
});

test("a driver that takes the core's steps itself is recorded, and nothing is lost", () => {
  const steps: Misdeed = (migration, memory, take) => {
    goodIn(migration, memory, take);
    migration.pages();
    migration.finalize();
  };
  const bad = badDriver(steps, (migration, memory, take) => {
    goodOut(migration, memory, take);
    migration.pages();
  });
  const first = mapFilled(bad.process, 2);
  moveIn(bad, first, 2);
  expectPages(bad.process, first, 2);
  bad.host.core.migrate({ space: bad.process.space, first, count: 2, to: null });
  const faults = bad.host.core.records.driverFaults.list();
  assert.deepEqual(
    faults.map(({ callback }) => callback),
    ["migrateToDevice", "migrateToHost"],
  );
  for (const { message } of faults) assert.match(message, /a step of the migration that is the core's/);
  expectPages(bad.process, first, 2);
  assert.equal(bad.host.core.migrating, 0);
  expectSound(bad);
});

test("a driver that throws half way in gets back what it had given, and every page stays", () => {
  const bad = badDriver((migration, memory, take) => {
    const index = take();
    migration.load(0, new Uint8Array(PAGE_BYTES));
    migration.setDestination(0, memory().base + index);
    throw new TypeError("the ring is full");
  }, goodOut);
  const first = mapFilled(bad.process, 4);
  const report = moveIn(bad, first, 4);
  assert.deepEqual(
    report.kept.map(({ why, count }) => [why, count]),
    [["given up", 4]],
  );
  assert.equal(bad.free.available, 64, "free was called");
  assert.match(bad.host.core.records.driverFaults.newest?.message ?? "", /the ring is full/);
  expectPages(bad.process, first, 4);
  expectSound(bad);
});

test("a driver that throws, leaves out, or claims without copying on the way home: SIGBUS, and the page stays with it", () => {
  let misdeed: Misdeed = goodOut;
  const bad = badDriver(goodIn, (migration, memory, take) => misdeed(migration, memory, take));
  const first = mapFilled(bad.process, 2);
  assert.equal(moveIn(bad, first, 2).moved, 2);
  const failures: readonly Misdeed[] = [
    () => {
      throw new Error("no answer");
    },
    () => undefined,
    (migration) => {
      migration.takeHostPages();
    },
    (migration) => {
      migration.takeHostPages();
      migration.setDestination(0, 0x8000_0000);
    },
    (migration) => {
      migration.takeHostPages();
      migration.store(0, new Uint8Array(1));
    },
  ];
  for (const failure of failures) {
    misdeed = failure;
    const pin = bad.process.pin(first, 1, { kind: "long" });
    assert.equal(pin, 16, "EBUSY: a coherent page that cannot come home");
    assert.equal(bad.host.core.migrate({ space: bad.process.space, first, count: 2, to: null }).moved, 0);
    assert.throws(() => bad.memory.close(), { code: "MEMORY_IN_USE", errno: "EBUSY" });
    assert.equal(bad.memory.frames.mapped, 2);
    expectSound(bad);
  }
  misdeed = goodOut;
  bad.memory.close();
  expectPages(bad.process, first, 2);
  expectSound(bad);
});

test("a driver that throws when it is read, written or told of a free page: the CPU gets SIGBUS, the core goes on", () => {
  const bad = badDriver(goodIn, goodOut, {
    read: () => {
      throw new Error("bus error");
    },
    free: () => {
      throw new Error("free of what?");
    },
  });
  const first = mapFilled(bad.process, 2);
  assert.equal(moveIn(bad, first, 2).moved, 2);
  expectErrno({ errno: bad.process.read(first, 0, new Uint8Array(8)) }, "EIO");
  expectOk({ errno: bad.process.munmap(first, 2) });
  const callbacks = bad.host.core.records.driverFaults.list().map(({ callback }) => callback);
  assert.deepEqual(callbacks, ["read", "free", "free"]);
  assert.equal(bad.memory.frames.mapped, 0);
  expectSound(bad);
});

test("a driver whose map, moved, decide or reaches throws: recorded, and taken for a refusal where one was asked for", () => {
  const thrower = (): never => {
    throw new Error("not now");
  };
  const bad = badDriver(goodIn, goodOut, { moved: thrower, decide: thrower, reaches: thrower });
  const first = mapFilled(bad.process, 2);
  assert.deepEqual(
    moveIn(bad, first, 2).kept.map(({ why }) => why),
    ["refused"],
  );
  const two = badDriver(goodIn, goodOut, { moved: thrower, reaches: thrower });
  const there = mapFilled(two.process, 2);
  expectOk(at(two.handles, 0).run("migrate-to-device", there, 2));
  assert.equal(moveIn(two, there, 2).moved, 2, "by way of the host");
  const callbacks = two.host.core.records.driverFaults.list().map(({ callback }) => callback);
  assert.deepEqual([...new Set(callbacks)].sort(), ["moved", "reaches"]);
  const mirror = two.memory.device.mirror(two.process.space, { invalidate: () => true, map: thrower });
  const handle = at(two.handles, 0);
  expectPages(two.process, there, 2);
  const range = new FaultRange(1);
  range.set({ first: there, count: 1, request: REQUEST_FAULT });
  assert.throws(() => mirror.populate(range), { code: "DRIVER_FAILED", errno: "EIO" });
  mirror.lock();
  mirror.unlock();
  expectOk(handle.run("read", there, 1));
  expectSound(bad);
  expectSound(two);
});

test("a memory that is used after it is closed, a device after it is gone", () => {
  const bad = badDriver(goodIn, goodOut);
  const first = mapFilled(bad.process, 1);
  bad.memory.close();
  const migration = at(bad.devices, 0).device.migration(1);
  assert.equal(
    migration.setup({
      space: bad.process.space,
      first,
      count: 1,
      select: SELECT_SYSTEM,
      to: at(bad.devices, 0).memory,
    }),
    OK,
  );
  assert.throws(() => migration.setDestination(0, bad.memory.base), { code: "FOREIGN_PAGE" });
  at(bad.devices, 0).disappear();
  assert.throws(() => migration.setDestination(0, at(bad.devices, 0).memory.base), { code: "DEVICE_GONE" });
  migration.abort();
  expectPages(bad.process, first, 1);
  bad.memory.device.close();
  assert.throws(() => bad.memory.device.mirror(bad.process.space, { invalidate: () => true }), {
    code: "DEVICE_GONE",
  });
  expectSound(bad);
});

test("pages and frames that are none: EINVAL, or an assertion, and nothing changes", () => {
  const machine = lab([{}]);
  const { process, host } = machine;
  const first = mapFilled(process, 4);
  const { core } = host;
  const handle = at(machine.handles, 0);
  for (const nonsense of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 36, 2 ** 53]) {
    assert.equal(errnoName(core.pin(process.space, nonsense, { write: true, long: false }).errno), "EINVAL");
    const range = new FaultRange(4);
    range.set({ first: nonsense, count: 1, request: REQUEST_FAULT });
    assert.equal(errnoName(handle.mirror.populate(range)), "EINVAL");
    if (nonsense < 4 || Number.isNaN(nonsense)) {
      range.set({ first, count: nonsense, request: REQUEST_FAULT });
      assert.equal(errnoName(handle.mirror.populate(range)), "EINVAL");
    }
    const word = new Uint8Array(4);
    for (const use of [core.read, core.write]) {
      assert.throws(() => use.call(core, nonsense, 0, word, null), `frame ${nonsense}`);
      assert.throws(() => use.call(core, 1, nonsense, word, null), `byte ${nonsense}`);
    }
    assert.throws(() => core.unpin(nonsense));
    expectSound(machine);
  }
  expectPages(process, first, 4);
});

test("pages that a device only asked about, and that are not there, do not get into its table", () => {
  const machine = lab([{}]);
  const { process } = machine;
  const first = process.mmap({ pages: 4 });
  assert.equal(process.write(first + 1, 0, new Uint8Array([1])), OK);
  const handle = at(machine.handles, 0);
  const range = new FaultRange(4);
  range.set({ first, count: 4, request: 0 });
  assert.equal(handle.mirror.populate(range), OK);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => handle.table.right(first + i) > 0),
    [false, true, false, false],
  );
  expectSound(machine);
});
