// Every rendering of machines that were not made for these tests: what ships, and captures of real machines.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Machine } from "../model/machine.ts";
import {
  assertDotReads,
  assertMatrixFits,
  assertTextFits,
  NO_DOT,
  WIDTHS,
} from "../testing/render-checks.ts";
import { sceneFaults } from "../testing/scene-faults.ts";
import { capturedMachines, NO_CAPTURES, shippedMachines } from "../testing/shipped-and-captured.ts";
import { composeScene } from "./picture/compose.ts";
import { renderSvg } from "./picture/svg.ts";

function check(machine: Machine): void {
  for (const width of WIDTHS) {
    assertTextFits(machine, width);
    assertMatrixFits(machine, width);
  }
  assert.deepEqual(sceneFaults(composeScene(machine)), [], machine.name);
  assert.equal(renderSvg(machine), renderSvg(machine), `${machine.name}: not the same twice`);
  if (NO_DOT === false) assertDotReads(machine);
}

describe("text, matrix, picture and graph", () => {
  test("of the machines that ship", async () => {
    let machines = 0;
    for await (const machine of shippedMachines()) {
      check(machine);
      machines++;
    }
    assert.ok(machines >= 6, `${machines} machines ship`);
  });

  test("of captures of real machines", { skip: NO_CAPTURES }, async () => {
    let machines = 0;
    for await (const machine of capturedMachines()) {
      check(machine);
      machines++;
    }
    assert.ok(machines > 0, "no capture was found");
  });
});
