// Breaks captures at random: whatever is wrong with the files of a machine, the rest of it is shown, and a warning
// names the file that could not be used.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { best, discoverTree, HmsError, type Machine, matrix } from "@hms/topology";
import { writeHwlocXml } from "../packages/topology/src/formats/hwloc-xml/write.ts";
import { readJson } from "../packages/topology/src/formats/json/read.ts";
import { writeJson } from "../packages/topology/src/formats/json/write.ts";
import { renderText } from "../packages/topology/src/render/text.ts";
import { readTar } from "../packages/topology/src/tree/archive.ts";
import { LinkedTree } from "../packages/topology/src/tree/linked.ts";
import { locateCapture } from "../packages/topology/src/tree/locate.ts";
import { type MemoryEntry, MemoryStore } from "../packages/topology/src/tree/memory.ts";
import { compressionOf, unpack } from "../packages/topology/src/tree/unpack.ts";
import { BREAKAGES, type Breakage, breakFile, UNUSABLE } from "./support/break.ts";
import { root } from "./support/hms.ts";
import { machineFiles } from "./support/machine-files.ts";
import { Random, runsOf, seedOfRun } from "./support/random.ts";

type Entries = ReadonlyMap<string, MemoryEntry>;

/** Longest that one broken machine may take; the whole ones take a hundredth. */
const VARIANT_MS_MAX = 5000;

const seed = seedOfRun();

function machineOf(entries: Entries): Machine {
  const tree = new LinkedTree(new MemoryStore(entries), { label: "broken" });
  return discoverTree(tree, { kind: "capture", path: "broken" });
}

/** All that can be done with a machine, done. */
function useAll(machine: Machine): void {
  const json = writeJson(machine);
  assert.equal(writeJson(readJson(json)), json);
  const text = renderText(machine, { colour: false, width: 100 });
  assert.ok(!text.includes("\x1b"), "a file's content must not command the terminal");
  try {
    writeHwlocXml(machine);
  } catch (error) {
    // hwloc has no way to describe a machine without any CPU.
    assert.ok(HmsError.is(error) && error.code === "NOT_EXPRESSIBLE", String(error));
  }
  const table = matrix(machine, "latency");
  for (const [i, initiator] of machine.initiators.entries()) {
    for (const t of machine.targets.keys()) table.at(i, t);
    for (const { why } of best(machine, [initiator]).targets) assert.ok(why.length > 0);
  }
}

function nodesOf(machine: Machine): Map<number, number | null> {
  return new Map(machine.nodes.map((node) => [node.index, node.size]));
}

/** Without what only says that something is odd. */
function shown(machine: Machine): string {
  return writeJson({ ...machine, warnings: [] });
}

describe(`broken captures (HMS_FUZZ_SEED=${seed})`, () => {
  const files = new Map<string, MemoryEntry>(Object.entries(machineFiles()));
  const paths = [...files.keys()];
  const whole = machineOf(files);

  test("one broken file costs no more than what it said, and is named", () => {
    const random = new Random(seed);
    for (let run = 0; run < runsOf(2500); run++) {
      const path = random.pick(paths);
      const breakage = random.pick(BREAKAGES);
      const what = `${path} ${breakage} (run ${run})`;
      const entries = new Map(files);
      breakFile(entries, path, breakage, random);
      const started = performance.now();
      const machine = machineOf(entries);
      assert.ok(performance.now() - started < VARIANT_MS_MAX, `${what} took too long`);
      checkRest(machine, path, what);
      if (isUnusable(path, breakage) && shown(machine) !== shown(whole)) checkNamed(machine, path, what);
      if (run % 20 === 0) useAll(machine);
    }
  });

  test("no number in no file can be garbage unnoticed", () => {
    for (const [path, entry] of files) {
      if (typeof entry !== "string" || !/^(0x)?[0-9a-f,-]+[KMG]?\n$/i.test(entry)) continue;
      const machine = machineOf(new Map([...files, [path, "garbage\n"]]));
      checkRest(machine, path, path);
      if (shown(machine) !== shown(whole)) checkNamed(machine, path, path);
    }
  });

  test("many broken files at once are no harder", () => {
    const random = new Random(seed + 1);
    for (let run = 0; run < runsOf(1000); run++) {
      const entries = new Map(files);
      const count = 2 + random.below(random.pick([3, 30, paths.length]));
      const broken: [string, Breakage][] = [];
      for (let i = 0; i < count; i++) {
        const path = random.pick(paths);
        const breakage = random.pick(BREAKAGES);
        broken.push([path, breakage]);
        breakFile(entries, path, breakage, random);
      }
      try {
        const machine = machineOf(entries);
        if (run % 10 === 0) useAll(machine);
      } catch (error) {
        throw new Error(`run ${run}: ${broken.slice(0, 10).map((one) => one.join(" "))}`, { cause: error });
      }
    }
  });

  test("of real machines", async (context) => {
    const captures = join(root, "../shared/captures");
    if (!existsSync(captures)) return context.skip("../shared/captures is absent");
    const random = new Random(seed + 2);
    for (const archive of [
      "linux/2arm-2c.tar.bz2",
      "linux/2ps3-2t.tar.bz2",
      "linux/4fake-4gr1nu1pu.tar.bz2",
      "linux/8amd64-4n2c.tar.bz2",
      "linux/fakeheterocpunuma.tar.bz2",
      "linux/2i386-2t-hugepagesizecount.tar.bz2",
      "kfd/mi210.tar.xz",
    ]) {
      const entries = await entriesOf(join(captures, archive));
      const paths = [...entries.keys()].filter((path) => !isFolder(entries.get(path)));
      for (let run = 0; run < runsOf(1400) / 7; run++) {
        const broken = new Map(entries);
        const count = 1 + random.below(random.pick([1, 5, 50]));
        for (let i = 0; i < count; i++) breakFile(broken, random.pick(paths), random.pick(BREAKAGES), random);
        const machine = machineOf(broken);
        if (run % 25 === 0) useAll(machine);
      }
    }
  });

  /** Whether what was there cannot be used; a link that became a file of any sort only leads nowhere. */
  function isUnusable(path: string, breakage: Breakage): boolean {
    const wasLink = typeof files.get(path) === "object";
    return UNUSABLE.has(breakage) && !(wasLink && (breakage === "a folder" || breakage === "unreadable"));
  }

  /** Nodes that the broken file is not about are as before. */
  function checkRest(machine: Machine, path: string, what: string): void {
    if (/^proc\/(meminfo|mounts|self\/)|^sys\/fs\/|\/node\/(online|possible|has_\w+)$/.test(path)) return;
    // A map that names the CPUs of another node contradicts it, and one of the two has to give way.
    if (path.endsWith("/cpumap")) return;
    const about = Number(/\/node\/node(\d+)\//.exec(path)?.[1] ?? -1);
    const nodes = nodesOf(machine);
    for (const [index, size] of nodesOf(whole))
      if (index !== about) assert.equal(nodes.get(index), size, `${what}: node${index}`);
  }

  function checkNamed(machine: Machine, path: string, what: string): void {
    const named = machine.warnings.some(
      (warning) => warning.path !== "" && (path.startsWith(warning.path) || sameFile(warning.path, path)),
    );
    assert.ok(named, `${what}: no warning names it, only ${JSON.stringify(machine.warnings.slice(0, 5))}`);
  }

  /** A file may be read by another way to it, through links. */
  function sameFile(path: string, other: string): boolean {
    const tree = new LinkedTree(new MemoryStore(files), { label: "whole" });
    return tree.realPath(path) === tree.realPath(other) || (tree.realPath(path) ?? path).startsWith(other);
  }
});

function isFolder(entry: MemoryEntry | undefined): boolean {
  return typeof entry === "object" && "kind" in entry && entry.kind === "directory";
}

async function entriesOf(path: string): Promise<Map<string, MemoryEntry>> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield readFileSync(path);
  }
  const compression = compressionOf(readFileSync(path).subarray(0, 6));
  assert.ok(compression !== undefined);
  const { store } = await readTar(unpack(chunks(), compression), path, {
    bytesMax: 2 ** 28,
    entriesMax: 100_000,
  });
  const { from, at } = locateCapture(store, path);
  const entries = new Map<string, MemoryEntry>();
  const walk = (folder: string): void => {
    for (const [name, kind] of store.entries(folder) ?? []) {
      const inside = folder === "" ? name : `${folder}/${name}`;
      const place = [at, inside.slice(from === "" ? 0 : from.length + 1)]
        .filter((part) => part !== "")
        .join("/");
      if (kind === "directory") walk(inside);
      else if (inside.startsWith(from)) entries.set(place, store.get(inside) ?? "");
    }
  };
  walk(from);
  return entries;
}
