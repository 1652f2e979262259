import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { modelCaseHost, runSuite } from "@hms/conform";
import { type Commanded, type CommandName, type CommandResult, Commands } from "@hms/driver-test";
import {
  CAUSE,
  type Device,
  type DeviceMemory,
  type DeviceTable,
  type FrameNumber,
  type Invalidation,
  type Migration,
  type Mirror,
  type PageCount,
  type Space,
} from "@hms/hmm";
import type { ModelHost } from "@hms/host-model";
import { AccelMemory } from "../packages/drivers/accel/src/memory.ts";
import type { Backing, Platform } from "../packages/drivers/accel/src/platform.ts";
import { PlainMachine } from "../packages/drivers/accel/src/testing/plain.ts";
import type { SpaceView } from "../packages/drivers/accel/src/view.ts";

const root = join(import.meta.dirname, "..");

/** A memory whose next page cannot be had, when a case says so. */
class Failing implements Platform {
  readonly #machine: PlainMachine;
  fails = false;

  constructor(host: ModelHost) {
    this.#machine = new PlainMachine(host);
  }

  back(memory: DeviceMemory): Backing {
    const inner = this.#machine.back(memory);
    const may = (): boolean => {
      const fails = this.fails;
      this.fails = false;
      return !fails;
    };
    return {
      adopt: (index: number, source: FrameNumber) => may() && inner.adopt(index, source),
      copy: (index: number, source: FrameNumber) => inner.copy(index, source),
      giveHome: (index: number, frame: FrameNumber) => may() && inner.giveHome(index, frame),
      freeRun: (index: number, count: PageCount) => inner.freeRun(index, count),
      // One by one, so that each can fail.
      adoptRun: () => 0,
      giveHomeRun: () => 0,
      read: (index: number, offset: number, target: Uint8Array) => inner.read(index, offset, target),
      write: (index: number, offset: number, source: Uint8Array) => inner.write(index, offset, source),
      [Symbol.dispose]: () => inner[Symbol.dispose](),
    };
  }

  openWindow(): never {
    throw new Error("the cases reach the device through its table");
  }
}

/** What was to be one block of 2 MiB becomes single pages when that fails: so the failure shows only for others. */
class CaseMemory extends AccelMemory {
  readonly failing: Failing;

  constructor(model: ModelHost, name: string) {
    const failing = new Failing(model);
    super(model.core, failing, name, 16 << 20, { faulted: () => {}, failedFault: () => {} });
    this.failing = failing;
  }

  override migrateToDevice(migration: Migration): void {
    for (let i = 0; i < migration.count; i++) if (migration.wasHuge(i)) this.failing.fails = false;
    super.migrateToDevice(migration);
  }
}

/** The accelerator's view of a space, as the suite's commands see it. */
class Handle implements Commanded {
  readonly device: Device;
  readonly memory: DeviceMemory;
  readonly mirror: Mirror;
  readonly table: DeviceTable;
  readonly #accel: AccelMemory;
  readonly #platform: Failing;
  readonly #view: SpaceView;
  readonly #commands: Commands;
  onInvalidate: ((event: Invalidation) => void) | null = null;

  constructor(accel: AccelMemory, platform: Failing, space: Space) {
    this.#accel = accel;
    this.#platform = platform;
    this.#view = accel.view(space, () => 0);
    this.device = accel.device;
    this.memory = accel.memory;
    this.mirror = this.#view.mirror;
    this.table = this.#view.table;
    this.#commands = new Commands(this);
  }

  failNextAllocation(): void {
    this.#platform.fails = true;
  }

  run(command: CommandName, first = 0, count = 0, buffer?: Uint8Array): CommandResult {
    return this.#commands.run(command, first, count, buffer);
  }

  close(): void {
    this.#accel.closeView(this.#view);
    this.memory.evict(0, this.memory.pages, CAUSE.release);
  }
}

/** The model host, with accelerators for private devices. */
const host = modelCaseHost({
  prepare: (machine) => {
    const made = new Map<string, { device: Device; open: (space: Space) => Handle }>();
    const { host: model } = machine as { host: ModelHost };
    const others = machine.device.bind(machine);
    Object.assign(machine, {
      device: (kind: "private" | "coherent", index: number) => {
        const name = `${kind}${index}`;
        let device = made.get(name);
        if (device === undefined) {
          // The accelerator's memory is private; coherent devices stay as they are.
          if (kind === "coherent") return others(kind, index);
          const accel = new CaseMemory(model, name);
          device = { device: accel.device, open: (space) => new Handle(accel, accel.failing, space) };
          made.set(name, device);
        }
        return device;
      },
    });
  },
});

test("the accelerator passes the cases that the kernel's own tests were made into", async () => {
  const cases = ["test/cases/kernel", "test/cases/kernel-more"].map((folder) => join(root, folder));
  const report = await runSuite(cases, host);
  const others = report.cases.filter(({ outcome }) => outcome.result !== "passed");
  assert.deepEqual(others, []);
  assert.ok(report.passed >= 70, `${report.passed} cases`);
});
