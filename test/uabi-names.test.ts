// The interface has numbers and names of its own for what the core speaks of; the two must not drift apart.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CAUSE, LOSS, PAGE_BYTES } from "@hms/hmm";
import { CORE } from "@hms/uabi";

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function numbersOf(type: { readonly values: Readonly<Record<string, { readonly value: number }>> }): object {
  return Object.fromEntries(Object.entries(type.values).map(([name, { value }]) => [name, value]));
}

test("causes are those of the core", () => {
  const core = Object.fromEntries(Object.entries(CAUSE).map(([name, value]) => [kebab(name), value]));
  assert.deepEqual(numbersOf(CORE.types.cause), core);
});

test("reasons are those of the core", () => {
  const core = Object.fromEntries(Object.entries(LOSS).map(([name, value]) => [kebab(name), value]));
  assert.deepEqual(numbersOf(CORE.types.reason), core);
});

test("a page is what the documentation says", () => {
  assert.ok(CORE.types.range.fields.first.doc.includes(`divided by ${PAGE_BYTES}`));
});
