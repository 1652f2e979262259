import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hms } from "./support/hms.ts";
import { machineFiles, writeFiles } from "./support/machine-files.ts";

interface Picked {
  readonly targets: readonly {
    readonly id: string;
    readonly numaNode: number | null;
    readonly bandwidth: number | null;
    readonly latency: number | null;
    readonly free: number | null;
    readonly why: string;
  }[];
  readonly refused: readonly { readonly id: string; readonly why: string }[];
}

const scratch = mkdtempSync(join(tmpdir(), "hms-pick-"));
const capture = join(scratch, "capture");
before(() => writeFiles(capture, machineFiles()));
after(() => rmSync(scratch, { recursive: true }));

function picked(args: readonly string[]): Picked {
  const { code, out, err } = hms(["pick", "--input", capture, "--format", "json", ...args]);
  assert.equal(code, 0, err);
  return JSON.parse(out) as Picked;
}

function order(args: readonly string[]): string[] {
  return picked(args).targets.map((target) => target.id);
}

describe("hms pick", () => {
  test("lists targets best first, with numbers, units as documented, and why", () => {
    const { targets, refused } = picked(["--for", "node0"]);
    assert.deepEqual(Object.keys(targets[0] ?? {}), [
      "id",
      "numaNode",
      "bandwidth",
      "latency",
      "free",
      "why",
    ]);
    assert.equal(targets[0]?.id, "node2");
    assert.deepEqual(targets[0], {
      id: "node2",
      numaNode: 2,
      bandwidth: 800e9,
      latency: 120,
      free: 8 * 2 ** 30,
      why: targets[0]?.why ?? "",
    });
    assert.match(targets[0]?.why ?? "", /800 GB\/s.*hmat/i);
    // Unknown values are null, and come after all that are known.
    const known = targets.map((target) => target.bandwidth !== null);
    assert.deepEqual(
      known,
      [...known].sort((a, b) => Number(b) - Number(a)),
    );
    assert.deepEqual(Object.keys(refused[0] ?? {}), ["id", "why"]);
    assert.ok(refused.some((one) => one.id === "0000:c1:00.0/vram"));
  });

  test("orders by latency and by capacity", () => {
    assert.equal(order(["--for", "node0", "--by", "latency"])[0], "node0");
    assert.equal(order(["--for", "node0", "--by", "capacity"])[0], "node0");
    assert.equal(order(["--for", "node1", "--by", "latency"])[0], "node1");
  });

  test("takes initiators by node, CPU, PCI address and device name, and several at once", () => {
    assert.deepEqual(order(["--for", "cpu5"]), order(["--for", "node1"]));
    assert.deepEqual(order(["--for", "0000:17:00.0"]), order(["--for", "mlx5_0"]));
    assert.deepEqual(order(["--for", "17:00.0"]), order(["--for", "enxb8cef6123456"]));
    const both = picked(["--for", "node0,node1", "--by", "latency"]);
    const alone = picked(["--for", "node0", "--by", "latency"]);
    const latency = (from: Picked, id: string): number | null =>
      from.targets.find((target) => target.id === id)?.latency ?? null;
    // The worst of the two counts.
    assert.equal(latency(alone, "node0"), 95);
    assert.notEqual(latency(both, "node0"), 95);
  });

  test("leaves out what has no room, with the reason, and lists no more than asked", () => {
    const { targets, refused } = picked(["--for", "node0", "--size", "10GiB", "--count", "1"]);
    assert.deepEqual(
      targets.map((target) => target.id),
      ["node0"],
    );
    assert.match(refused.find((one) => one.id === "node2")?.why ?? "", /8 GiB/);
  });

  test("ends with 1 when nothing suits, and still says why", () => {
    const { code, out, err } = hms(["pick", "--input", capture, "--for", "node0", "--size", "1PiB"]);
    assert.equal(code, 1);
    assert.match(out, /Not usable[\s\S]*node0/);
    assert.match(err, /^hms: No target of capture suits; .*\n$/m);
    assert.match(
      err,
      /^hms: warning: sys\/class\/kfd/m,
      "what is odd about the machine is told with any advice",
    );
  });

  test("tells a person the same", () => {
    const { code, out } = hms(["pick", "--input", capture, "--for", "node0", "--size", "1GiB"]);
    assert.equal(code, 0);
    assert.match(out, /^capture: memory for node0 by bandwidth, with room for 1 GiB\n/);
    assert.match(out, / {2}1\. node2 +8 GiB free, bandwidth 800 GB\/s/);
    assert.ok(out.indexOf("1. node2") < out.indexOf("2. node"));
    assert.match(out, /Not usable/);
  });

  test("names the initiators that there are when one is not", () => {
    const { code, err } = hms(["pick", "--input", capture, "--for", "nod0"]);
    assert.equal(code, 1);
    assert.match(err, /nod0.*did you mean node0/);
  });
});
