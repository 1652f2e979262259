// lab: hmat
// limit: 480
// Measuring on a machine with several memories: the values of an emulated machine mean nothing, but every pair has to be
// there, and the memory that is gone through has to be the target's.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { PlacedBuffer } from "@hms/host-linux";
import { best, discover, HmsError, type Machine, type Quantity } from "@hms/topology";
import { type Measurements, writeMeasurements } from "@hms/topology/measured";
import { measure } from "hms/measure";
import { measureText } from "../../../packages/cli/src/measure-output.ts";
import { __NR_mbind, __NR_move_pages } from "../../../packages/host-linux/src/sys/abi.generated.ts";
import { machine, nodeOf } from "./machine.ts";

const HMS = join(import.meta.dirname, "../../../packages/cli/bin/hms.js");
/** Small and short: the guest is emulated. */
const SHORT = { quick: true, runs: 1, size: "8MiB" } as const;
const SHORT_ARGUMENTS = ["measure", "--quick", "--runs", "1", "--size", "8MiB", "--json"];
/** Nearly all of the fast node. */
const FILL_BYTES: number = 240 << 20;
const SAVED = "/tmp/measured.json";

// The tests after these meet the machine as it was.
after(() => {
  for (const command of [
    "daxctl reconfigure-device --force --mode=devdax all",
    "ndctl destroy-namespace --force all",
  ])
    spawnSync("bash", ["-c", command]);
});

const withCpus = machine.domains.filter(({ cpus }) => cpus.length > 0).map(({ domain }) => nodeOf(domain));
const withMemory = machine.domains
  .filter(({ memoryMib }) => memoryMib > 0)
  .map(({ domain }) => nodeOf(domain));
const wanted = withCpus.flatMap((cpu) => withMemory.map((memory) => `node${cpu} node${memory}`)).sort();

function pairsOf({ pairs }: Pick<Measurements, "pairs">): string[] {
  return pairs.map(({ initiator, target }) => `${initiator} ${target}`).sort();
}

/** Pages by node of this process's mappings that are to be on one node, as the kernel shows them. */
function preferredPages(node: number): Map<number, number> {
  const pages = new Map<number, number>();
  for (const line of readFileSync("/proc/self/numa_maps", "utf8").split("\n")) {
    if (!line.includes(` prefer:${node} `)) continue;
    for (const [, where, count] of line.matchAll(/ N(\d+)=(\d+)/g))
      pages.set(Number(where), (pages.get(Number(where)) ?? 0) + Number(count));
  }
  return pages;
}

test("every pair is measured in memory of its target, and what has no memory is named", async () => {
  const seen = new Map<string, Map<number, number>>();
  const measured = await measure({
    ...SHORT,
    onProgress: ({ what }) => {
      // Once the latency's turn has come, the memory has been placed and gone through.
      const [, initiator, node] = /^(node\d+) → node(\d+): latency$/.exec(what) ?? [];
      if (node !== undefined) seen.set(`${initiator} node${node}`, preferredPages(Number(node)));
    },
  });
  assert.deepEqual(pairsOf(measured), wanted);
  for (const pair of measured.pairs) {
    const name = `${pair.initiator} ${pair.target}`;
    assert.equal(pair.placement, "verified", name);
    const pages = seen.get(name) ?? new Map<number, number>();
    assert.deepEqual(
      [...pages.keys()],
      [Number(pair.target.slice(4))],
      `${name}: numa_maps shows other nodes`,
    );
    const all = [...pages.values()].reduce((sum, count) => sum + count, 0);
    assert.ok(all >= (8 << 20) / 4096, `${name}: ${all} pages`);
    for (const { read, write, copy } of pair.rates)
      for (const { median, min, max } of [read, write, copy])
        assert.ok(min > 0 && min <= median && median <= max);
    assert.ok((pair.chases[0]?.latency.median ?? 0) > 0, name);
  }
  writeFileSync(SAVED, writeMeasurements(measured));
  process.stdout.write(await measureText(measured, { colour: false, width: 100 }));
  const empty = nodeOf(4);
  assert.match(
    measured.missing.find(({ target }) => target === `node${empty}`)?.why ?? "",
    /offline|no memory/,
  );
  // The slow node has a cache in front of it, which the reader has to know of.
  const cached = measured.pairs.filter(({ target }) => target === `node${nodeOf(machine.cache.domain)}`);
  for (const { notes } of cached) assert.match(notes.join(" "), /memory-side cache/);
});

/** What a pair of nodes is joined by. */
function between(of: Machine, initiator: number, target: number): (Quantity | null)[] {
  const from = of.initiators.find(({ id }) => id === `node${initiator}`)?.uid ?? -1;
  const to = of.targets.find(({ id }) => id === `node${target}`)?.uid ?? -1;
  return of.links
    .filter((link) => link.initiators.includes(from) && link.targets.includes(to))
    .map(({ properties }) => properties.readBandwidth);
}

test("the machine is read with what was saved, and says where it is from", async () => {
  const used = await discover(undefined, { measured: SAVED });
  for (const cpu of withCpus)
    for (const memory of withMemory)
      assert.ok(
        between(used, cpu, memory).some((quantity) => quantity?.origin === "measurement"),
        `node${cpu} → node${memory}`,
      );
  // What the firmware says stays beside it.
  const near = between(used, nodeOf(0), nodeOf(2)).find((quantity) => quantity?.origin === "measurement");
  assert.ok(near?.others?.some(({ origin }) => origin === "hmat"));
  const { targets } = best(used, ["node0"], { by: "bandwidth" });
  assert.deepEqual(
    targets.map(({ target }) => target.id).sort(),
    withMemory.map((node) => `node${node}`),
  );
  for (const { why } of targets) assert.match(why, /\(measurement\)/);
});

/** What the kernel calls the parts of a node's memory, to be brought online or offline. */
function statesOf(node: number): string[] {
  const folder = `/sys/devices/system/node/node${node}`;
  return readdirSync(folder)
    .filter((name) => /^memory\d+$/.test(name))
    .map((name) => join(folder, name, "state"));
}

test("memory that came since is measured; a node that is full is named, and nobody is killed for it", async () => {
  const made = spawnSync("bash", [join(import.meta.dirname, "memory.sh"), "kmem"], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const come = Number(/ node (\d+)$/.exec(made.stdout.trim())?.[1]);
  assert.equal(come, nodeOf(4));
  for (const path of statesOf(come))
    if (!readFileSync(path, "utf8").startsWith("online")) writeFileSync(path, "online_movable");
  const full = nodeOf(2);
  const buffer = new ArrayBuffer(FILL_BYTES);
  const placed = new PlacedBuffer(buffer);
  assert.equal(placed.place(full, false), 0);
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = 1;
  const measured = await measure(SHORT);
  placed.release();
  const names = withCpus.map((cpu) => `node${cpu} node${come}`);
  const others = wanted.filter((name) => !name.endsWith(` node${full}`));
  assert.deepEqual(pairsOf(measured), [...others, ...names].sort());
  const why = measured.missing.find(({ target }) => target === `node${full}`)?.why ?? "";
  assert.match(why, /of it may be taken|came from it/);
  // The machine is not what it was: what was measured before says nothing of it.
  await assert.rejects(
    discover(undefined, { measured: SAVED }),
    (error) => HmsError.is(error) && error.code === "MEASURED_OTHER_MACHINE",
  );
});

test("nodes that went offline and those that a cpuset leaves out are named, with the group; the others are measured", () => {
  const gone = nodeOf(4);
  for (const path of statesOf(gone)) writeFileSync(path, "offline");
  const root = "/sys/fs/cgroup";
  const group = join(root, "measure-test");
  writeFileSync(join(root, "cgroup.subtree_control"), "+cpuset");
  mkdirSync(group);
  try {
    writeFileSync(join(group, "cpuset.mems"), "0-1");
    writeFileSync(join(group, "cpuset.cpus"), "0");
    const inside = `echo $$ > ${group}/cgroup.procs && exec "$@"`;
    const command = [process.execPath, HMS, ...SHORT_ARGUMENTS];
    const found = spawnSync("sh", ["-c", inside, "sh", ...command], { encoding: "utf8" });
    assert.equal(found.status, 0, found.stderr);
    const measured = JSON.parse(found.stdout) as Measurements;
    assert.deepEqual(pairsOf(measured), ["node0 node0", "node0 node1"]);
    const whyNot = new Map(measured.missing.map(({ target, why }) => [target, why]));
    for (const node of [2, 3])
      assert.equal(whyNot.get(`node${node}`), "the cpuset /measure-test leaves it out");
    assert.match(whyNot.get(`node${gone}`) ?? "", /offline|no memory/);
    assert.match(
      measured.missing.find(({ initiator }) => initiator === "node1")?.why ?? "",
      /cpuset .* leaves/,
    );
  } finally {
    rmdirSync(group);
  }
});

test("behind a filter on system calls a node's own memory is measured, and why no other", () => {
  const calls = [__NR_mbind, __NR_move_pages].join(",");
  const filtered = join(import.meta.dirname, "../../support/filtered.py");
  const args = [filtered, calls, process.execPath, HMS, ...SHORT_ARGUMENTS];
  const found = spawnSync("python3", args, { encoding: "utf8" });
  assert.equal(found.status, 0, found.stderr);
  const measured = JSON.parse(found.stdout) as Measurements;
  assert.deepEqual(
    pairsOf(measured),
    withCpus.map((node) => `node${node} node${node}`),
  );
  const others = measured.missing.filter(({ initiator, target }) => initiator !== null && target !== null);
  assert.equal(others.length, wanted.length - withCpus.length);
  for (const { why } of others) assert.equal(why, "memory cannot be asked of it: mbind answers EPERM");
});
