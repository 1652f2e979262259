import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import fc from "fast-check";
import { PAGE_LIMIT } from "../units.ts";
import { POLICIES_MAX, type PolicyRange, PolicyStore } from "./policy-store.ts";

/** Enough for a few dozen leaves when every other page has its own range. */
const PAGES = 6000;
const NAMES = ["a", "b", "c"] as const;

/** What the store must be like: a policy, or none, for every page. */
class Plain {
  pages: (string | null)[] = new Array<string | null>(PAGES).fill(null);

  set(first: number, count: number, policy: string | null): void {
    this.pages.fill(policy, first, first + count);
  }

  move(first: number, count: number, to: number, toCount: number): void {
    const kept = this.pages.slice(first, first + Math.min(count, toCount));
    while (kept.length < toCount) kept.push(kept.at(-1) ?? null);
    this.set(first, count, null);
    kept.forEach((policy, i) => {
      this.pages[to + i] = policy;
    });
  }

  ranges(first = 0, end = PAGES): PolicyRange<string>[] {
    const found: PolicyRange<string>[] = [];
    for (let page = first; page < end; ) {
      const policy = this.pages[page] ?? null;
      let next = page + 1;
      while (next < end && this.pages[next] === policy) next++;
      if (policy !== null) found.push({ first: page, count: next - page, policy });
      page = next;
    }
    return found;
  }
}

const range = fc
  .tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: PAGES }))
  .map(([first, count]) => ({ first, count: Math.min(count, PAGES - first) }));
const middling = fc
  .tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: 900 }))
  .map(([first, count]) => ({ first, count: Math.min(count, PAGES - first) }));
const short = fc
  .tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: 3 }))
  .map(([first, count]) => ({ first, count: Math.min(count, PAGES - first) }));
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("set"), range: short, policy: fc.constantFrom(...NAMES) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("set"), range: middling, policy: fc.constantFrom(...NAMES) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete"), range: fc.oneof(short, middling) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("move"), range: middling, to: middling }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fork"), range }) },
);
type Step = {
  do: string;
  range: { first: number; count: number };
  policy?: string;
  to?: { first: number; count: number };
};

test("a store is like a policy for every page", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps: Step[]) => {
      let store = new PolicyStore<string>();
      const plain = new Plain();
      for (let page = 0; page < PAGES; page += 2) {
        store.set({ first: page, count: 1 }, NAMES[page % 3] ?? "a");
        plain.set(page, 1, NAMES[page % 3] ?? "a");
      }
      for (const { do: what, range: at, policy = "a", to } of steps) {
        if (what === "set") {
          store.set(at, policy);
          plain.set(at.first, at.count, policy);
        } else if (what === "delete") {
          store.delete(at);
          plain.set(at.first, at.count, null);
        } else if (what === "move" && to !== undefined) {
          store.move(at, to.first, to.count);
          plain.move(at.first, at.count, to.first, to.count);
        } else {
          const child = store.fork();
          store.set(at, "gone");
          store = child;
        }
        assert.equal(store.own(at.first), plain.pages[at.first]);
      }
      assert.deepEqual([...store.ranges()], plain.ranges());
      assert.equal(store.size, plain.ranges().length);
      for (let page = 0; page < PAGES; page += 7) assert.equal(store.own(page), plain.pages[page]);
      const [within] = fc.sample(range, { numRuns: 1, seed: steps.length });
      assert.deepEqual(
        [...store.ranges(within)],
        plain.ranges(within?.first, (within?.first ?? 0) + (within?.count ?? 0)),
      );
    }),
    { numRuns: 150 },
  );
});

test("many ranges: split, replaced, taken away in the middle, in any order", () => {
  // Enough for hundreds of leaves; a step that has no common factor with the length visits every page once.
  const count = 60_000;
  const store = new PolicyStore<string>();
  for (let i = 0; i < count; i++) {
    const page = (i * 7919) % count;
    store.set({ first: page * 2, count: 1 }, NAMES[page % 3] ?? "a");
  }
  assert.equal(store.size, count);
  for (let page = 0; page < count; page++) {
    assert.equal(store.own(page * 2), NAMES[page % 3]);
    assert.equal(store.own(page * 2 + 1), null);
  }
  store.delete({ first: 1000, count: 100_000 });
  assert.equal(store.size, count - 50_000);
  assert.equal(store.own(999), null);
  assert.equal(store.own(998), NAMES[499 % 3]);
  assert.equal(store.own(101_000), NAMES[50_500 % 3]);
  store.set({ first: 0, count: PAGE_LIMIT }, "b");
  assert.equal(store.size, 1);
  assert.deepEqual([...store.ranges()], [{ first: 0, count: PAGE_LIMIT, policy: "b" }]);
  // Few ranges take little again, and work as before.
  assert.ok(store.bytes < 100_000, `${store.bytes} bytes for one range`);
  store.delete({ first: 0, count: PAGE_LIMIT });
  assert.equal(store.size, 0);
  store.set({ first: 7, count: 2 }, "c");
  assert.deepEqual([...store.ranges()], [{ first: 7, count: 2, policy: "c" }]);
});

test("ranges that come and go take no more memory than those that are there", () => {
  const store = new PolicyStore<string>();
  const rounds = 40;
  let most = 0;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 5000; i++) store.set({ first: round * 10_000 + i * 2, count: 1 }, "a");
    if (round >= 1) store.delete({ first: (round - 1) * 10_000, count: 10_000 });
    if (round === 3) most = store.bytes;
  }
  assert.equal(store.size, 5000);
  assert.ok(store.bytes <= most, `${store.bytes} bytes after ${rounds} rounds, ${most} after 4`);
});

test("the default is for what has no policy of its own, whenever it is set", () => {
  const store = new PolicyStore<string>();
  store.set({ first: 10, count: 10 }, "own");
  assert.equal(store.at(5), null);
  store.default = "later";
  assert.equal(store.at(5), "later");
  assert.equal(store.at(10), "own");
  assert.equal(store.own(5), null);
  assert.equal(store.fork().at(5), "later");
});

test("a store that is full refuses what would be one range more, and changes nothing", () => {
  const store = new PolicyStore<string>(null, 4);
  for (let i = 0; i < 4; i++) store.set({ first: i * 10, count: 4 }, "a");
  const before = [...store.ranges()];
  const refused = (act: () => void): void => {
    assert.throws(
      act,
      (error) => HmsError.is(error) && error.code === "POLICY_RANGES_FULL" && error.errno === "ENOSPC",
    );
    assert.deepEqual([...store.ranges()], before);
  };
  refused(() => store.set({ first: 100, count: 1 }, "a"));
  refused(() => store.set({ first: 1, count: 1 }, "b"));
  refused(() => store.delete({ first: 1, count: 1 }));
  refused(() => store.move({ first: 1, count: 1 }, 500));
  // These make no range more.
  store.set({ first: 1, count: 1 }, "a");
  store.set({ first: 10, count: 4 }, "b");
  store.set({ first: 4, count: 2 }, "a");
  store.set({ first: 0, count: 14 }, "a");
  assert.equal(store.size, 3);
  store.set({ first: 0, count: 1 }, "b");
  assert.equal(store.size, 4);
});

test("policies that no range has any more make room for new ones", () => {
  const store = new PolicyStore<{ readonly number: number }>();
  for (let number = 0; number < 3 * POLICIES_MAX; number++)
    store.set({ first: number % 100, count: 1 }, { number });
  assert.equal(store.own(0)?.number, 3 * POLICIES_MAX - 8 - ((3 * POLICIES_MAX - 8) % 100));
  const all = new PolicyStore<{ readonly number: number }>();
  for (let number = 1; number < POLICIES_MAX; number++) all.set({ first: number * 2, count: 1 }, { number });
  assert.throws(
    () => all.set({ first: 1, count: 1 }, { number: 0 }),
    (error) => HmsError.is(error) && error.code === "POLICIES_FULL",
  );
  assert.equal(all.own(1), null);
  assert.equal(all.own(2)?.number, 1);
});

test("what is no range is refused", () => {
  const store = new PolicyStore<string>();
  for (const [first, count] of [
    [-1, 1],
    [0, 0],
    [0, -5],
    [0.5, 1],
    [Number.NaN, 1],
    [0, Number.POSITIVE_INFINITY],
    [PAGE_LIMIT, 1],
    [PAGE_LIMIT - 1, 2],
  ] as const) {
    for (const act of [
      () => store.set({ first, count }, "a"),
      () => store.delete({ first, count }),
      () => store.move({ first, count }, 0),
      () => store.move({ first: 0, count: 1 }, first, count),
    ]) {
      assert.throws(
        act,
        (error) => HmsError.is(error) && error.code === "RANGE_INVALID" && error.errno === "EINVAL",
      );
    }
  }
  assert.equal(store.size, 0);
});
