import assert from "node:assert/strict";
import { test } from "node:test";
import { HUGE_PAGES } from "@hms/hmm";
import { Slots } from "./slots.ts";

test("a huge page never waits where small ones did, also when all of those have left", () => {
  using slots = new Slots(16 * HUGE_PAGES);
  const small = slots.take(16);
  slots.give(small, 16);
  const huge = slots.take(HUGE_PAGES);
  assert.notEqual(Math.floor(huge / HUGE_PAGES), Math.floor(small / HUGE_PAGES));
  assert.equal(huge % HUGE_PAGES, 0);
  slots.give(huge, HUGE_PAGES);
  // And the other way round: its block stays free of small ones, as long as there are others.
  const next = slots.take(300);
  const more = slots.take(300);
  for (const slot of [next, more])
    assert.notEqual(Math.floor(slot / HUGE_PAGES), Math.floor(huge / HUGE_PAGES));
  assert.equal(slots.take(HUGE_PAGES), huge);
});

test("where there is no other block a huge page takes the open one, and nobody else gets any of it", () => {
  using slots = new Slots(HUGE_PAGES);
  const small = slots.take(16);
  slots.give(small, 16);
  const huge = slots.take(HUGE_PAGES);
  assert.equal(huge, small);
  assert.equal(slots.take(16), -1);
  slots.give(huge, HUGE_PAGES);
  assert.equal(slots.take(16), huge);
});
