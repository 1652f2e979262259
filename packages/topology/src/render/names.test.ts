import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { IndexSet } from "../model/index-set.ts";
import { HEAT, heatStep } from "./colours.ts";
import { alike, cpuRange, nameRange, rangeText } from "./names.ts";
import { fit, table, textWidth } from "./table.ts";
import { clean, pciCurrentText, pciText, readWrite } from "./words.ts";
import { wrapText } from "./wrap.ts";

const plain = (text: string): string => text;

describe("nameRange", () => {
  const cases: readonly (readonly [names: string[], text: string])[] = [
    [[], ""],
    [["node0"], "node0"],
    [["node0", "node1", "node2", "node8"], "node0-2,8"],
    [["mlx5_0", "mlx5_1"], "mlx5_0-1"],
    [["eth0", "card1"], "eth0, card1"],
    [["0000:01:00.0/vram", "0000:c1:00.0/vram", "0000:e1:00.0/vram"], "0000:*1:00.0/vram"],
    [["a", "b", "c"], "a … c"],
    [["node01", "node02"], "node01, node02"],
    [["gpu0/mem1", "gpu1/mem2"], "gpu0/mem1, gpu1/mem2"],
  ];
  for (const [names, text] of cases) {
    test(`${names.join(", ") || "nothing"} is ${text || "nothing"}`, () =>
      assert.equal(nameRange(names), text));
  }

  test("is never long, however many there are", () => {
    const names = Array.from({ length: 1000 }, (_, i) => `node${(i * 7) % 4099}`);
    assert.ok(nameRange(names).length < 30);
  });
});

describe("what is written of numbers", () => {
  test("one unit for two numbers where they share it", () => {
    const format = (value: number | null): string => `${value} GB/s`;
    assert.equal(readWrite(100, 90, format), "100/90 GB/s");
    assert.equal(readWrite(100, 100, format), "100 GB/s");
    assert.equal(readWrite(null, 90, format), "?/90 GB/s");
    assert.equal(readWrite(100, null, format), "100/? GB/s");
    assert.equal(readWrite(null, null, format), "?");
  });

  test("ranges", () => {
    const format = (value: number | null): string => (value === null ? "?" : `${value} GiB`);
    assert.equal(rangeText([1, 3, 2], format), "1–3 GiB");
    assert.equal(rangeText([2, 2], format), "2 GiB");
    assert.equal(rangeText([2, null], format), "2 GiB or ?");
    assert.equal(rangeText([null], format), "?");
    assert.equal(cpuRange(IndexSet.range(0, 15)), "CPUs 0-15");
    assert.equal(cpuRange(IndexSet.of([5])), "CPU 5");
    assert.equal(cpuRange(IndexSet.of(Array.from({ length: 40 }, (_, i) => i * 2))), "CPUs 0…78");
  });

  test("PCI Express links", () => {
    const link = { speedMax: 32, widthMax: 16, speedCurrent: 2.5, widthCurrent: 16 };
    assert.equal(pciText(link), "Gen5 x16");
    assert.equal(pciCurrentText(link), "Gen1 x16");
    assert.equal(pciCurrentText({ ...link, speedCurrent: 32 }), "");
    assert.equal(pciCurrentText({ ...link, speedCurrent: 32, widthCurrent: 8 }), "Gen5 x8");
    assert.equal(pciText({ speedMax: null, widthMax: null, speedCurrent: null, widthCurrent: null }), "");
    assert.equal(pciText({ ...link, speedMax: 7 }), "7 GT/s x16");
  });
});

describe("text for a terminal", () => {
  test("clean text has no control characters and a bound", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const shown = clean(text);
        assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}]/u);
        assert.ok([...shown].length <= 60);
        assert.ok(shown.isWellFormed());
      }),
    );
    assert.equal(clean("a\u001b[31mb\u202ec"), "a [31mb c");
  });

  test("fit never takes more than the width", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat({ max: 30 }), (text, width) => {
        assert.ok(textWidth(fit(text, width)) <= width);
      }),
    );
    assert.equal(fit("内存设备", 5), "内存…");
  });

  test("a table is never wider than it may be", () => {
    const cell = fc.string({ unit: "grapheme-ascii", maxLength: 30 }).map((text) => ({ text }));
    const rows = fc.array(fc.tuple(cell, cell, cell, cell), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 30, max: 100 }), (lines, width) => {
        const columns = [
          { title: "one", align: "left", shrinkTo: 8 },
          { title: "two", align: "right" },
          { title: "three", align: "left", drop: 1 },
          { title: "", align: "left", shrinkTo: 4 },
        ] as const;
        for (const line of table(columns, lines, width, plain)) assert.ok(textWidth(line) <= width, line);
      }),
    );
  });

  test("a table leaves out empty columns, then those that may go", () => {
    const columns = [
      { title: "name", align: "left" },
      { title: "empty", align: "left" },
      { title: "extra", align: "right", drop: 1 },
    ] as const;
    const rows = [[{ text: "a" }, { text: "" }, { text: "12345" }]];
    assert.deepEqual(table(columns, rows, 40, plain), ["name  extra", "a     12345"]);
    assert.deepEqual(table(columns, rows, 8, plain), ["name", "a"]);
  });

  test("sentences wrap at words, and end in … when there is more", () => {
    assert.deepEqual(wrapText("one two three four", 9, 3), ["one two", "  three", "  four"]);
    assert.deepEqual(wrapText("one two three four five", 9, 2), ["one two", "  three…"]);
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme-ascii", maxLength: 200 }),
        fc.integer({ min: 10, max: 40 }),
        (text, width) => {
          const lines = wrapText(text, width, 3);
          assert.ok(lines.length <= 3 && lines.every((line) => textWidth(line) <= width));
        },
      ),
    );
  });
});

test("alike things are together, in the order of the first", () => {
  const groups = alike([3, 1, 4, 1, 5, 9, 2, 6], (n) => (n % 2 === 0 ? "even" : "odd"));
  assert.deepEqual(
    groups.map(({ key, first, all }) => [key, first, all]),
    [
      ["odd", 3, [3, 1, 1, 5, 9]],
      ["even", 4, [4, 2, 6]],
    ],
  );
});

test("the heat scale goes from the best to the worst", () => {
  assert.equal(heatStep(5000, 5000, 2), 0);
  assert.equal(heatStep(2, 5000, 2), HEAT.length - 1);
  assert.equal(heatStep(7, 7, 7), 0);
  fc.assert(
    fc.property(fc.double({ min: 1, max: 1e6, noNaN: true }), (value) => {
      const step = heatStep(value, 1, 1e6);
      assert.ok(Number.isInteger(step) && step >= 0 && step < HEAT.length);
    }),
  );
});
