import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { IndexSet } from "./index-set.ts";

const indexes = fc.uniqueArray(fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: IndexSet.INDEX_MAX })), {
  maxLength: 60,
});

function sorted(list: readonly number[]): number[] {
  return [...list].sort((a, b) => a - b);
}

describe("a set of indexes is the set of its members", () => {
  test("in order, with its size, its ends and each member", () => {
    fc.assert(
      fc.property(indexes, fc.nat({ max: 300 }), (list, other) => {
        const set = IndexSet.of(list);
        assert.deepEqual([...set], sorted(list));
        assert.equal(set.size, list.length);
        assert.equal(set.isEmpty, list.length === 0);
        assert.equal(set.first, list.length === 0 ? -1 : Math.min(...list));
        assert.equal(set.last, list.length === 0 ? -1 : Math.max(...list));
        assert.equal(set.has(other), list.includes(other));
        for (const index of list) assert.ok(set.has(index));
      }),
    );
  });

  test("and, or, without, and the comparisons are those of sets", () => {
    fc.assert(
      fc.property(indexes, indexes, (a, b) => {
        const [left, right] = [IndexSet.of(a), IndexSet.of(b)];
        const [as, bs] = [new Set(a), new Set(b)];
        assert.deepEqual([...left.or(right)], sorted([...as.union(bs)]));
        assert.deepEqual([...left.and(right)], sorted([...as.intersection(bs)]));
        assert.deepEqual([...left.andNot(right)], sorted([...as.difference(bs)]));
        assert.equal(left.intersects(right), !as.isDisjointFrom(bs));
        assert.equal(left.includes(right), bs.isSubsetOf(as));
        assert.equal(left.equals(right), as.symmetricDifference(bs).size === 0);
        assert.ok(left.or(right).equals(right.or(left)));
        assert.ok(left.and(right).equals(right.and(left)));
      }),
    );
  });

  test("operations leave what they work on as it is", () => {
    fc.assert(
      fc.property(indexes, indexes, (a, b) => {
        const [left, right] = [IndexSet.of(a), IndexSet.of(b)];
        left.or(right);
        left.and(right);
        left.andNot(right);
        assert.deepEqual([[...left], [...right]], [sorted(a), sorted(b)]);
      }),
    );
  });

  test("what is no index is in no set", () => {
    const set = IndexSet.of([0, 31, IndexSet.INDEX_MAX]);
    for (const odd of [
      -1,
      IndexSet.INDEX_MAX + 1,
      2 ** 32,
      2 ** 32 + 31,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ])
      assert.equal(set.has(odd), false, `${odd}`);
  });
});

describe("the kernel's forms", () => {
  test("a list read back is the same set", () => {
    fc.assert(
      fc.property(indexes, (list) => {
        const set = IndexSet.of(list);
        assert.ok(IndexSet.parseList(set.toList()).equals(set));
        assert.ok(IndexSet.parseList(`${set.toList()}\n`).equals(set));
        assert.equal(JSON.stringify({ set }), JSON.stringify({ set: set.toList() }));
      }),
    );
  });

  test("a mask read back is the same set, in hwloc's form and in the kernel's", () => {
    fc.assert(
      fc.property(indexes, fc.nat({ max: 200 }), (list, leading) => {
        const set = IndexSet.of(list);
        assert.ok(IndexSet.tryParseMask(set.toMask())?.equals(set));
        const words = set
          .toMask()
          .split(",")
          .map((word) => word.replace("0x", "").padStart(8, "0"));
        const room = Math.min(leading, 2048 - words.length);
        const kernel = [...Array.from({ length: room }, () => "00000000"), ...words].join(",");
        assert.ok(IndexSet.tryParseMask(`${kernel}\n`)?.equals(set));
      }),
    );
  });

  test("lists as sysfs prints them", () => {
    const read = (text: string): string | undefined => IndexSet.tryParseList(text)?.toList();
    assert.equal(read("0-3,8\n"), "0-3,8");
    assert.equal(read(""), "");
    assert.equal(read(" \n"), "");
    assert.equal(read("5"), "5");
    assert.equal(read("1,0,2-2"), "0-2");
    assert.equal(read("0-65535"), "0-65535");
  });

  test("what is no list is none, and takes no time or memory", () => {
    const odd = [
      "a",
      "-1",
      "0-",
      "3-1",
      "0,,1",
      "0-3;8",
      "1.5",
      "0x3",
      "65536",
      "0-99999999999",
      "1e3",
      "\0",
      "0-1\uFFFD",
    ];
    for (const text of odd) assert.equal(IndexSet.tryParseList(text), undefined, JSON.stringify(text));
    const started = performance.now();
    assert.equal(IndexSet.tryParseList("0-65535,".repeat(100_000)), undefined);
    const large = `${"0-65535,".repeat(30_000)}0`;
    assert.equal(IndexSet.tryParseList(large)?.size, 65_536);
    assert.ok(performance.now() - started < 5000);
    assert.throws(() => IndexSet.parseList("x"), SyntaxError);
  });

  test("masks as sysfs and hwloc print them", () => {
    const read = (text: string): string | undefined => IndexSet.tryParseMask(text)?.toList();
    assert.equal(read("ff,00000003\n"), "0-1,32-39");
    assert.equal(read("0x000000ff,,0x3"), "0-1,64-71");
    assert.equal(read("0x0"), "");
    assert.equal(read("0"), "");
    assert.equal(read("00000000,00000000"), "");
    assert.equal(read("1"), "0");
    assert.equal(IndexSet.of([0, 64]).toMask(), "0x00000001,,0x00000001");
    assert.equal(IndexSet.of([32]).toMask(), "0x00000001,0x0");
    assert.equal(IndexSet.EMPTY.toMask(), "0x0");
  });

  test("what is no mask is none", () => {
    const odd = ["", "\n", "g", "123456789", "-1", "0x", "1 2", "0x1,0y2", "1,\0", `${"1,".repeat(3000)}1`];
    for (const text of odd)
      assert.equal(IndexSet.tryParseMask(text), undefined, JSON.stringify(text.slice(0, 40)));
  });
});

describe("made by a program", () => {
  test("a range is what lies between its ends", () => {
    fc.assert(
      fc.property(fc.nat({ max: 3000 }), fc.nat({ max: 3000 }), (first, last) => {
        const expected = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
        assert.deepEqual([...IndexSet.range(first, last)], expected);
      }),
    );
  });

  test("a wrong index is a RangeError, however many are asked for", () => {
    for (const wrong of [-1, 1.5, IndexSet.INDEX_MAX + 1, Number.NaN])
      assert.throws(() => IndexSet.of([1, wrong]), RangeError, `${wrong}`);
    assert.throws(() => IndexSet.range(0, 1e12), RangeError);
    assert.throws(() => IndexSet.range(-3, 2), RangeError);
    assert.equal(IndexSet.range(4, 3), IndexSet.EMPTY);
  });
});
