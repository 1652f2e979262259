// Recall on a whole kernel: what is planted is found, and what loses its only consumer. HMS_KERNEL_TREE names the tree.
import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { examineExports } from "@hms/lint";

const kernel = process.env.HMS_KERNEL_TREE ?? "";
const skip = existsSync(join(kernel, "Kconfig")) ? false : "HMS_KERNEL_TREE names no unpacked kernel tree";
const seed = Number(process.env.HMS_FUZZ_SEED ?? 1);
const COUNT = 50;
const TIMEOUT_MS = 900_000;

/** A copy of a tree in which files are the same ones until they are replaced. */
function linkedCopy(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      if (!/^(Documentation|tools|scripts)$/.test(entry.name) || from !== kernel)
        linkedCopy(join(from, entry.name), join(to, entry.name));
    } else if (entry.isFile()) linkSync(join(from, entry.name), join(to, entry.name));
  }
}

/** Replaces a file of the copy, and not the original that it is linked to. */
function replace(path: string, change: (text: string) => string): void {
  const text = readFileSync(path, "latin1");
  rmSync(path);
  writeFileSync(path, change(text), "latin1");
}

/** The same numbers for the same seed. */
function draws(start: number): (below: number) => number {
  let state = start >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test(`a whole kernel: ${COUNT} planted exports and ${COUNT} that lose their only consumer are found (seed ${seed})`, {
  skip,
  timeout: TIMEOUT_MS,
}, async () => {
  const { symbols } = await examineExports(kernel);
  const draw = draws(seed);
  const copy = mkdtempSync(join(dirname(kernel), "hms-recall-"));
  try {
    linkedCopy(kernel, copy);
    const inC = symbols.filter((one) => one.file.endsWith(".c"));
    const planted = Array.from({ length: COUNT }, (_, i) => `hms_planted_${seed}_${i}`);
    for (const name of planted) {
      const file = inC[draw(inC.length)]?.file ?? "";
      replace(
        join(copy, file),
        (text) => `${text}\nint ${name}(int a)\n{\n\treturn a;\n}\nEXPORT_SYMBOL_GPL(${name});\n`,
      );
    }
    const single = inC.filter(
      (one) =>
        one.class === "module" &&
        one.rule === null &&
        one.sort === "symbol" &&
        one.consumers.length === 1 &&
        one.consumers[0]?.through.length === 0 &&
        one.consumers[0].file.endsWith(".c"),
    );
    const robbed = new Set<(typeof single)[number]>();
    while (robbed.size < COUNT) {
      const one = single[draw(single.length)];
      if (one !== undefined) robbed.add(one);
    }
    for (const { symbol, consumers } of robbed)
      replace(join(copy, consumers[0]?.file ?? ""), (text) =>
        text.replace(new RegExp(`\\b${symbol}\\b`, "g"), "hms_other_name"),
      );
    const after = await examineExports(copy, { fresh: true });
    const classes = new Map(after.symbols.map((one) => [`${one.symbol} ${one.file}`, one.class]));
    const names = new Map(after.symbols.map((one) => [one.symbol, one.class]));
    assert.deepEqual(
      planted.filter((name) => names.get(name) !== "nobody"),
      [],
    );
    const missed = [...robbed].filter(({ symbol, file }) => {
      const found = classes.get(`${symbol} ${file}`);
      return found !== "nobody" && found !== "headers";
    });
    assert.deepEqual(
      missed.map((one) => `${one.symbol} ${one.file}: ${classes.get(`${one.symbol} ${one.file}`)}`),
      [],
    );
  } finally {
    rmSync(copy, { recursive: true });
  }
});
