import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SaxesParser } from "saxes";
import type { Machine } from "../../model/machine.ts";
import { arbitraryMachine } from "../../testing/arbitrary-machine.ts";
import { assertQuick, matchesGolden } from "../../testing/golden.ts";
import {
  equalNodes,
  everyKind,
  fixtures,
  gpuPartitions,
  hugeMachine,
  mixedMachine,
  oddNames,
  twoSockets,
} from "../../testing/machine-fixtures.ts";
import { arbitraryMix } from "../../testing/mixes.ts";
import { sceneFaults } from "../../testing/scene-faults.ts";
import { KIND_COLOURS } from "../colours.ts";
import { composeScene } from "./compose.ts";
import { cut, measure } from "./font.ts";
import type { Box, Scene } from "./scene.ts";
import { renderSvg } from "./svg.ts";

function assertGood(machine: Machine): void {
  assert.deepEqual(sceneFaults(composeScene(machine)), [], machine.name);
}

/** Elements of a document by name; throws where it is not well-formed. */
function elementsOf(svg: string): Map<string, Record<string, string>[]> {
  const elements = new Map<string, Record<string, string>[]>();
  const parser = new SaxesParser({ xmlns: false });
  parser.on("opentag", ({ name, attributes }) => {
    elements.set(name, [...(elements.get(name) ?? []), attributes as Record<string, string>]);
  });
  parser.on("error", (error) => {
    throw error;
  });
  parser.write(svg).close();
  return elements;
}

const textsOf = (scene: Scene): string[] => scene.boxes.flatMap((box) => box.texts.map((text) => text.text));
const boxesLike = (scene: Scene, look: Box["look"]): Box[] => scene.boxes.filter((box) => box.look === look);

describe("the layout of a picture", () => {
  test("keeps every text in its box, boxes apart, and lines off texts", () => {
    for (const machine of Object.values(fixtures())) assertGood(machine);
  });

  test("does so for machines at random", () => {
    fc.assert(fc.property(fc.oneof(arbitraryMachine, arbitraryMix), assertGood), { numRuns: 200 });
  });

  test("the check sees faults", () => {
    const scene = composeScene(twoSockets());
    const moved = <T extends { readonly rect: { readonly x: number } }>(thing: T, dx: number): T => ({
      ...thing,
      rect: { ...thing.rect, x: thing.rect.x + dx },
    });
    const widened = scene.boxes.map((box, i) => (i === 2 ? moved(box, 90) : box));
    assert.match(
      sceneFaults({ ...scene, boxes: widened }).join("\n"),
      /sticks out of|overlap|is not in its box/,
    );
    const labels = scene.labels.map((label) => moved(label, 60));
    assert.match(sceneFaults({ ...scene, labels }).join("\n"), /is not in its label/);
    const [first] = boxesLike(scene, "memory");
    assert.ok(first !== undefined);
    const { x, w } = first.rect;
    const y = (first.texts[0]?.y ?? 0) - 3;
    const points = [
      [x, y],
      [x + w, y],
    ] as const;
    const across = { points, medium: "pcie", weight: 1, tooltip: "" } as const;
    assert.match(sceneFaults({ ...scene, wires: [across] }).join("\n"), /goes through/);
  });

  test("puts memory, cores and devices into the package that they are in", () => {
    const scene = composeScene(twoSockets());
    const [first, second] = boxesLike(scene, "frame");
    assert.ok(first !== undefined && second !== undefined);
    const inFirst = scene.boxes.filter((box) => box.parent === first.key).map((box) => box.texts[0]?.text);
    assert.deepEqual(inFirst, ["node0 · DRAM", "8 cores × 2 CPUs", "GPU card0"]);
    const gpu = scene.boxes.find((box) => box.texts[0]?.text === "GPU card0");
    const vram = scene.boxes.find((box) => box.parent === gpu?.key);
    assert.deepEqual([vram?.kind, vram?.texts[1]?.text], ["gpu", "24 GiB"]);
  });

  test("shows what a link can do and what it does now", () => {
    const texts = textsOf(composeScene(twoSockets()));
    assert.ok(texts.includes("PCIe Gen4 x16 · 31.5 GB/s"));
    assert.ok(texts.includes("now Gen1 x16"));
  });

  test("joins sockets by a line with its numbers", () => {
    const scene = composeScene(twoSockets());
    assert.deepEqual(
      scene.labels.map((label) => label.text.text),
      ["each other's memory: ~189 ns · distance 21"],
    );
    assert.equal(scene.marks.length, 4);
  });

  test("draws 64 equal nodes as 64 small boxes, 65 agents as stacks", () => {
    const nodes = composeScene(equalNodes(64, 4));
    assert.equal(boxesLike(nodes, "memory").length, 64);
    const agents = composeScene(gpuPartitions(8, 8));
    assert.equal(agents.boxes.filter((box) => box.stacked && box.look === "device").length, 8);
    assert.ok(textsOf(agents).includes("8 × GPU renderD128-135"));
    assert.ok(agents.labels.some((label) => label.text.text.includes("xGMI")));
  });

  test("shows unknown numbers as unknown", () => {
    const texts = textsOf(composeScene(everyKind()));
    assert.ok(texts.includes("size unknown"));
    assert.ok(texts.some((text) => text.includes("out of reach")));
    assert.ok(texts.every((text) => !/(?:^|\D)0 (?:GB\/s|B\/s|ns)/.test(text)));
  });

  test("stays small and quick for a huge machine", () => {
    const huge = (): Machine => hugeMachine(1024, 4096, 500);
    assertQuick(2000, huge, (machine) => {
      const svg = renderSvg(machine);
      assert.ok(svg.length < 500_000, `${svg.length} characters`);
    });
    const scene = composeScene(huge());
    assert.ok(scene.boxes.length < 400, `${scene.boxes.length} boxes`);
    assert.ok(Math.max(scene.width, scene.height) < 4000);
    assert.deepEqual(sceneFaults(scene), []);
  });

  test("stays small for many links that all differ", () => {
    const peers = Array.from({ length: 97 }, (_, i) => 20 + i);
    const devices = Array.from(
      { length: 40 },
      (_, i) => ({ near: i, type: "gpu", memory: 16 + i, bridge: i % 5 }) as const,
    );
    const machine = mixedMachine({
      nodes: 8,
      cores: 4,
      distances: [20],
      bandwidths: [],
      memories: [],
      devices,
      peers,
    });
    const scene = composeScene(machine);
    assert.ok(scene.boxes.length < 400 && scene.wires.length < 400);
    assert.deepEqual(sceneFaults(scene), []);
  });
});

describe("renderSvg", () => {
  test("draws what a person looked at", () => {
    matchesGolden("two-sockets.svg", renderSvg(twoSockets()));
  });

  test("gives the same bytes for the same machine", () => {
    assert.equal(renderSvg(everyKind()), renderSvg(everyKind()));
  });

  test("is well-formed, needs nothing from elsewhere, and runs nothing", () => {
    const check = (machine: Machine): void => {
      const svg = renderSvg(machine);
      const elements = elementsOf(svg);
      for (const name of ["script", "image", "use", "foreignObject", "a"])
        assert.equal(elements.get(name), undefined);
      assert.doesNotMatch(
        svg.replace('xmlns="http://www.w3.org/2000/svg"', ""),
        /https?:|url\(|@import|href/,
      );
      for (const attributes of [...elements.values()].flat()) {
        assert.ok(Object.keys(attributes).every((name) => !name.startsWith("on")));
      }
    };
    for (const machine of Object.values(fixtures())) check(machine);
    fc.assert(fc.property(arbitraryMachine, check), { numRuns: 100 });
  });

  test("says what it shows to those who do not see it", () => {
    const svg = renderSvg(twoSockets());
    assert.match(svg, /role="img" aria-labelledby="hms-title hms-description"/);
    assert.match(svg, /<title id="hms-title">two-sockets<\/title>/);
    assert.match(svg, /<desc id="hms-description">two-sockets: 32 CPUs, 16 cores, 2 packages/);
    assert.match(svg, /viewBox="0 0 \d+ \d+"/);
  });

  test("escapes names", () => {
    const svg = renderSvg(oddNames());
    assert.ok(svg.includes("&lt;script&gt;"));
    assert.ok(!svg.includes("<script>"));
    assert.doesNotMatch(svg.replaceAll("\n", ""), /\p{Cc}/u);
  });

  test("has the colour of each kind, and a legend of it", () => {
    const svg = renderSvg(everyKind());
    for (const [kind, { line }] of Object.entries(KIND_COLOURS)) {
      assert.ok(svg.includes(`.k-${kind}>rect`) && svg.includes(line), kind);
    }
    const scene = composeScene(everyKind());
    const shown = scene.signs.filter((sign) => sign.kind !== null).length;
    assert.equal(shown, new Set(everyKind().targets.map((target) => target.kind.kind)).size);
  });
});

describe("text widths", () => {
  test("cut text fits, and is not cut without need", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.double({ min: 20, max: 400, noNaN: true }),
        (text, width) => {
          const shown = cut(text, "title", width);
          assert.ok(measure(shown, "title") <= width);
          if (measure(text, "title") <= width) assert.equal(shown, text);
        },
      ),
    );
  });
});
