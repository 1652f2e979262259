// Breaks documents and archives at random: each is read, or refused with an error of its own that a person can use.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { discover, discoverTree, HmsError } from "@hms/topology";
import { writeHwlocXml } from "../packages/topology/src/formats/hwloc-xml/write.ts";
import { writeJson } from "../packages/topology/src/formats/json/write.ts";
import { specToYaml } from "../packages/topology/src/formats/spec/write.ts";
import { saveStore } from "../packages/topology/src/save/save.ts";
import { MemoryStore, MemoryTree } from "../packages/topology/src/tree/memory.ts";
import { machineFiles } from "./support/machine-files.ts";
import { Random, runsOf, seedOfRun } from "./support/random.ts";

const VARIANT_MS_MAX = 10_000;
const seed = seedOfRun();
const scratch = mkdtempSync(join(tmpdir(), "hms-fuzz-"));
after(() => rmSync(scratch, { recursive: true }));

const machine = discoverTree(new MemoryTree(machineFiles()), { kind: "capture", path: "made-up" });
const store = new MemoryStore(Object.entries(machineFiles()));
const archive = (await saveStore(store, { hostNames: [], notes: "" })).archive;
const tar = gunzipSync(archive);

const NOISE = [
  "<",
  ">",
  '"',
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  "\n",
  "-",
  "&",
  "0",
  "9".repeat(400),
  "null",
  "\u{0}",
  "\u{1b}",
  "é",
  "  ",
  "!!",
  "*a",
  "&a ",
];

/** Changes text in one to five places: taken out, doubled, overwritten, cut off. */
function breakText(text: string, random: Random): string {
  let broken = text;
  for (let i = random.below(5); i >= 0; i--) {
    const at = random.below(broken.length + 1);
    const length = random.below(random.pick([2, 20, 400]));
    const tail = broken.slice(at + length);
    switch (random.below(5)) {
      case 0:
        broken = broken.slice(0, at) + tail;
        break;
      case 1:
        broken = broken.slice(0, at) + broken.slice(at, at + length).repeat(3) + tail;
        break;
      case 2:
        broken = broken.slice(0, at) + random.pick(NOISE) + tail;
        break;
      case 3:
        broken = broken.slice(0, at) + random.pick(NOISE) + broken.slice(at);
        break;
      default:
        if (random.below(4) === 0) broken = broken.slice(0, at);
    }
  }
  return broken;
}

function breakBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const broken = Uint8Array.from(bytes);
  for (let i = random.below(8); i >= 0; i--) {
    const at = random.below(broken.length);
    const length = random.pick([1, 1, 8, 512]);
    for (let j = at; j < Math.min(broken.length, at + length); j++) broken[j] = random.below(256);
  }
  return random.below(3) === 0 ? broken.subarray(0, random.below(broken.length)) : broken;
}

async function open(content: string | Uint8Array, what: string): Promise<void> {
  const path = join(scratch, "input");
  writeFileSync(path, content);
  await openNamed(path, what);
}

async function openNamed(input: string, what: string): Promise<void> {
  const started = performance.now();
  try {
    writeJson(await discover(input));
  } catch (error) {
    assert.ok(HmsError.is(error), `${what}: ${error instanceof Error ? error.stack : error}`);
    assert.match(error.code, /^[A-Z_]+$/);
    assert.ok(!error.message.trimEnd().includes("\n"), `${what}: ${error.message}`);
    assert.ok(error.message.length < 2000, `${what}: ${error.message}`);
  }
  assert.ok(performance.now() - started < VARIANT_MS_MAX, `${what} took too long`);
}

describe(`broken documents (HMS_FUZZ_SEED=${seed})`, () => {
  for (const [name, whole, runs] of [
    ["JSON", writeJson(machine), 300],
    ["hwloc XML", writeHwlocXml(machine), 300],
    ["YAML", specToYaml(machine), 300],
  ] as const)
    test(name, async () => {
      const random = new Random(seed);
      for (let run = 0; run < runsOf(runs); run++)
        await open(breakText(whole, random), `${name}, run ${run}`);
    });

  test("specs in one line", async () => {
    const random = new Random(seed);
    const whole = "node:2{cpus=8,dram=64GiB@100GB/s/90ns,hbm=16GiB@400GB/s} gpu:4{near=0,vram=80GiB@3TB/s}";
    for (let run = 0; run < runsOf(1000); run++)
      await openNamed(`node{${breakText(whole, random)}`.replace("/", "\\"), `run ${run}`);
  });

  for (const [name, whole, runs] of [
    ["tar", tar, 300],
    ["tar.gz", archive, 300],
    ["tar.zst", zstdCompressSync(tar), 150],
    ["tar.gz of broken tar", undefined, 150],
  ] as const)
    test(name, async () => {
      const random = new Random(seed);
      for (let run = 0; run < runsOf(runs); run++)
        await open(
          whole === undefined ? gzipSync(breakBytes(tar, random), { level: 1 }) : breakBytes(whole, random),
          `${name}, run ${run}`,
        );
    });
});
