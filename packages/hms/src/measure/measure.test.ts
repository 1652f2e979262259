import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { HmsError } from "@hms/topology";
import fc from "fast-check";
import { Bystanders } from "./busy.ts";
import { type MeasureOptions, measure } from "./mod.ts";
import { sampleOf } from "./statistics.ts";

const codeOf = (code: string) => (error: unknown) => HmsError.is(error) && error.code === code;
const SHORT: MeasureOptions = { quick: true, runs: 2, size: "4MiB" };

function threads(): number {
  return Number(/^Threads:\s*(\d+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

describe("measuring this machine", () => {
  it("measures every pair of this machine's nodes, with the devices that were asked for", async () => {
    const steps: number[] = [];
    let total = 0;
    const measured = await measure({
      ...SHORT,
      devices: ["accel:memory=8MiB"],
      onProgress: (progress) => {
        steps.push(progress.done);
        total = progress.total;
      },
    });
    assert.ok(measured.pairs.length > 0, JSON.stringify(measured.missing));
    for (const { rates, chases, initiator, target } of measured.pairs) {
      for (const { read, write, copy } of rates) {
        for (const sample of [read, write, copy]) {
          assert.equal(sample.runs, 2);
          // A byte a nanosecond is a GB/s: nothing is slower than a tenth of it, or faster than a hundred TB/s.
          assert.ok(sample.min > 1e8 && sample.max < 1e14, `${initiator} → ${target}`);
        }
      }
      const [chase] = chases;
      assert.ok(chase !== undefined && chase.latency.min > 0.1 && chase.latency.max < 1e5);
    }
    const [accel] = measured.devices;
    assert.equal(accel?.device, "accel0");
    assert.equal(accel?.bytes, 4 << 20);
    assert.ok((accel?.toDevice.min ?? 0) > 1e6 && (accel?.toHost.min ?? 0) > 1e6);
    assert.deepEqual(
      steps,
      Array.from({ length: total + 1 }, (_, i) => i),
    );
  });

  it("can be stopped, and leaves no thread behind", async () => {
    const before = threads();
    const controller = new AbortController();
    const stopped = measure({
      ...SHORT,
      runs: 1000,
      signal: controller.signal,
      onProgress: ({ what }) => {
        if (what.includes("bandwidth")) setTimeout(() => controller.abort(), 50);
      },
    });
    await assert.rejects(stopped, codeOf("MEASURE_STOPPED"));
    assert.ok(threads() <= before, `${threads()} threads, ${before} before`);
    await assert.rejects(measure({ ...SHORT, signal: AbortSignal.abort() }), codeOf("MEASURE_STOPPED"));
  });

  it("refuses what it cannot do, at once", async () => {
    const wrong: readonly (readonly [object, string])[] = [
      [{ runs: 0 }, "BAD_OPTION"],
      [{ runs: 1.5 }, "BAD_OPTION"],
      [{ runs: 1001 }, "BAD_OPTION"],
      [{ runs: "5" }, "BAD_OPTION"],
      [{ rums: 5 }, "BAD_OPTION"],
      [{ size: "1MiB" }, "BAD_SIZE"],
      [{ size: "3GiB" }, "BAD_SIZE"],
      [{ size: "much" }, "BAD_SIZE"],
      [{ devices: ["nothing"] }, "BAD_DEVICE"],
    ];
    for (const [options, code] of wrong)
      await assert.rejects(measure(options as MeasureOptions), codeOf(code), JSON.stringify(options));
  });
});

describe("several runs", () => {
  it("have a median between the least and the most, whatever their order", () => {
    const values = fc.array(fc.double({ min: 1e-3, max: 1e12, noNaN: true }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(values, (runs) => {
        const sample = sampleOf(runs);
        assert.equal(sample.runs, runs.length);
        assert.ok(sample.min <= sample.median && sample.median <= sample.max);
        assert.deepEqual(sampleOf([...runs].reverse()), sample);
      }),
    );
    assert.deepEqual(sampleOf([3, 1, 2]), { median: 2, min: 1, max: 3, runs: 3 });
    assert.deepEqual(sampleOf([1, 2, 3, 10]), { median: 2.5, min: 1, max: 10, runs: 4 });
    assert.throws(() => sampleOf([]), RangeError);
  });
});

describe("who else uses the CPUs", () => {
  /** What /proc/stat says, in seconds of CPU time. */
  const stat = (busy: number, idle: number, stolen = 0): string =>
    `cpu  ${busy * 100} 0 0 ${idle * 100} 0 0 0 ${stolen * 100} 0 0\ncpu0 1 2 3\n`;
  const warningsOf = (...looks: readonly string[]): string[] => {
    const left = [...looks];
    return new Bystanders(() => left.shift() ?? "").warnings();
  };

  it("is told when it matters", () => {
    assert.deepEqual(warningsOf(stat(1e4, 1e4), stat(1e4, 1.1e4)), []);
    assert.match(
      warningsOf(stat(1e4, 1e4), stat(1.05e4, 1.05e4)).join(),
      /Other programs used 50 % of the CPUs/,
    );
    assert.match(warningsOf(stat(1e4, 1e4), stat(1e4, 1.09e4, 100)).join(), /hypervisor took 10 %/);
  });

  it("is not told where the kernel does not say", () => {
    assert.deepEqual(warningsOf("", ""), []);
    assert.deepEqual(warningsOf("cpu nonsense", "cpu nonsense"), []);
    const denied = new Bystanders(() => {
      throw new Error("EACCES");
    });
    assert.deepEqual(denied.warnings(), []);
  });
});
