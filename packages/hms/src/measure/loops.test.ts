import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { kernelsFile } from "../../../../tools/measure-kernels.ts";
import { AREA_MAX, AREA_STEP, Area, kernelsModule, type Work } from "./area.ts";

const MIB = 2 ** 20;
const WORDS = 4;

function bytesOf(area: Area, bytes: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(area.buffer, area.start, bytes);
}

/** Does a work until all of the bytes have been gone through. */
function through(area: Area, work: Work, library: boolean, bytes: number): void {
  for (let done = 0; done < bytes; ) done += area.run(work, library, bytes, 0).amount;
}

describe("the loops", () => {
  it("are those that tools/measure-kernels.ts has in words", async () => {
    const file = new URL("./kernels.generated.ts", import.meta.url);
    assert.equal(readFileSync(file, "utf8"), await kernelsFile(), "run tools/measure-kernels.ts");
  });

  it("write every byte, and none beyond", () => {
    for (const library of [false, true]) {
      const area = new Area(kernelsModule(), 4 * MIB);
      area.start = MIB;
      through(area, "write", library, 4 * MIB);
      assert.ok(bytesOf(area, 4 * MIB).every((byte, i) => byte !== 0 || i % WORDS !== 0));
      const all = new Uint8Array(area.buffer);
      assert.ok(all.subarray(0, MIB).every((byte) => byte === 0));
      assert.ok(all.subarray(5 * MIB).every((byte) => byte === 0));
    }
  });

  it("copy the first half to the second, all of it", () => {
    for (const library of [false, true]) {
      const area = new Area(kernelsModule(), 4 * MIB);
      const bytes = bytesOf(area, 4 * MIB);
      for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31) ^ (i >>> 11);
      const before = bytes.slice(0, 2 * MIB);
      through(area, "copy", library, 2 * MIB);
      assert.deepEqual(bytes.slice(0, 2 * MIB), before);
      assert.deepEqual(bytes.slice(2 * MIB), before);
    }
  });

  it("chase through every line of the area once before they come back", () => {
    const bytes = 2 * MIB;
    const line = 64;
    const area = new Area(kernelsModule(), bytes);
    area.start = 4096;
    area.link(bytes, line, 7);
    const words = new Uint32Array(area.buffer);
    const seen = new Set<number>();
    let steps = 0;
    let jumps = 0;
    for (let at = area.start; !seen.has(at); steps++) {
      seen.add(at);
      const next = words[at >>> 2] as number;
      assert.ok(next >= area.start && next < area.start + bytes && (next - area.start) % line === 0);
      if (Math.abs(next - at) > 64 * line) jumps++;
      at = next;
    }
    assert.equal(steps, bytes / line);
    // At random: nearly all of them go far.
    assert.ok(jumps > 0.95 * steps, `${jumps} of ${steps} go far`);
  });

  it("take time for what they do, and count it", () => {
    const area = new Area(kernelsModule(), AREA_STEP);
    area.touch(AREA_STEP);
    area.link(AREA_STEP, 64, 1);
    for (const work of ["chase", "read", "write"] as const) {
      const until = performance.now() + 5;
      const { amount, cpuMs, elapsedMs } = area.run(work, false, AREA_STEP, until);
      assert.ok(performance.now() >= until && elapsedMs > 0 && amount > 0 && cpuMs > 0, work);
    }
  });

  it("have areas of whole steps only", () => {
    for (const bytes of [0, 4096, AREA_STEP + 1, AREA_MAX + AREA_STEP])
      assert.throws(() => new Area(kernelsModule(), bytes), RangeError);
  });
});
