import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { discover } from "@hms/topology";
import { Ajv2020 } from "ajv/dist/2020.js";
import {
  memoryOf,
  type ProcessMemory,
  processes,
  processesJsonEnd,
  processesJsonStart,
  processJson,
} from "./mod.ts";

const MIB = 2 ** 20;
const recorded = join(import.meta.dirname, "../../../host-linux/fixtures/proc");
/** As the machine that linux-6.12 was recorded on: CPU 0 in node 0, CPU 1 in node 1, fast memory beside each. */
const machine = await discover("node:2{cpus=1,dram=1GiB@100GB/s/80ns,hbm=1GiB@400GB/s/60ns}");
const scratch = mkdtempSync(join(tmpdir(), "hms-memory-of-"));
after(() => rmSync(scratch, { recursive: true }));

/** A folder of processes: the one of linux-6.12 with changes. */
function changed(change: (folder: string) => void): string {
  const proc = mkdtempSync(join(scratch, "proc"));
  cpSync(join(recorded, "linux-6.12"), proc, { recursive: true });
  change(join(proc, "103"));
  return proc;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

describe("the memory of a recorded process", () => {
  let memory: ProcessMemory;
  test("is read", async () => {
    memory = await memoryOf(103, { proc: join(recorded, "linux-6.12"), machine, regions: true });
  });

  test("by target and kind adds up to what it is as a whole", () => {
    assert.equal(sum(memory.places.map(({ bytes }) => bytes)), memory.bytes);
    for (const { bytes, kinds } of memory.places) assert.equal(sum(Object.values(kinds)), bytes);
    assert.equal(sum(Object.values(memory.kinds)), memory.bytes);
    assert.deepEqual(
      memory.places.map(({ target }) => target),
      ["node0", "node1", "node2", "node3"],
    );
    assert.equal(memory.kinds.hugetlb, 4 * MIB);
    assert.equal(memory.huge.hugetlbBytes, 4 * MIB);
    assert.equal(memory.huge.transparentBytes, 2 * MIB);
  });

  test("of a file's private mapping what was written to is anonymous", () => {
    // Two mappings of 256 pages each, 64 of them written to, on tmpfs: shared memory for its other pages.
    const regions = (memory.regions ?? []).filter(({ name }) => /blanks|gone/.test(name));
    assert.deepEqual(
      regions.map(({ bytes }) => bytes),
      [MIB, MIB],
    );
    assert.equal(memory.kindsEstimatedBytes, 0);
  });

  test("by region adds up to the same, by address, neighbours together", () => {
    const regions = memory.regions ?? [];
    assert.equal(sum(regions.map(({ bytes }) => bytes)), memory.bytes);
    assert.equal(sum(regions.map(({ mappings }) => mappings)), memory.mappings);
    regions.forEach(({ address, size }, i) => {
      const next = regions[i + 1];
      assert.ok(next === undefined || next.address >= address + BigInt(size));
    });
    const thp = regions.find(({ name }) => name === "[anon:thp]");
    assert.deepEqual([thp?.mappings, thp?.hugeBytes], [2, 2 * MIB]);
    const library = regions.find(({ name }) => name.endsWith("libc.so.6"));
    assert.deepEqual([library?.mappings, library?.rights], [5, "mixed"]);
  });

  test("runs on CPU 1, and is misplaced where that is not near", () => {
    assert.deepEqual(
      memory.runs.on.map(({ id }) => id),
      ["node1"],
    );
    assert.equal(memory.runs.bound, false);
    assert.equal(memory.misplaced?.to[0], "node3");
    assert.ok(memory.misplaced?.heldBy.includes("bind=static:0"));
    assert.equal(memory.misplaced?.mend, "hms move 103 --for node1");
    const bound = memory.regions?.find(({ name }) => name === "[anon:bound]");
    assert.deepEqual([bound?.policy, bound?.misplacedBytes], ["bind:3", 0]);
    const far = memory.regions?.find(({ name }) => name === "[anon:bound static]");
    assert.equal(far?.misplacedBytes, MIB);
  });

  test("keeps the largest regions when there are more than asked for, and says what is left out", async () => {
    const few = await memoryOf(103, { proc: join(recorded, "linux-6.12"), machine, regions: 3 });
    assert.equal(few.regions?.length, 3);
    const left = few.regionsLeftOut;
    assert.equal(left?.regions, (memory.regions?.length ?? 0) - 3);
    assert.equal((left?.bytes ?? 0) + sum(few.regions?.map(({ bytes }) => bytes) ?? []), memory.bytes);
    assert.ok(few.regions?.every(({ bytes }) => bytes >= MIB));
  });

  test("follows its schema as JSON, and nothing is in it that the schema does not name", () => {
    const text = `${processesJsonStart(machine)}${json(memory)},${json({ ...memory, regions: null, misplaced: null })},${json({ ...memory, regions: [] })}${processesJsonEnd([{ pid: 7, code: "PROCESS_GONE", message: "gone" }])}`;
    const schema: object = JSON.parse(
      readFileSync(join(import.meta.dirname, "../../schema/processes-1.schema.json"), "utf8"),
    );
    const validate = new Ajv2020({ allErrors: true }).compile(schema);
    const document: { version: number } = JSON.parse(text);
    assert.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 3)));
    assert.ok(!validate({ ...document, version: 2 }));
    const strict = new Ajv2020({ allErrors: true }).compile(closed(schema) as object);
    assert.ok(strict(document), JSON.stringify(strict.errors?.slice(0, 3)));
  });
});

function json(memory: ProcessMemory): string {
  return [...processJson(memory)].join("");
}

/** A schema that allows no field that it does not name. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inside = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return "properties" in schema ? { ...inside, additionalProperties: false } : inside;
}

test("what is in memory and on no node is a device's", async () => {
  const proc = changed((folder) => {
    const path = join(folder, "smaps_rollup");
    const text = readFileSync(path, "utf8");
    const rss = Number(/^Rss: +(\d+)/m.exec(text)?.[1]);
    writeFileSync(path, text.replace(/^Rss: +\d+/m, `Rss: ${rss + 8192}`));
  });
  const { deviceBytes } = await memoryOf(103, { proc, machine });
  assert.ok(deviceBytes >= 8 * MIB && deviceBytes < 8 * MIB + 65_536);
  assert.equal((await memoryOf(103, { proc: join(recorded, "linux-6.12"), machine })).deviceBytes, 0);
});

test("mappings of devices and of files on persistent memory are told with their size", async () => {
  const proc = changed((folder) => {
    const path = join(folder, "maps");
    const lines = [
      "100000000-140000000 rw-s 00000000 00:06 12                         /dev/dax0.0",
      "200000000-200200000 rw-s 00000000 103:05 9                         /mnt/pmem/a file",
    ];
    writeFileSync(path, `${lines.join("\n")}\n${readFileSync(path, "utf8")}`);
    writeFileSync(join(folder, "mountinfo"), "9 1 259:5 / /mnt/pmem rw - ext4 /dev/pmem0 rw,dax=always\n");
  });
  const { deviceMappings } = await memoryOf(103, { proc, machine });
  assert.deepEqual(deviceMappings, [
    { name: "/dev/dax0.0", size: 2 ** 30 },
    { name: "/mnt/pmem/a file", size: 2 * MIB },
  ]);
});

test("a kernel before 4.14, and one without NUMA, leave out what they do not know", async () => {
  const old = changed((folder) => rmSync(join(folder, "smaps_rollup")));
  const without = await memoryOf(103, { proc: old, machine });
  assert.equal(without.huge.transparentBytes, null);
  assert.match(without.unknown[0] ?? "", /Linux 4\.14/);
  const plain = changed((folder) => rmSync(join(folder, "numa_maps")));
  const one = await memoryOf(103, {
    proc: plain,
    machine: await discover("node:1{cpus=2,dram=1GiB}"),
    regions: true,
  });
  assert.deepEqual(
    one.places.map(({ target }) => target),
    ["node0"],
  );
  assert.deepEqual(one.policies, []);
  assert.ok(one.bytes > 20 * MIB);
});

test("bad input: each is refused by its code, and nothing is read", async () => {
  for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 40])
    await assert.rejects(memoryOf(pid), { code: "BAD_OPTION", errno: "EINVAL" });
  for (const regions of [0, -5, 0.5])
    await assert.rejects(memoryOf(process.pid, { regions, machine }), {
      code: "BAD_OPTION",
      errno: "EINVAL",
    });
  await assert.rejects(memoryOf(2 ** 30, { machine }), { code: "PROCESS_GONE", errno: "ESRCH" });
  const ended = changed((folder) => {
    const status = readFileSync(join(folder, "status"), "utf8");
    writeFileSync(
      join(folder, "status"),
      status.replace(/^(Vm|Rss|Huge).*\n/gm, "").replace(/^State:.*/m, "State:\tZ (zombie)"),
    );
  });
  await assert.rejects(memoryOf(103, { proc: ended, machine }), {
    code: "PROCESS_NO_MEMORY",
    errno: "EINVAL",
  });
});

test("a process that is another one by the time it is read is gone", async () => {
  const proc = changed((folder) => {
    // More mappings than are read in one turn.
    const starts = Array.from({ length: 10_000 }, (_, i) => (0x10000 + 2 * i).toString(16));
    const maps = starts.map((start) => `${start}000-${start}fff rw-p 00000000 00:00 0 `);
    writeFileSync(join(folder, "maps"), maps.join("\n"));
    writeFileSync(
      join(folder, "numa_maps"),
      starts.map((start) => `${start}000 default anon=1 N0=1`).join("\n"),
    );
  });
  assert.equal((await memoryOf(103, { proc, machine })).mappings, 10_000);
  const reading = memoryOf(103, { proc, machine });
  const path = join(proc, "103/stat");
  const stat = readFileSync(path, "utf8");
  const other = stat.replace(/( 20 0 1 0) \d+ /, "$1 99999999 ");
  assert.notEqual(other, stat);
  writeFileSync(path, other);
  await assert.rejects(reading, { code: "PROCESS_GONE", errno: "ESRCH" });
});

describe("processes that run", () => {
  test("this one is among them, and a child with its memory", async () => {
    const child = spawn(
      process.execPath,
      ["-e", "globalThis.kept = Buffer.alloc(64 << 20, 1); console.log(1); process.stdin.resume()"],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    await once(child.stdout, "data");
    try {
      const found = new Map<number, ProcessMemory>();
      for await (const one of processes()) found.set(one.pid, one);
      assert.ok((found.get(process.pid)?.bytes ?? 0) > 10 * MIB);
      const memory = found.get(child.pid ?? 0);
      assert.ok((memory?.bytes ?? 0) > 64 * MIB);
      assert.ok((memory?.kinds.anonymous ?? 0) > 64 * MIB);
      assert.equal(memory?.parent, process.pid);
      assert.ok((memory?.runs.on.length ?? 0) > 0);
    } finally {
      child.stdin.end();
      await once(child, "exit");
    }
  });

  test("only of the user that is asked for", async () => {
    for await (const one of processes({ user: 2 ** 30 })) assert.fail(`process ${one.pid} has no such user`);
  });

  test("a folder of processes without any is an empty list", async () => {
    const proc = join(scratch, "empty");
    mkdirSync(proc);
    for await (const one of processes({ proc, machine, user: "all" }))
      assert.fail(`there is no process ${one.pid}`);
  });
});
