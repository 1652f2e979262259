// Torture finds nothing in the core as it is, and finds it when something is broken on purpose; what it finds is small.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { modelCaseHost, type Shrunk, shrink, smallCase, tortureSeed } from "@hms/conform";
import { TestDevice, TestHandle } from "@hms/driver-test";
import { DeviceTable, KIND, Migration, Mirror, MOVING, OK, WRITE } from "@hms/hmm";
import { ModelHost } from "@hms/host-model";
import { hms, root } from "./support/hms.ts";

const FIRST = Number(process.env.HMS_TORTURE_SEED ?? 1);
const SEEDS = Number(process.env.HMS_TORTURE_SEEDS ?? 20);
const STEPS = Number(process.env.HMS_TORTURE_STEPS ?? 10_000);

test(`random work with faults keeps every byte: seeds ${FIRST} to ${FIRST + SEEDS - 1}, ${STEPS} steps each`, () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const { failure, steps } = tortureSeed({ seed, steps: STEPS });
    assert.equal(failure === null ? "" : `seed ${seed}, step ${failure.step}: ${failure.message}`, "");
    assert.ok(steps >= STEPS);
  }
});

test("the same seed does the same", () => {
  const [one, other] = [tortureSeed({ seed: 7, steps: 3000 }), tortureSeed({ seed: 7, steps: 3000 })];
  assert.deepEqual(one, other);
});

/** Puts something else in a method's place; answers how to take it back. */
function replace<T extends object, K extends keyof T>(
  of: T,
  name: K,
  make: (before: T[K]) => T[K],
): () => void {
  const before = of[name];
  of[name] = make(before);
  return () => {
    of[name] = before;
  };
}

interface Breakage {
  readonly what: string;
  /** Seeds that find it, and whether each gives a case file. */
  readonly seeds: readonly number[];
  readonly operationsMax: number;
  readonly case: boolean;
  breakIt(): () => void;
}

const processPrototype = Object.getPrototypeOf(new ModelHost().createProcess()) as ReturnType<
  ModelHost["createProcess"]
>;

const BREAKAGES: readonly Breakage[] = [
  {
    what: "a driver forgets to obey invalidations",
    seeds: [1, 2, 3, 4],
    operationsMax: 6,
    case: true,
    breakIt: () => replace(TestHandle.prototype, "invalidate", () => () => true),
  },
  {
    what: "a driver's table keeps the last page of what it is to drop",
    seeds: [1, 2],
    operationsMax: 6,
    case: true,
    breakIt: () =>
      replace(
        DeviceTable.prototype,
        "clear",
        (before) =>
          function (this: DeviceTable, first, end, ...more) {
            before.call(this, first, end - 2, ...more);
          },
      ),
  },
  {
    what: "a driver does not free its pages",
    seeds: [1],
    operationsMax: 6,
    case: true,
    breakIt: () => replace(TestDevice.prototype, "free", () => () => undefined),
  },
  {
    what: "a migration loses half of each page",
    seeds: [1, 2],
    operationsMax: 6,
    case: true,
    breakIt: () =>
      replace(
        Migration.prototype,
        "load",
        (before) =>
          function (this: Migration, i, target) {
            before.call(this, i, target);
            target.fill(0, target.length / 2);
          },
      ),
  },
  {
    what: "the core takes what it found for good although it is stale: a race",
    seeds: [2, 3],
    operationsMax: 8,
    case: true,
    breakIt: () => replace(Mirror.prototype, "readRetry", () => () => false),
  },
  {
    what: "the CPU still writes to a page while it is copied: a write is lost in a race",
    seeds: [31, 34],
    operationsMax: 12,
    case: false,
    breakIt: () =>
      replace(
        processPrototype,
        "touch",
        (before) =>
          function (this: typeof processPrototype, page, write) {
            const flags = this.space.table.flagsAt(page);
            if ((flags & KIND) === MOVING && write === true && (flags & WRITE) !== 0) return OK;
            return before.call(this, page, write);
          },
      ),
  },
];

for (const { what, seeds, operationsMax, case: hasCase, breakIt } of BREAKAGES) {
  test(`found, made small, and said as a case that passes once it is mended: ${what}`, async () => {
    const texts: string[] = [];
    let found = 0;
    for (const seed of seeds) {
      const mend = breakIt();
      try {
        const { failure } = tortureSeed({ seed, steps: 10_000 });
        if (failure === null) continue;
        found++;
        const shrunk: Shrunk | null = shrink(failure);
        assert.ok(shrunk !== null, `seed ${seed} does not fail again`);
        assert.ok(
          shrunk.program.length <= operationsMax,
          `seed ${seed}: ${shrunk.program.length} operations`,
        );
        const made = await smallCase(shrunk, { name: `torture_${seed}`, comment: [], host: modelCaseHost() });
        if ("text" in made) texts.push(made.text);
      } finally {
        mend();
      }
    }
    assert.ok(found > 0, `none of the seeds ${seeds.join(", ")} finds it`);
    if (hasCase) assert.ok(texts.length > 0, "none can be said as a case");
    const folder = mkdtempSync(join(tmpdir(), "hms-torture-"));
    try {
      for (const [i, text] of texts.entries()) {
        assert.ok(text.split("\n").length < 60, text);
        writeFileSync(join(folder, `${i}.yaml`), text);
      }
      if (texts.length === 0) return;
      const { out } = hms(["conform", folder]);
      assert.match(out, new RegExp(`^${texts.length} passed, 0 failed, 0 skipped$`, "m"), texts.join("\n"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("hms torture writes the case of a failure, which hms conform fails with the same driver and passes with a good one", () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-torture-"));
  try {
    const broken = {
      HMS_FROM_SOURCES: "1",
      NODE_OPTIONS: `--import ${join(root, "test/support/broken-driver.ts")}`,
    };
    const args = ["torture", "--seed", "3", "--steps", "2000"];
    const { code, out } = hms([...args, "--cases", folder], { env: broken });
    assert.equal(code, 1);
    assert.match(out, /^seed 3, step \d+: /m);
    assert.match(out, /^ {2}\d operations are enough: /m);
    const file = join(folder, "torture-3.yaml");
    assert.ok(out.includes(`hms conform ${file}`), out);
    assert.match(hms(["conform", file], { env: broken }).out, /^0 passed, 1 failed, 0 skipped$/m);
    assert.match(hms(["conform", file]).out, /^1 passed, 0 failed, 0 skipped$/m);
    const printed = hms(args, { env: broken }).out;
    assert.ok(printed.includes(readFileSync(file, "utf8")), printed);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
