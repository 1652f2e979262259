import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseConfigSpace } from "./config-space.ts";

/** A configuration space of a bridge with a PCI Express capability at 0x60, behind one at 0x40. */
function bridgeSpace(): Uint8Array {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint16(0x00, 0x8086, true);
  view.setUint16(0x02, 0x2030, true);
  view.setUint8(0x06, 0x10);
  view.setUint8(0x08, 4);
  view.setUint16(0x0a, 0x0604, true);
  view.setUint8(0x0e, 0x81);
  view.setUint8(0x19, 0x3b);
  view.setUint8(0x1a, 0x41);
  view.setUint8(0x34, 0x40);
  view.setUint8(0x40, 0x01);
  view.setUint8(0x41, 0x60);
  view.setUint8(0x60, 0x10);
  view.setUint32(0x60 + 0x0c, (16 << 4) | 4, true);
  view.setUint16(0x60 + 0x12, (8 << 4) | 3, true);
  return bytes;
}

test("reads ids, buses and the link of a bridge", () => {
  assert.deepEqual(parseConfigSpace(bridgeSpace()), {
    vendor: 0x8086,
    device: 0x2030,
    classCode: 0x0604,
    subVendor: null,
    subDevice: null,
    revision: 4,
    buses: { secondaryBus: 0x3b, subordinateBus: 0x41 },
    link: { speedMax: 16, widthMax: 16, speedCurrent: 8, widthCurrent: 8 },
  });
});

test("what users may read (64 bytes) has no link, and a function that is no bridge has no buses", () => {
  const bytes = bridgeSpace().slice(0, 64);
  bytes[0x0e] = 0;
  bytes[0x2c] = 0x28;
  bytes[0x2d] = 0x10;
  const space = parseConfigSpace(bytes);
  assert.equal(space.buses, null);
  assert.equal(space.link, null);
  assert.equal(space.subVendor, 0x1028);
});

test("a link without speed and width, as of a virtual function, is known to be unknown", () => {
  const bytes = bridgeSpace();
  new DataView(bytes.buffer).setUint32(0x60 + 0x0c, 0, true);
  new DataView(bytes.buffer).setUint16(0x60 + 0x12, 0, true);
  assert.deepEqual(parseConfigSpace(bytes).link, {
    speedMax: null,
    widthMax: null,
    speedCurrent: null,
    widthCurrent: null,
  });
});

test("no bytes, cut bytes and capabilities in a loop neither throw nor hang", () => {
  assert.deepEqual(Object.values(parseConfigSpace(new Uint8Array(0))), Array(8).fill(null));
  const loop = bridgeSpace();
  loop[0x41] = 0x40;
  assert.equal(parseConfigSpace(loop).link, null);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const { link } = parseConfigSpace(bytes);
      assert.ok(link === null || link.widthMax === null || (link.widthMax > 0 && link.widthMax <= 32));
    }),
    { numRuns: 2000 },
  );
});
