import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HmsError } from "./error.ts";
import {
  BANDWIDTH_MAX,
  formatBandwidth,
  formatLatency,
  formatSize,
  LATENCY_MAX,
  parseBandwidth,
  parseLatency,
  parseSize,
  SIZE_MAX,
  tryParseBandwidth,
  tryParseLatency,
  tryParseSize,
  writeBandwidth,
  writeLatency,
  writeSize,
} from "./units.ts";

describe("parseSize", () => {
  for (const [text, bytes] of [
    ["64GiB", 64 * 2 ** 30],
    ["64 GB", 64e9],
    [" 1.5 TiB ", 1.5 * 2 ** 40],
    ["4096B", 4096],
    ["1kB", 1000],
    ["1KB", 1000],
    ["1KiB", 1024],
    ["3.35TB", 3_350_000_000_000],
    ["1.3GiB", 1_395_864_371],
    ["9007199254740991B", SIZE_MAX],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseSize(text), bytes));
  }

  for (const [text, part] of [
    ["", "expected a size such as 64GiB, but got nothing"],
    ["GiB", 'but got "GiB"'],
    ["64", "the unit is missing"],
    ["512M", "write MiB (1,024²) or MB (1,000²)"],
    ["64Gb", "that is bits"],
    ["64gib", 'no unit "gib"'],
    ["-1GiB", "greater than 0"],
    ["0GiB", "greater than 0"],
    ["0.1B", "of whole bytes"],
    ["8PiB", "at most 8PiB less a byte"],
    ["1e9B", "expected a size"],
    ["1,024MiB", "expected a size"],
    [".5GiB", "expected a size"],
    ["5.GiB", "expected a size"],
    ["0x10B", "expected a size"],
    ["1GiB2GiB", "expected a size"],
    ["NaNGiB", "expected a size"],
    ["1constructor", 'no unit "constructor"'],
    ["9".repeat(5000), "expected a size"],
  ] as const) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(
        () => parseSize(text),
        (error) => HmsError.is(error) && error.code === "SIZE_INVALID" && error.message.includes(part),
      );
      assert.ok(String(tryParseSize(text)).length < 200);
    });
  }
});

describe("parseBandwidth", () => {
  for (const [text, rate] of [
    ["410GB/s", 410e9],
    ["48.5 GiB/s", 48.5 * 2 ** 30],
    ["100Gb/s", 12.5e9],
    ["100Gbit/s", 12.5e9],
    ["400Gbps", 50e9],
    ["3.35TB/s", 3.35e12],
    ["512MiB/s", 512 * 2 ** 20],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseBandwidth(text), rate));
  }

  for (const [text, part] of [
    ["16GT/s", "no bandwidth without a width"],
    ["410GB", "that is a size"],
    ["25GBps", "GB/s for bytes or Gb/s for bits"],
    ["0GB/s", "greater than 0"],
    ["1001TB/s", "at most 1000TB/s"],
    ["95ns", 'no unit "ns"'],
  ] as const) {
    it(`refuses ${text}`, () =>
      assert.throws(
        () => parseBandwidth(text),
        (error) => HmsError.is(error) && error.code === "BANDWIDTH_INVALID" && error.message.includes(part),
      ));
  }
});

describe("parseLatency", () => {
  for (const [text, latency] of [
    ["95ns", 95],
    ["1.44us", 1440],
    ["1.44\u00b5s", 1440],
    ["1.44 \u03bcs", 1440],
    ["0.3 ms", 300_000],
    ["2s", 2e9],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseLatency(text), latency));
  }

  for (const [text, part] of [
    ["95", "the unit is missing"],
    ["-1ns", "greater than 0"],
    ["61s", "at most 60s"],
    ["20cycles", "convert cycles to ns"],
  ] as const) {
    it(`refuses ${text}`, () =>
      assert.throws(
        () => parseLatency(text),
        (error) => HmsError.is(error) && error.code === "LATENCY_INVALID" && error.message.includes(part),
      ));
  }
});

describe("formatting for people", () => {
  it("shows sizes in binary units", () => {
    assert.equal(formatSize(64 * 2 ** 30), "64 GiB");
    assert.equal(formatSize(80e9), "74.5 GiB");
    assert.equal(formatSize(0), "0 B");
    assert.equal(formatSize(1), "1 B");
    assert.equal(formatSize(1023), "1023 B");
    assert.equal(formatSize(1023.6 * 2 ** 30), "1 TiB");
    assert.equal(formatSize(1000 * 2 ** 30), "1000 GiB");
    assert.equal(formatSize(null), "unknown");
    assert.equal(formatSize(null, { unknown: "—" }), "—");
  });

  it("shows bandwidths in decimal units", () => {
    assert.equal(formatBandwidth(410e9), "410 GB/s");
    assert.equal(formatBandwidth(3.35e12), "3.35 TB/s");
    assert.equal(formatBandwidth(999.9e9), "1 TB/s");
    assert.equal(formatBandwidth(48.53e9), "48.5 GB/s");
    assert.equal(formatBandwidth(12.5e6), "12.5 MB/s");
    assert.equal(formatBandwidth(0), "unknown");
    assert.equal(formatBandwidth(null, { unknown: "—" }), "—");
  });

  it("shows latencies", () => {
    assert.equal(formatLatency(95), "95 ns");
    assert.equal(formatLatency(1400), "1.4 µs");
    assert.equal(formatLatency(1440), "1.44 µs");
    assert.equal(formatLatency(300_000), "300 µs");
    assert.equal(formatLatency(2.5e6), "2.5 ms");
    assert.equal(formatLatency(0.001), "<0.01 ns");
    assert.equal(formatLatency(undefined), "unknown");
  });

  it("never shows a known number as nothing, nor with more than four digits", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.5, max: 1e15, noNaN: true }), (value) => {
        for (const text of [formatSize(value), formatBandwidth(value), formatLatency(value)]) {
          assert.match(text, /^\d{1,16}(\.\d{1,2})? \S+$/);
          assert.ok(!text.startsWith("0 "), text);
        }
      }),
    );
  });
});

describe("exact writing", () => {
  it("chooses the unit that a person would", () => {
    assert.equal(writeSize(64 * 2 ** 30), "64GiB");
    assert.equal(writeSize(1536 * 2 ** 20), "1536MiB");
    assert.equal(writeSize(80e9), "80GB");
    assert.equal(writeSize(3_350_000_000_000), "3.35TB");
    assert.equal(writeSize(123_457), "123457B");
    assert.equal(writeBandwidth(410e9), "410GB/s");
    assert.equal(writeBandwidth(12.5e9), "12.5GB/s");
    assert.equal(writeBandwidth(100), "100B/s");
    assert.equal(writeBandwidth(0.0625), "0.0625B/s");
    assert.equal(writeLatency(95), "95ns");
    assert.equal(writeLatency(81.5), "81.5ns");
    assert.equal(writeLatency(1440), "1.44us");
  });

  it("comes back to the last bit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: SIZE_MAX }), (bytes) => {
        assert.equal(tryParseSize(writeSize(bytes)), bytes);
      }),
    );
    const positive = (max: number): fc.Arbitrary<number> => fc.double({ min: 1e-6, max, noNaN: true });
    fc.assert(
      fc.property(positive(BANDWIDTH_MAX), (rate) =>
        assert.equal(tryParseBandwidth(writeBandwidth(rate)), rate),
      ),
    );
    fc.assert(
      fc.property(positive(LATENCY_MAX), (value) =>
        assert.equal(tryParseLatency(writeLatency(value)), value),
      ),
    );
  });
});
