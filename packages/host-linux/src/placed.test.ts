import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mappedHugeBytes, mappedPages, PlacedBuffer } from "./placed.ts";
import { addressOf } from "./sys/memory.ts";
import { HUGE_BYTES, PAGE_BYTES } from "./sys/units.ts";

const BYTES = 4 * HUGE_BYTES;

/** As a WebAssembly memory has it: whole pages, mapped for itself. */
function bufferOf(bytes: number): SharedArrayBuffer {
  const { WebAssembly } = globalThis as unknown as {
    readonly WebAssembly: {
      readonly Memory: new (of: {
        readonly initial: number;
        readonly maximum: number;
        readonly shared: true;
      }) => { readonly buffer: SharedArrayBuffer };
    };
  };
  const pages = bytes / 65_536;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}

describe("a buffer whose pages are placed", () => {
  it("has the pages that were touched, all of them where the kernel says", () => {
    const buffer = bufferOf(BYTES);
    const placed = new PlacedBuffer(buffer);
    assert.ok(placed.start < HUGE_BYTES && placed.start % PAGE_BYTES === 0);
    assert.equal(placed.bytes, BYTES - placed.start);
    assert.equal(placed.place(null, false), 0);
    const before = placed.pagesFound(HUGE_BYTES);
    if (typeof before === "number") return; // a filter on move_pages: nothing to see before there are pages
    assert.equal(before.unknown, HUGE_BYTES / PAGE_BYTES);
    new Uint8Array(buffer, placed.start, HUGE_BYTES / 2).fill(1);
    const after = placed.pagesFound(HUGE_BYTES);
    assert.ok(typeof after !== "number");
    const there = [...after.byNode.values()].reduce((sum, pages) => sum + pages, 0);
    assert.equal(there, HUGE_BYTES / 2 / PAGE_BYTES);
    assert.equal(after.unknown, there);
    placed.release();
    assert.equal(new Uint8Array(buffer)[placed.start], 0);
  });

  it("says what part of it is in huge pages: none where they are not wanted", () => {
    const buffer = bufferOf(BYTES);
    const placed = new PlacedBuffer(buffer);
    placed.place(null, false);
    new Uint8Array(buffer).fill(1);
    const small = placed.hugePart(placed.bytes);
    assert.ok(small === null || small === 0, `${small}`);
    placed.place(null, true);
    new Uint8Array(buffer).fill(1);
    const huge = placed.hugePart(placed.bytes);
    assert.ok(huge === null || (huge >= 0 && huge <= 1), `${huge}`);
  });

  it("is not moved to a node that there is none of", () => {
    const placed = new PlacedBuffer(bufferOf(BYTES));
    assert.ok(placed.place(1023, false) < 0);
    assert.throws(() => placed.place(5000, false), RangeError);
  });

  it("is found in the kernel's maps of the process too, for kernels and containers that answer nothing else", () => {
    const buffer = bufferOf(BYTES);
    const placed = new PlacedBuffer(buffer);
    placed.place(null, true);
    new Uint8Array(buffer, placed.start).fill(1);
    const address = addressOf(buffer) + placed.start;
    const asked = placed.pagesFound(placed.bytes);
    const mapped = mappedPages(address);
    if (mapped !== null && typeof asked !== "number") assert.deepEqual([...mapped.byNode], [...asked.byNode]);
    const part = placed.hugePart(placed.bytes);
    const huge = mappedHugeBytes(address);
    if (part !== null && huge !== null) assert.equal(huge / placed.bytes, part);
    assert.equal(mappedHugeBytes(1), null);
  });

  it("has to be large enough to begin at a huge page", () => {
    assert.throws(() => new PlacedBuffer(new ArrayBuffer(0)), RangeError);
  });
});
