import assert from "node:assert/strict";
import { test } from "node:test";
import type { Warning } from "../model/facts.ts";
import { emptyFacts } from "../model/facts-draft.ts";
import { type MemoryEntry, MemoryTree } from "../tree/memory.ts";
import { BYTES_RANGE, ID_RANGE, numbered, readInteger, readLine, readList, readMask } from "./attribute.ts";
import type { Discovery } from "./source.ts";

function discoveryOf(
  files: Readonly<Record<string, MemoryEntry>>,
): Discovery & { readonly warnings: Warning[] } {
  const warnings: Warning[] = [];
  return {
    tree: new MemoryTree(files),
    facts: emptyFacts(),
    warnings,
    warn: (path, message) => {
      warnings.push({ path, message });
    },
  };
}

test("what is absent or blank is not known, and nothing to warn of", () => {
  const discovery = discoveryOf({ blank: " \n", empty: "" });
  for (const path of ["absent", "blank", "empty"]) {
    assert.equal(readLine(discovery, path), undefined);
    assert.equal(readInteger(discovery, path, BYTES_RANGE), undefined);
  }
  assert.equal(readList(discovery, "absent"), undefined);
  assert.equal(readMask(discovery, "absent"), undefined);
  assert.equal(readList(discovery, "blank")?.isEmpty, true);
  assert.deepEqual(discovery.warnings, []);
});

test("numbers within what they may be", () => {
  const discovery = discoveryOf({
    plain: "42\n",
    padded: "  42  \nmore\n",
    signed: "-1\n",
    zero: "0",
    largest: `${Number.MAX_SAFE_INTEGER}\n`,
  });
  assert.equal(readInteger(discovery, "plain", BYTES_RANGE), 42);
  assert.equal(readInteger(discovery, "padded", BYTES_RANGE), 42);
  assert.equal(readInteger(discovery, "signed", ID_RANGE), -1);
  assert.equal(readInteger(discovery, "zero", BYTES_RANGE), 0);
  assert.equal(readInteger(discovery, "largest", BYTES_RANGE), Number.MAX_SAFE_INTEGER);
  assert.deepEqual(discovery.warnings, []);
});

test("what is no such number leaves one warning that names the file", () => {
  const odd = [
    "garbage",
    "-5",
    "1e3",
    "0x10",
    "12abc",
    "1 2",
    "9".repeat(30),
    "4\u0000",
    "\uFFFD",
    "1.5",
    "NaN",
    "Infinity",
  ];
  for (const text of odd) {
    const discovery = discoveryOf({ "sys/file": `${text}\n` });
    assert.equal(readInteger(discovery, "sys/file", BYTES_RANGE), undefined, JSON.stringify(text));
    assert.deepEqual(
      discovery.warnings.map(({ path }) => path),
      ["sys/file"],
    );
    assert.match(discovery.warnings[0]?.message ?? "", /where an integer from 0 to \d+ is expected$/);
  }
});

test("warnings are short whatever the file holds", () => {
  const discovery = discoveryOf({
    long: "x".repeat(100_000),
    bytes: Uint8Array.of(0xff, 0, 0x1b, 0x5b, 0x41),
  });
  readInteger(discovery, "long", BYTES_RANGE);
  readList(discovery, "long");
  readMask(discovery, "bytes");
  assert.equal(discovery.warnings.length, 3);
  for (const { message } of discovery.warnings) {
    assert.ok(message.length < 250, message);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that none gets through is what is tested
    assert.doesNotMatch(message, /[\u0000-\u001f\u007f]/);
  }
});

test("a set is read once for each text, and its file named each time it is none", () => {
  const discovery = discoveryOf({ a: "0-3\n", b: "0-3\n", bad: "0-99999999999", worse: "zz", mask: "f0\n" });
  assert.equal(readList(discovery, "a"), readList(discovery, "b"));
  assert.equal(readMask(discovery, "mask")?.toList(), "4-7");
  assert.equal(readList(discovery, "mask"), undefined);
  assert.equal(readList(discovery, "bad"), undefined);
  assert.equal(readMask(discovery, "worse"), undefined);
  assert.deepEqual(
    discovery.warnings.map(({ path }) => path),
    ["mask", "bad", "worse"],
  );
});

test("numbered names are those that the kernel gives", () => {
  const names = [
    "node10",
    "node2",
    "node0",
    "node",
    "node01",
    "node-1",
    "node65536",
    "node999999999999",
    "nodes",
    "xnode1",
  ];
  const discovery = discoveryOf(Object.fromEntries(names.map((name) => [`sys/${name}`, ""])));
  assert.deepEqual(numbered(discovery, "sys", "node"), [0, 2, 10]);
  assert.deepEqual(numbered(discovery, "absent", "node"), []);
});
