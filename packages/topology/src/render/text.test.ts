import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { arbitraryMachine } from "../testing/arbitrary-machine.ts";
import { assertQuick, matchesGolden } from "../testing/golden.ts";
import {
  equalNodes,
  everyKind,
  fixtures,
  gpuPartitions,
  hugeMachine,
  nothing,
  oddNames,
  twoSockets,
} from "../testing/machine-fixtures.ts";
import { arbitraryMix } from "../testing/mixes.ts";
import { assertTextFits, textLines, WIDTHS } from "../testing/render-checks.ts";
import { renderText } from "./text.ts";

describe("renderText", () => {
  test("reads as it did when a person looked at it", () => {
    matchesGolden("two-sockets.80.txt", renderText(twoSockets(), { colour: false, width: 80 }));
    matchesGolden("two-sockets.colour.txt", renderText(twoSockets(), { colour: true, width: 80 }));
    matchesGolden("every-kind.120.txt", renderText(everyKind(), { colour: false, width: 120 }));
    matchesGolden("gpu-partitions.100.txt", renderText(gpuPartitions(8, 8), { colour: false, width: 100 }));
    matchesGolden("64-nodes.80.txt", renderText(equalNodes(64, 4), { colour: false, width: 80 }));
  });

  test("fits any terminal", () => {
    for (const machine of Object.values(fixtures()))
      for (const width of WIDTHS) assertTextFits(machine, width);
  });

  test("fits any terminal for machines at random", () => {
    fc.assert(
      fc.property(fc.oneof(arbitraryMachine, arbitraryMix), fc.constantFrom(...WIDTHS), assertTextFits),
      {
        numRuns: 200,
      },
    );
  });

  test("colours change nothing but the colour", () => {
    for (const machine of Object.values(fixtures())) {
      const coloured = renderText(machine, { colour: true, width: 100 });
      assert.equal(stripVTControlCharacters(coloured), renderText(machine, { colour: false, width: 100 }));
    }
  });

  test("puts equal things in one line", () => {
    const text = textLines(equalNodes(64, 4));
    assert.equal(text.filter((line) => line.includes("■ DRAM")).length, 1);
    assert.ok(text.some((line) => /■ DRAM +64 × node0-63 .* 4 CPUs /.test(line)));
    assert.ok(text.some((line) => /CPU +64 × node0-63 +4 CPUs each/.test(line)));
    assert.ok(text.length < 30, `${text.length} lines`);
    assert.ok(textLines(gpuPartitions(8, 8), 100).some((line) => /GPU +64 × renderD128-191/.test(line)));
  });

  test("tells memories apart that are not equal", () => {
    const text = textLines(everyKind(), 120);
    for (const id of ["node0", "node1", "node2", "node3", "dax0.0", "far0"]) {
      assert.equal(text.filter((line) => line.includes(`■`) && line.includes(` ${id} `)).length, 1, id);
    }
    assert.ok(text.some((line) => line.includes("cached by") && line.includes("4 GiB")));
    assert.ok(text.some((line) => /dax0\.0 .*out of reach/.test(line)));
    assert.ok(
      text.some((line) => /node5 +\?/.test(line)),
      "an unknown size is ?",
    );
    assert.ok(text.some((line) => /node4 +empty/.test(line)));
    assert.ok(text.some((line) => line.includes("30/28 GB/s") && line.includes("250/300 ns")));
  });

  test("says how each kind was concluded, and counts warnings", () => {
    const text = textLines(everyKind());
    assert.ok(text.some((line) => line.includes("HBM node1: made up as hbm by a test")));
    assert.ok(text.some((line) => line.includes("7 warnings")));
    assert.ok(text.includes("WARNINGS (7)"));
    assert.ok(text.includes("  and 2 more"));
  });

  test("says what cannot reach what", () => {
    const text = textLines(twoSockets());
    assert.ok(text.includes("  2 × CPU (node0-1) cannot reach GPU memory 0000:3b:00.0/vram"));
  });

  test("shows the most that a link can do, and what it does now", () => {
    const text = textLines(twoSockets(), 132);
    assert.ok(text.some((line) => /card0 .*PCIe Gen4 x16 +31\.5 GB\/s +now Gen1 x16/.test(line)));
    assert.ok(!text.some((line) => /eth0 .*now Gen/.test(line)), "a link at full speed says nothing");
  });

  test("lets no command to the terminal through", () => {
    const text = renderText(oddNames(), { colour: false, width: 80 });
    assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}/u);
    assert.ok(text.isWellFormed());
  });

  test("says little of a machine of which nothing is known", () => {
    assert.equal(textLines(nothing()).filter((line) => line !== "").length, 1);
  });

  test("is short and quick for a huge machine", () => {
    assertQuick(
      2000,
      () => hugeMachine(1024, 4096, 500),
      (machine) => {
        const text = textLines(machine, 100);
        assert.ok(text.length < 80, `${text.length} lines`);
      },
    );
  });
});
