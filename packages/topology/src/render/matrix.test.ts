import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import type { Machine } from "../model/machine.ts";
import { matrix } from "../query/matrix.ts";
import { arbitraryMachine } from "../testing/arbitrary-machine.ts";
import { assertQuick, matchesGolden } from "../testing/golden.ts";
import {
  equalNodes,
  everyKind,
  fixtures,
  gpuPartitions,
  hugeMachine,
  mixedMachine,
  nothing,
  twoSockets,
} from "../testing/machine-fixtures.ts";
import { arbitraryMix } from "../testing/mixes.ts";
import { assertMatrixFits, matrixLines, WIDTHS } from "../testing/render-checks.ts";
import { blockContent, cellTable, fineBlocks } from "./cells.ts";
import { renderMatrix } from "./matrix.ts";
import { Survey } from "./survey.ts";

/** A machine whose nodes are all at different distances from each other. */
const irregular = (nodes: number): Machine =>
  mixedMachine({
    nodes,
    cores: 1,
    distances: [20, 32, 20, 25, 32, 40, 17],
    bandwidths: [],
    memories: [],
    devices: [],
    peers: [],
  });

describe("renderMatrix", () => {
  test("reads as it did when a person looked at it", () => {
    const text = (machine: Machine, by: "bandwidth" | "latency", colour = false): string =>
      renderMatrix(machine, { by, colour, width: 80 });
    matchesGolden("two-sockets.bandwidth.txt", text(twoSockets(), "bandwidth"));
    matchesGolden("two-sockets.latency.txt", text(twoSockets(), "latency"));
    matchesGolden("two-sockets.heat.txt", text(twoSockets(), "bandwidth", true));
    matchesGolden("gpu-partitions.bandwidth.txt", text(gpuPartitions(8, 8), "bandwidth"));
    matchesGolden("64-nodes.bandwidth.txt", text(equalNodes(64, 4), "bandwidth"));
    matchesGolden("irregular.latency.txt", text(irregular(40), "latency"));
  });

  test("fits any terminal, whatever the machine", () => {
    for (const machine of Object.values(fixtures()))
      for (const width of WIDTHS) assertMatrixFits(machine, width);
    fc.assert(
      fc.property(fc.oneof(arbitraryMachine, arbitraryMix), fc.constantFrom(...WIDTHS), assertMatrixFits),
      {
        numRuns: 150,
      },
    );
  });

  test("colours change nothing but the colour", () => {
    for (const machine of [...Object.values(fixtures()), irregular(40)]) {
      const coloured = renderMatrix(machine, { by: "latency", colour: true, width: 100 });
      const plain = renderMatrix(machine, { by: "latency", colour: false, width: 100 });
      assert.equal(stripVTControlCharacters(coloured), plain);
    }
  });

  test("tells out of reach from unknown", () => {
    const text = matrixLines(everyKind());
    const row = text.find((line) => line.startsWith("generic node6")) ?? "";
    assert.match(row, /\?.*·/);
    assert.ok(text.some((line) => line.includes("? unknown") && line.includes("· out of reach")));
  });

  test("keeps 65 by 65 readable", () => {
    const text = matrixLines(gpuPartitions(8, 8), 100);
    assert.ok(text.length < 40);
    assert.ok(text.some((line) => line.includes("GPU 8 × renderD128-135") && line.includes("1200/819")));
  });

  test("shows distances where no number of the metric is known", () => {
    const text = matrixLines(equalNodes(64, 4));
    assert.match(text[1] ?? "", /^No bandwidth is known\. Relative distance instead/);
    assert.ok(text.some((line) => /CPU 4 × node0-3 +10\/22 +34/.test(line)));
  });

  test("uses a letter a cell where rows are all different", () => {
    const text = matrixLines(irregular(60), 80, "latency");
    assert.ok(text.some((line) => /^CPU node7 +[a-z]{60}$/.test(line)));
    assert.ok(text.some((line) => line.startsWith("a 10 · b 17")));
  });

  test("tells a machine with too many different rows by class and kind", () => {
    const text = matrixLines(irregular(150), 80, "latency");
    assert.ok(text.length < 20);
    assert.ok(text.some((line) => /CPU 150 × node0-149 +10\/17–40/.test(line)));
  });

  test("says so when there is no pair", () => {
    assert.match(matrixLines(nothing())[1] ?? "", /nothing that reads or writes memory/);
  });

  test("is quick for a huge machine", () => {
    for (const by of ["bandwidth", "latency"] as const) {
      assertQuick(
        2000,
        () => hugeMachine(1024, 4096, 500),
        (machine) => {
          const text = matrixLines(machine, 100, by);
          assert.ok(text.length < 60, `${text.length} lines`);
        },
      );
    }
  });
});

describe("fineBlocks", () => {
  test("puts together only what holds the same", () => {
    const check = (machine: Machine): void => {
      const survey = new Survey(machine);
      const table = cellTable(survey, "bandwidth");
      const blocks = fineBlocks(survey, table);
      if (blocks === undefined) return;
      const paths = matrix(machine, "bandwidth");
      for (const row of blocks.rows) {
        for (const column of blocks.columns) {
          const { own, others } = blockContent(blocks, row, column);
          assert.ok(own.length <= 1, "own memories of a row that differ");
          // A row of one reaches a column of several alike: what is not its own is all the same.
          if (row.places.length === 1) assert.ok(others.length <= 1);
          const reached = row.places.some((i) => column.places.some((t) => paths.at(i, t) !== null));
          assert.equal(
            [...own, ...others].some((content) => content.text !== "·"),
            reached,
          );
        }
      }
      const rows = blocks.rows.flatMap((row) => row.places).sort((a, b) => a - b);
      assert.deepEqual(rows, [...machine.initiators.keys()]);
      const columns = blocks.columns.flatMap((column) => column.places).sort((a, b) => a - b);
      assert.deepEqual(columns, [...machine.targets.keys()]);
    };
    for (const machine of Object.values(fixtures())) check(machine);
    fc.assert(fc.property(arbitraryMix, check), { numRuns: 60 });
  });
});
