import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { discover, findInitiator, type Machine } from "@hms/topology";
import fc from "fast-check";
import { type Held, MEND_BYTES_MIN, misplacedOf, type NodeBytes } from "./misplaced.ts";
import type { Misplaced, Runs } from "./process-memory.ts";

const GIB = 2 ** 30;
const sockets = await discover("node:2{cpus=4,dram=64GiB@100GB/s/80ns}");
const hbm = await discover("node:2{cpus=4,dram=64GiB@100GB/s/80ns,hbm=16GiB@400GB/s/120ns}");
const machines = [
  sockets,
  hbm,
  await discover("xeon-max"),
  await discover("cxl-expander"),
  await discover("optane"),
];

function runsOn(machine: Machine, names: readonly string[]): Runs {
  const on = names.map((name) => findInitiator(machine, name));
  return { on, allowed: on, bound: true };
}

interface Given {
  readonly on?: readonly string[];
  readonly nodes: Readonly<Record<number, number>>;
  readonly shared?: Readonly<Record<number, number>>;
  readonly allowed?: readonly number[];
  readonly policies?: readonly string[];
  readonly room?: (node: number) => number | null;
}

function misplaced(machine: Machine, given: Given, by: "bandwidth" | "latency" = "bandwidth"): Misplaced {
  const { on = ["node0"], nodes, shared = {}, allowed, policies = [], room = () => null } = given;
  const held: Held = {
    pid: 42,
    runs: runsOn(machine, on),
    nodes: Object.entries(nodes).map(
      ([node, bytes]): NodeBytes => ({ node: Number(node), bytes, sharedBytes: shared[Number(node)] ?? 0 }),
    ),
    allows: (node) => allowed?.includes(node) !== false,
    policies,
    room,
  };
  const found = misplacedOf(machine, held, by);
  assert.ok(found !== null);
  return found;
}

describe("what is misplaced", () => {
  test("on two sockets: what is not beside the CPUs", () => {
    const found = misplaced(sockets, { on: ["node1"], nodes: { 0: 2 * GIB, 1: 3 * GIB } });
    assert.deepEqual(found.from, [{ target: "node0", bytes: 2 * GIB }]);
    assert.deepEqual(found.to, ["node1"]);
    assert.equal(found.mend, "hms move 42 --for node1");
  });

  test("nothing when it runs on both sockets: each is as far from one of them", () => {
    const found = misplaced(sockets, { on: ["node0", "node1"], nodes: { 0: 2 * GIB, 1: 3 * GIB } });
    assert.deepEqual([found.bytes, found.mend, found.to], [0, null, []]);
  });

  test("with faster memory beside the CPUs: what would fit into it, the farthest first", () => {
    const found = misplaced(hbm, { nodes: { 0: 10 * GIB, 1: 10 * GIB } });
    // 16 GiB go into the fast memory, the rest stays where it is best among what is left: beside the CPUs.
    assert.deepEqual(found.to[0], "node2");
    assert.equal(found.from.find(({ target }) => target === "node1")?.bytes, 10 * GIB);
    assert.equal(found.bytes, 16 * GIB);
  });

  test("by latency the same memory is right where it is", () => {
    const found = misplaced(hbm, { nodes: { 0: 10 * GIB } }, "latency");
    assert.equal(found.bytes, 0);
    const far = misplaced(hbm, { nodes: { 1: 10 * GIB } }, "latency");
    assert.equal(far.mend, "hms move 42 --for node0 --prefer latency");
  });

  test("not into memory that its cpuset does not have, and out of what it no longer has", () => {
    const kept = misplaced(sockets, { on: ["node1"], nodes: { 0: 2 * GIB }, allowed: [0] });
    assert.equal(kept.bytes, 0);
    const lost = misplaced(sockets, { on: ["node1"], nodes: { 0: 2 * GIB }, allowed: [1] });
    assert.deepEqual(lost.from, [{ target: "node0", bytes: 2 * GIB }]);
  });

  test("pages that others map are counted apart, and policies that hold pages are named", () => {
    const found = misplaced(sockets, {
      on: ["node1"],
      nodes: { 0: GIB },
      shared: { 0: 5 },
      policies: [
        "default",
        "bind:0",
        "bind:1",
        "prefer (many):0-1",
        "weighted interleave:1,3",
        "bind=static:0",
      ],
    });
    assert.equal(found.sharedBytes, 5);
    assert.deepEqual(found.heldBy, ["bind:0", "prefer (many):0-1", "bind=static:0"]);
  });

  test("memory that measures nearly alike is alike", async () => {
    const nearly = await discover("node:1{cpus=4,dram=64GiB@100GB/s,hbm=16GiB@104GB/s}");
    assert.equal(misplaced(nearly, { nodes: { 0: GIB } }).bytes, 0);
    const unlike = await discover("node:1{cpus=4,dram=64GiB@100GB/s,hbm=16GiB@120GB/s}");
    assert.equal(misplaced(unlike, { nodes: { 0: GIB } }).bytes, GIB);
  });

  test("only as much as there is room for at this moment", () => {
    const room = (node: number): number => (node === 1 ? GIB : 0);
    const found = misplaced(sockets, { on: ["node1"], nodes: { 0: 4 * GIB, 1: 2 * GIB }, room });
    assert.deepEqual(found.from, [{ target: "node0", bytes: GIB }]);
    assert.equal(misplaced(sockets, { on: ["node1"], nodes: { 0: 4 * GIB }, room: () => 0 }).bytes, 0);
  });

  test("a few pages are told of, and no command line for them", () => {
    const found = misplaced(sockets, { on: ["node1"], nodes: { 0: MEND_BYTES_MIN - 4096 } });
    assert.deepEqual([found.bytes, found.mend], [MEND_BYTES_MIN - 4096, null]);
  });

  test("it is not known for what runs nowhere that is known", () => {
    const runs: Runs = { on: [], allowed: [], bound: false };
    assert.equal(
      misplacedOf(
        sockets,
        { pid: 1, runs, nodes: [], allows: () => true, room: () => null, policies: [] },
        "bandwidth",
      ),
      null,
    );
  });

  test("the parts are the whole, no more than there is, and never in the memory that is named as better", () => {
    const bytes = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 2 ** 20 }).map((pages) => pages * 4096),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...machines),
        fc.array(bytes, { minLength: 1, maxLength: 6 }),
        fc.constantFrom("bandwidth", "latency"),
        fc.nat(2),
        (machine, amounts, by, which) => {
          const cpus = machine.initiators.filter((one) => one.class === "cpu").map(({ id }) => id);
          const on = which === 2 ? cpus : [cpus[which % cpus.length] ?? ""];
          const nodes = Object.fromEntries(amounts.map((amount, node) => [node, amount]));
          const found = misplaced(machine, { on, nodes }, by);
          const total = amounts.reduce((sum, amount) => sum + amount, 0);
          assert.ok(found.bytes >= 0 && found.bytes <= total);
          assert.equal(
            found.from.reduce((sum, part) => sum + part.bytes, 0),
            found.bytes,
          );
          for (const { target, bytes: part } of found.from) {
            assert.ok(part > 0 && part <= (amounts[Number(target.replace("node", ""))] ?? 0));
            assert.ok(!found.to.includes(target), `${target} is both`);
          }
          assert.equal(found.mend === null, found.bytes < MEND_BYTES_MIN);
        },
      ),
      { numRuns: 300 },
    );
  });
});
