import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { modelCaseHost, runSuite } from "@hms/conform";
import { type Commanded, type CommandName, type CommandResult, Commands } from "@hms/driver-test";
import {
  CAUSE,
  type Device,
  type DeviceMemory,
  type DeviceTable,
  type Invalidation,
  type Mirror,
  type Space,
} from "@hms/hmm";
import type { ModelHost } from "@hms/host-model";
import { Scratchpad, ScratchpadView } from "../../examples/driver/scratchpad.ts";

const root = join(import.meta.dirname, "../..");
const source = join(root, "examples/driver/scratchpad.ts");

/** The example's view of a space as the suite's commands see it, in the place of the test device's handle. */
class Handle implements Commanded {
  readonly device: Device;
  readonly memory: DeviceMemory;
  readonly mirror: Mirror;
  readonly table: DeviceTable;
  readonly view: ScratchpadView;
  readonly #commands: Commands;
  onInvalidate: ((event: Invalidation) => void) | null = null;

  constructor(pad: Scratchpad, space: Space) {
    this.view = new ScratchpadView(pad, space);
    this.device = pad.device;
    this.memory = pad.memory;
    this.mirror = this.view.mirror;
    this.table = this.view.table;
    this.#commands = new Commands(this);
  }

  failNextAllocation(): void {
    this.view.pad.failOnce = true;
  }

  run(command: CommandName, first = 0, count = 0, buffer?: Uint8Array): CommandResult {
    return this.#commands.run(command, first, count, buffer);
  }

  close(): void {
    this.view.close();
    this.memory.evict(0, this.memory.pages, CAUSE.release);
  }
}

/** The model host, with scratchpads for devices. */
const host = modelCaseHost({
  prepare: (machine) => {
    const made = new Map<string, { device: Device; open: (space: Space) => Handle }>();
    const { core } = (machine as { host: ModelHost }).host;
    Object.assign(machine, {
      device: (kind: "private" | "coherent", index: number) => {
        const name = `${kind}${index}`;
        let device = made.get(name);
        if (device === undefined) {
          const pad = new Scratchpad(core, name, kind, 4096);
          device = { device: pad.device, open: (space) => new Handle(pad, space) };
          made.set(name, device);
        }
        return device;
      },
    });
  },
});

test("the guide's driver passes every case that the kernel's own tests were made into", async () => {
  const cases = ["test/cases/kernel", "test/cases/kernel-more"].map((folder) => join(root, folder));
  const report = await runSuite(cases, host);
  const others = report.cases.filter(({ outcome }) => outcome.result !== "passed");
  assert.deepEqual(others, []);
  assert.ok(report.passed >= 70, `${report.passed} cases`);
});

test("it has fewer than 200 lines of code, and the guide shows them as they are", () => {
  const text = readFileSync(source, "utf8");
  const lines = text.split("\n").filter((line) => !/^\s*($|\/\/|\/\*|\*)/.test(line));
  assert.ok(lines.length < 200, `${lines.length} lines`);
  const guide = readFileSync(join(root, "docs/guides/writing-a-driver.md"), "utf8");
  const blocks = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block ?? "");
  assert.ok(blocks.length >= 5);
  const squeezed = squeeze(text);
  for (const block of blocks) assert.ok(squeezed.includes(squeeze(block)), `not in the driver:\n${block}`);
});

/** Without the spaces that only indent. */
function squeeze(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("//"))
    .join("\n");
}

test("the example runs, and says where its pages are", () => {
  const run = spawnSync(process.execPath, [join(root, "examples/driver/main.ts")], { encoding: "utf8" });
  assert.equal(run.stderr, "");
  assert.equal(run.status, 0);
  assert.deepEqual(run.stdout.trim().split("\n"), [
    "the CPU reads 42, as it should",
    "pages 0 to 2: host, by cpu-fault, from pad0 memory",
    "pages 3 to 5: pad0 memory, by migrate, from host",
    "pages 6 to 7: host, by cpu-fault, from nowhere",
  ]);
});
