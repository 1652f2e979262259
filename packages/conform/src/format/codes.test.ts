import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCode, printCode } from "./codes.ts";

test("codes have the values of the kernel's driver, in any order of their names", () => {
  assert.equal(parseCode("ERROR"), 0xff);
  assert.equal(parseCode("NONE"), 0);
  assert.equal(parseCode("READ|ZERO"), 0x11);
  assert.equal(parseCode("ZERO|READ"), 0x11);
  assert.equal(parseCode("WRITE|PMD"), 0x06);
  assert.equal(parseCode("READ | PUD"), 0x09);
  assert.equal(parseCode("DEV_PRIVATE_LOCAL|WRITE"), 0x22);
  assert.equal(parseCode("COHERENT_LOCAL|WRITE"), 0x42);
  assert.equal(parseCode("DEV_COHERENT_REMOTE|WRITE"), 0x52);
});

test("names that exclude each other and unknown names are told apart", () => {
  for (const text of [
    "READ|WRITE",
    "ERROR|READ",
    "NONE|WRITE",
    "PMD|PUD",
    "ZERO|DEV_PRIVATE_LOCAL",
    "READ|READ",
  ]) {
    assert.deepEqual(parseCode(text), { clash: text });
  }
  assert.deepEqual(parseCode("WRITE|HUGE"), { unknown: "HUGE" });
});

test("every byte prints as something that reads as the same byte, or as a number", () => {
  for (let code = 0; code < 256; code++) {
    const text = printCode(code);
    const read = parseCode(text);
    if (typeof read === "number") assert.equal(read, code, text);
    else assert.ok(/^0x/.test(text) || /READ\|WRITE|PMD\|PUD/.test(text), `${code}: ${text}`);
  }
});
