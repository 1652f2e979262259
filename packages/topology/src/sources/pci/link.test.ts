import assert from "node:assert/strict";
import { test } from "node:test";
import type { PciDevice, PciLink } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { linkBandwidth, linkGeneration, parseLinkSpeed, parseLinkWidth, pathBandwidth } from "./link.ts";

test("reads speeds as kernels of all ages print them", () => {
  for (const [text, speed] of [
    ["8.0 GT/s PCIe", 8],
    ["8 GT/s", 8],
    ["2.5 GT/s", 2.5],
    ["2.5GT/s", 2.5],
    ["64.0 GT/s PCIe\n", 64],
    ["Unknown", null],
    ["Unknown speed", null],
    ["0 GT/s", null],
    ["fast", undefined],
    ["", undefined],
    ["8.0 GB/s", undefined],
    ["-8 GT/s", undefined],
  ] as const)
    assert.equal(parseLinkSpeed(text), speed, text);
});

test("reads widths; what means no link is unknown", () => {
  for (const [text, width] of [
    ["16", 16],
    ["1", 1],
    ["32", 32],
    ["0", null],
    ["63", null],
    ["255", null],
    ["Unknown", null],
    ["x16", 16],
    ["many", undefined],
    ["1e3", undefined],
  ] as const)
    assert.equal(parseLinkWidth(text), width, text);
});

test("bandwidth is what each generation's encoding leaves", () => {
  // 8b/10b: 2.5 GT/s carry 250 MB/s a lane; 128b/130b: 8 GT/s carry 985 MB/s; 242 of 256 bytes of a FLIT.
  assert.equal(linkBandwidth({ speed: 2.5, width: 1 }), 250e6);
  assert.equal(linkBandwidth({ speed: 5, width: 8 }), 4e9);
  assert.equal(linkBandwidth({ speed: 8, width: 16 }), 15_753_846_154);
  assert.equal(linkBandwidth({ speed: 32, width: 16 }), 63_015_384_615);
  assert.equal(linkBandwidth({ speed: 64, width: 16 }), 121e9);
  assert.deepEqual(
    [2.5, 5, 8, 16, 32, 64].map((speed) => linkGeneration(speed)),
    [1, 2, 3, 4, 5, 6],
  );
});

function fn(address: string, parent: string | null, link: PciLink | null): PciDevice {
  return {
    address,
    parent,
    link,
    classCode: 0x0604,
    vendor: 0,
    device: 0,
    subVendor: 0,
    subDevice: 0,
    revision: 0,
    label: null,
    slot: null,
    driver: null,
    bridge: null,
    numaNode: null,
    localCpus: IndexSet.EMPTY,
    iommuGroup: null,
  };
}

const link = (speed: number | null, width: number | null): PciLink => ({
  speedMax: speed,
  widthMax: width,
  speedCurrent: 2.5,
  widthCurrent: 1,
});

function bound(...devices: PciDevice[]): { value: number; detail: string | undefined } | null {
  const byAddress = new Map(devices.map((device) => [device.address, device]));
  const [first] = devices;
  assert.ok(first);
  const found = pathBandwidth(first, byAddress);
  return found === null ? null : { value: found.value, detail: found.detail };
}

test("the narrowest link on the way to the root bounds a function, at maximum speeds", () => {
  const root = fn("0000:00:01.0", null, link(8, 8));
  const gpu = fn("0000:03:00.0", "0000:00:01.0", link(32, 16));
  assert.deepEqual(bound(gpu, root), { value: 7_876_923_077, detail: "PCIe Gen3 x8 at 0000:00:01.0" });
  assert.deepEqual(bound({ ...gpu, parent: null }), { value: 63_015_384_615, detail: "PCIe Gen5 x16" });
});

test("links that are not known do not bound, and a loop of bridges ends", () => {
  assert.equal(bound(fn("0000:00:02.0", null, null)), null);
  assert.equal(bound(fn("0000:00:02.0", null, link(null, 16))), null);
  const a = fn("0000:00:01.0", "0000:00:02.0", link(8, 1));
  const b = fn("0000:00:02.0", "0000:00:01.0", null);
  assert.equal(bound(a, b)?.detail, "PCIe Gen3 x1");
});
