import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MeasuredPair, Measurements, Sample } from "@hms/topology/measured";
import { measureText } from "./measure-output.ts";

const sample = (median: number, spread = 0): Sample => ({
  median,
  min: median * (1 - spread),
  max: median * (1 + spread),
  runs: 5,
});

function pair(from: number, to: number, given: Partial<MeasuredPair> = {}): MeasuredPair {
  const near = from === to ? 2 : 1;
  const rates = (threads: number) => ({
    threads,
    bytes: 2 ** 28,
    read: sample(threads * near * 10e9, 0.01),
    write: sample(threads * near * 5e9),
    copy: sample(threads * near * 4e9, to === 1 ? 0.4 : 0),
  });
  return {
    initiator: `node${from}`,
    target: `node${to}`,
    rates: [rates(1), rates(8)],
    chases: [
      { bytes: 2 ** 28, hugePages: 1, latency: sample(160 / near) },
      { bytes: 2 ** 28, hugePages: 0, latency: sample(200 / near) },
    ],
    placement: "verified",
    notes: [],
    ...given,
  };
}

function measured(given: Partial<Measurements>): Measurements {
  return {
    when: "2026-01-01T00:00:00.000Z",
    host: { architecture: "x86_64", cpuModel: null, machine: null, nodes: [] },
    settings: { runs: 5, windowMs: 60, write: "simd", copy: "simd" },
    pairs: [],
    devices: [],
    missing: [],
    warnings: [],
    ...given,
  };
}

const PLAIN = { colour: false, width: 80 };

describe("what was measured, as text", () => {
  it("is a matrix a quantity, with spreads and what one CPU gets", async () => {
    const pairs = [pair(0, 0), pair(0, 1), pair(1, 0), pair(1, 1)];
    const text = await measureText(measured({ pairs }), PLAIN);
    const table = `Reading, GB/s, all CPUs of the row (one of them)

                     node0            node1
CPU node0   160 ±1% (20.0)  80.0 ±1% (10.0)
CPU node1  80.0 ±1% (10.0)   160 ±1% (20.0)`;
    assert.ok(text.includes(table), text);
    assert.match(
      text,
      /Latency of a load, ns, in huge pages \(in small ones\)\n\n.*\nCPU node0 +80\.0 ±0% \(100\) +160 ±0% \(200\)/,
    );
    assert.match(text, /±40%!/);
    assert.match(text, /! marks runs that lie far apart/);
    assert.match(text, /asked of the kernel/);
  });

  it("fits the width, however many memories there are", async () => {
    const pairs = Array.from({ length: 16 }, (_, to) => pair(0, to));
    for (const width of [40, 80, 200]) {
      const text = await measureText(measured({ pairs }), { colour: false, width });
      for (const line of text.split("\n")) assert.ok(line.length <= Math.max(width, 60), line);
      for (let to = 0; to < 16; to++) assert.match(text, new RegExp(`\\bnode${to}\\b`));
    }
  });

  it("names what is missing, notes and devices; a pair that is not there is a point", async () => {
    const note = "There is a memory-side cache of 1 GiB in front of it.";
    const text = await measureText(
      measured({
        pairs: [pair(0, 0, { notes: [note] }), pair(0, 1, { notes: [note] }), pair(1, 0, { notes: [note] })],
        missing: [
          { initiator: "node1", target: "node1", why: "it is full" },
          { initiator: null, target: "node2", why: "it is offline" },
          { initiator: "node3", target: null, why: "its CPUs are not allowed\u001b[31m" },
        ],
        devices: [{ device: "accel0", bytes: 2 ** 25, toDevice: sample(3e9), toHost: sample(2e9) }],
      }),
      PLAIN,
    );
    assert.match(text, /CPU node1 .* +·$/m);
    assert.match(text, /· was not measured/);
    assert.match(text, /node1 → node1 +it is full/);
    assert.match(text, /node2 +it is offline/);
    assert.match(text, /CPU node3 +its CPUs are not allowed/);
    assert.equal(text.includes("\u001b"), false);
    assert.match(text, /accel0 +3\.00 ±0% to it, 2\.00 ±0% from it: 32 MiB to and fro/);
    assert.equal(text.match(/memory-side/g)?.length, 1);
    assert.match(text, /node0 → node0 and 2 more/);
  });

  it("says so when there is nothing", async () => {
    const missing = [{ initiator: null, target: "node0", why: "it has no room" }];
    const text = await measureText(measured({ missing }), PLAIN);
    assert.match(text, /Nothing could be measured/);
    assert.match(text, /node0 +it has no room/);
  });

  it("shows no spread of a single run", async () => {
    const one = { median: 2e9, min: 2e9, max: 2e9, runs: 1 };
    const devices = [{ device: "accel0", bytes: 4096, toDevice: one, toHost: one }];
    const text = await measureText(measured({ devices }), PLAIN);
    assert.match(text, /accel0 +2\.00 to it, 2\.00 from it/);
  });

  it("marks doubtful values in colour", async () => {
    const text = await measureText(measured({ pairs: [pair(0, 1)] }), { colour: true, width: 80 });
    const [, doubtful = ""] = text.split("\u001b[33m");
    assert.match(doubtful, /^ *[\d.]+ ±40%!/);
  });
});
