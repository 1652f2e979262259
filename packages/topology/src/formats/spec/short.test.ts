import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assemble } from "../../assemble/assemble.ts";
import { HmsError } from "../../model/error.ts";
import type { Machine } from "../../model/machine.ts";
import { paths } from "../../query/path.ts";
import { isShortSpec } from "./machines.ts";
import { readShortSpec } from "./read.ts";

function machine(text: string): Machine {
  return assemble(readShortSpec(text), { kind: "spec", path: text });
}

function cost(of: Machine, initiator: string, target: string): readonly (number | null)[] | null {
  const [path] = paths(of, initiator, target);
  return path === undefined ? null : [path.readBandwidth.value, path.readLatency.value, path.distance];
}

describe("a short spec", () => {
  it("states nodes with memories of several kinds, near and far", () => {
    const read = machine(
      "node:2{cpus=56,threads=2,dram=256GiB@205GB/s/95ns@80GB/s/140ns/d21,hbm=64GiB@410GB/s/110ns@200ns} node{near=1,cxl=1TiB@30GB/s}",
    );
    assert.deepEqual(
      read.targets.map((target) => `${target.id} ${target.kind.kind} ${target.size}`),
      [
        `node0 dram ${2 ** 38}`,
        `node1 dram ${2 ** 38}`,
        `node2 cxl ${2 ** 40}`,
        `node3 hbm ${2 ** 36}`,
        `node4 hbm ${2 ** 36}`,
      ],
    );
    assert.deepEqual(cost(read, "node0", "node0"), [205e9, 95, 10]);
    assert.deepEqual(cost(read, "node1", "node0"), [80e9, 140, 21]);
    assert.deepEqual(cost(read, "node1", "node4"), [410e9, 110, null]);
    assert.deepEqual(cost(read, "node0", "node4"), [null, 200, null]);
    assert.deepEqual(cost(read, "node1", "node2"), [30e9, null, null]);
    assert.deepEqual(
      read.initiators.map((one) => one.cpus.toList()),
      ["0-55", "56-111"],
    );
    assert.equal(read.groups.filter((group) => group.type === "core").length, 56);
  });

  it("states GPUs with memory, slots, peers, and NICs", () => {
    const read = machine(
      "node:2{cpus=8,dram=64GiB@100GB/s/100ns};gpu:4{memory=80GB@3.35TB/s,near=<i/2>,pcie=gen5x16,peers=nvlink@450GB/s} nic{near=1,via=pcie@400Gb/s/1us}",
    );
    assert.deepEqual(cost(read, "gpu3", "gpu3/memory"), [3.35e12, null, null]);
    assert.deepEqual(cost(read, "gpu3", "gpu0/memory"), [450e9, null, null]);
    assert.equal(read.initiators.find((one) => one.id === "gpu3")?.numaNode, 1);
    assert.deepEqual(cost(read, "nic0", "node1"), [50e9, 1100, null]);
    assert.equal(cost(read, "node0", "gpu0/memory"), null);
  });

  it("states what CPUs and devices reach directly", () => {
    const read = machine(
      "node{cpus=72,dram=480GB@486GB/s,gpu=96GB@297GB/s} gpu{to=node1@3.4TB/s,to=node0@375GB/s} accelerator{memory=16GiB@50GB/s,cpu=cxl@20GB/s/300ns}",
    );
    assert.deepEqual(cost(read, "gpu0", "node1"), [3.4e12, null, null]);
    assert.deepEqual(cost(read, "gpu0", "node0"), [375e9, null, null]);
    assert.deepEqual(cost(read, "node0", "node1"), [297e9, null, null]);
    assert.deepEqual(cost(read, "node0", "accelerator0/memory"), [20e9, 300, null]);
    assert.equal(read.targets.at(-1)?.kind.kind, "device");
  });

  it("takes several targets at once, lines, blanks and semicolons", () => {
    const read = machine("  node:2 { cpus = 1 , dram = 1GiB } ;\n gpu:2{ to=node0+node1@5GB/s } ; ");
    assert.deepEqual(cost(read, "gpu1", "node1"), [5e9, null, null]);
    assert.deepEqual(
      read.initiators.map((one) => one.id),
      ["node0", "node1", "gpu0", "gpu1"],
    );
  });

  it("goes on counting in later items of a sort", () => {
    const read = machine(
      "gpu{memory=1GiB} gpu:2{memory=2GiB} gpu{memory=3GiB} node:2{dram=1GiB} node{cpus=1}",
    );
    assert.deepEqual(
      read.initiators.map((one) => one.id),
      ["node2", "gpu0", "gpu1", "gpu2", "gpu3"],
    );
  });

  it("is told from a path", () => {
    for (const text of ["node{cpus=1}", " gpu:8{", "nod:2{x", "node :2 {cpus=1}"])
      assert.ok(isShortSpec(text), text);
    for (const text of ["node", "./node.yaml", "{a: b}", "machine:xeon-max", "node:2", "a-b{", "C:\\x{1}"]) {
      assert.ok(!isShortSpec(text), text);
    }
  });
});

describe("a short spec that is wrong", () => {
  for (const [text, column, part] of [
    ["", 1, "expected items such as node:2{cpus=8,dram=64GiB}"],
    ["nod{cpus=1}", 1, 'there is no item "nod"; did you mean node'],
    ["cpu{near=0}", 1, 'there is no item "cpu"'],
    ["node{cpu=1}", 6, 'node has no field "cpu"; did you mean cpus'],
    ["node{cpus=1,memory=1GiB}", 13, 'node has no field "memory"'],
    ["gpu{dram=1GiB}", 5, 'gpu has no field "dram"'],
    ["node{constructor=1}", 6, "node has no field"],
    ["node:0{cpus=1}", 6, "expected a number from 1 to 1024"],
    ["node:9999{cpus=1}", 6, "expected a number from 1 to 1024"],
    ["node:x{cpus=1}", 6, "expected a number from 1 to 1024"],
    ["node:{cpus=1}", 6, 'expected how many, but got "{"'],
    ["node{}", 6, 'expected a field, but got "}"'],
    ["node{cpus}", 10, 'expected "=", but got "}"'],
    ["node{cpus=}", 11, 'expected the value of cpus, but got "}"'],
    ["node{cpus=1", 12, 'expected "}", but the text ends here'],
    ["node{cpus=1}}", 13, "expected the name of an item such as node or gpu"],
    ["node{cpus=1,cpus=2}", 18, "cpus is there twice"],
    ["node{cpus=two}", 11, "nodes[0].cpus (column 11): expected a whole number"],
    ["node{dram=64}", 11, "nodes[0].size (column 11)"],
    ["node{dram=64GiB@5}", 17, "expected a bandwidth and a latency such as 205GB/s/95ns"],
    ["node{cpus=1,dram=64GiB@5GB/s/5}", 30, 'but got "5"'],
    ["node{cpus=1,dram=64GiB@5XB/s}", 24, "nodes[0].bandwidth (column 24): expected a bandwidth"],
    ["node{cpus=1,dram=64GiB@5GB/s@7XB/s}", 30, "nodes[0].remote.bandwidth (column 30)"],
    ["node{cpus=1,dram=64GiB@1GB/s/2GB/s}", 30, "bandwidth is there twice"],
    ["node{cpus=1} gpu{via=jelly@5GB/s}", 22, 'there is no medium "jelly"'],
    ["node{cpus=1} gpu{via=nvlnk@5GB/s}", 22, "did you mean nvlink"],
    ["node{cpus=1} gpu{to=nod0@5GB/s}", 21, 'there is no target "nod0"'],
    ["node{cpus=1,dram=1GiB} gpu{to=node0+node7}", 37, 'there is no target "node7"'],
    ["node{cpus=1} gpu{near=7}", 23, "there is no node 7"],
    ["node{cpus=1} gpu{near=<i>}", 23, "expected a node such as 0 or node0"],
    ["node{cpus=1} gpu{pcie=gen7x16}", 23, "expected a PCI Express slot"],
    [`${"gpu ".repeat(257)}`, 1025, "expected at most 256 items"],
  ] as const) {
    it(`names the column: ${text.slice(0, 40)}`, () => {
      assert.throws(
        () => readShortSpec(text),
        (error) => {
          assert.ok(HmsError.is(error), String(error));
          assert.ok(
            error.message.includes(`column ${column})`) || error.message.includes(`column ${column}:`),
            error.message,
          );
          assert.ok(error.message.includes(part), error.message);
          return true;
        },
      );
    });
  }
});
