// The examples, small, under `hms run`: each verifies its own result and says so.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { mergePieces, sortPieces } from "../examples/merge-sort.ts";
import { hms } from "./support/hms.ts";
import { skip } from "./support/hms-lab.ts";
import { Random } from "./support/random.ts";

const folder = mkdtempSync(join(tmpdir(), "hms-examples-"));
after(() => rmSync(folder, { recursive: true }));

describe("examples", { skip }, () => {
  test("pagerank, on the graph that ships, with and without a device", () => {
    for (const device of [["--device", "accel:memory=1MiB"], []]) {
      const { code, out, err } = hms(["run", ...device, "examples/pagerank.ts"]);
      assert.equal(code, 0, err);
      assert.match(out, /57819 nodes, 244451 edges/);
      assert.match(out, /verified: all 57819 ranks are, bit for bit, those of a plain computation/);
      assert.match(out, /\n {2}0\.16215 {2}libc6\n/);
    }
  });

  test("pagerank, on any edge list", () => {
    const path = join(folder, "edges.txt");
    writeFileSync(path, "# a cycle with a tail\n0 1\n1,2\n2\t0 0.5\n\n3 0\r\n  4 3");
    const { code, out, err } = hms([
      "run",
      "--device",
      "accel:memory=1MiB",
      "examples/pagerank.ts",
      path,
      "50",
    ]);
    assert.equal(code, 0, err);
    assert.match(out, /edges\.txt: 5 nodes, 5 edges/);
    assert.match(out, /verified: all 5 ranks/);
    writeFileSync(path, "# nothing\n");
    const none = hms(["run", "examples/pagerank.ts", path]);
    assert.equal(none.code, 1);
    assert.match(none.err, /has no edges/);
  });

  test("a stencil", () => {
    const { code, out, err } = hms([
      "run",
      "--device",
      "accel:memory=1MiB",
      "examples/stencil.ts",
      "256",
      "11",
    ]);
    assert.equal(code, 0, err);
    assert.match(out, /verified: all 65536 points/);
  });

  test("a sort of a file four times as large as the RAM", () => {
    const path = join(folder, "numbers");
    const numbers = new Uint32Array(8 * 2 ** 20);
    const random = new Random(7);
    for (let i = 0; i < numbers.length; i++) numbers[i] = random.below(2 ** 32);
    writeFileSync(path, numbers);
    const { code, out, err } = hms(["run", "--ram", "8MiB", "examples/sort.ts", path]);
    assert.equal(code, 0, err);
    assert.match(out, /32 MiB sorted with at most [5-8] MiB resident/);
    assert.match(out, /verified: in order/);
    const sorted = readFileSync(`${path}.sorted`);
    assert.ok(sorted.equals(Buffer.from(numbers.sort().buffer)));
  });
});

test("merging pieces is sorting, whatever their number and length", () => {
  const random = new Random(11);
  for (const length of [1, 2, 3, 7, 64, 1000, 4097])
    for (const piece of [1, 2, 3, 5, 64, 1000, 5000]) {
      const numbers = Uint32Array.from({ length }, () => random.below(2 ** 32) & 0xff0000ff);
      const expected = numbers.slice().sort();
      const sorted = new Uint32Array(length);
      sortPieces(numbers, piece);
      mergePieces(numbers, piece, sorted);
      assert.deepEqual(sorted, expected, `${length} in pieces of ${piece}`);
    }
});
