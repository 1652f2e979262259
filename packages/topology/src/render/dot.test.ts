import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { matchesGolden } from "../testing/golden.ts";
import { everyKind, fixtures, hugeMachine, oddNames, twoSockets } from "../testing/machine-fixtures.ts";
import { assertDotReads, NO_DOT } from "../testing/render-checks.ts";
import { renderDot } from "./dot.ts";

describe("renderDot", () => {
  test("reads as it did when a person looked at it", () => {
    matchesGolden("two-sockets.dot", renderDot(twoSockets()));
  });

  test("has a node for each object, and an edge for each membership", () => {
    const machine = everyKind();
    const text = renderDot(machine);
    for (const target of machine.targets) assert.ok(text.includes(` t${target.uid} [shape=box`), target.id);
    for (const initiator of machine.initiators)
      assert.ok(text.includes(` i${initiator.uid} [shape=ellipse`), initiator.id);
    for (const bridge of machine.bridges) assert.ok(text.includes(` b${bridge.uid} [shape=diamond`));
    for (const link of machine.links) {
      assert.ok(text.includes(` l${link.uid} [`));
      for (const uid of link.targets) assert.ok(text.includes(` t${uid} -- l${link.uid} `));
      for (const uid of link.initiators) assert.ok(text.includes(` i${uid} -- l${link.uid} `));
    }
  });

  test("stays bounded, and says what is left out", () => {
    const machine = hugeMachine(1024, 4096, 500);
    const text = renderDot(machine);
    const edges = text.split("\n").filter((line) => line.includes(" -- ")).length;
    assert.ok(edges <= 20_200, `${edges} edges`);
    assert.match(text, /edges not drawn/);
  });

  test("Graphviz reads it", { skip: NO_DOT }, () => {
    for (const machine of [...Object.values(fixtures()), oddNames()]) assertDotReads(machine);
  });
});
