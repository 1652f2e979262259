// lab: hmat
// Pages of running programs move between real nodes: what the kernel says of the program counts, and every byte is there.
import assert from "node:assert/strict";
import { closeSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { PlacementError, type PlacementReport } from "@hms/policy";
import { moveProcess } from "hms/process";
import koffi from "koffi";
import { bufferAt, Mapping, mmap } from "../../../packages/host-linux/src/sys/memory.ts";
import { nodeOf } from "./machine.ts";
import { NAME, Subject, share } from "./subject.ts";

const PAGE = 4096;
const HUGE = 2 << 20;
const MIB = 2 ** 20;
const FAST = `node${nodeOf(2)}`;
const SLOW = `node${nodeOf(3)}`;
const OWN = { regions: `[anon:${NAME}]` } as const;

function placedOn(report: PlacementReport, target: string): number {
  return report.targets.find((one) => one.target === target)?.placed ?? 0;
}

/** The line of numa_maps of a mapping of this process. */
function lineOf(address: number): string {
  const start = `${address.toString(16)} `;
  return (
    readFileSync("/proc/self/numa_maps", "utf8")
      .split("\n")
      .find((line) => line.startsWith(start)) ?? ""
  );
}

test("all that is a program's own moves, and a dry run says so before", async () => {
  await using subject = await Subject.start(12);
  const before = subject.pages();
  const dry = await moveProcess(subject.pid, { targets: [SLOW] }, { dryRun: true });
  assert.deepEqual(subject.pages(), before, "a dry run moves nothing");
  const seen: number[] = [];
  const { report, movedPages, interrupted } = await moveProcess(
    subject.pid,
    { targets: [SLOW] },
    { onProgress: ({ donePages }) => seen.push(donePages) },
  );
  assert.deepEqual([share(subject.pages(), SLOW), interrupted], [1, false]);
  assert.ok(movedPages >= (12 * MIB) / PAGE && placedOn(report, SLOW) === movedPages);
  assert.ok(Math.abs(dry.movedPages - movedPages) < 64, `${dry.movedPages} ${movedPages}`);
  assert.ok(seen.length > 0 && seen.every((done, i) => i === 0 || done >= (seen[i - 1] ?? 0)));
  const shared = report.refused.find(({ errno }) => errno === "EACCES");
  assert.ok(
    shared !== undefined && shared.pages > 0 && !report.satisfied,
    "the runtime's file is this process's too",
  );
  const all = await moveProcess(subject.pid, { targets: [SLOW] }, { shared: true });
  assert.deepEqual([all.report.satisfied, all.report.elsewhere], [true, []]);
  assert.equal(await subject.wrongPages(), 0);
});

test("only what is asked for: from, regions, and the modes by turns", async () => {
  await using subject = await Subject.start(12);
  await moveProcess(subject.pid, { targets: ["node0"] }, OWN);
  const heap = await moveProcess(subject.pid, { targets: [FAST] }, { regions: "[hea?]" });
  assert.ok(heap.report.pages > 0 && heap.report.satisfied);
  assert.ok(share(subject.pages(), "node0") === 1);
  const targets = ["node0", FAST, SLOW];
  const turns = await moveProcess(subject.pid, { targets, mode: "interleave" }, OWN);
  assert.ok(turns.report.satisfied);
  for (const { placed, wanted } of turns.report.targets) assert.equal(placed, wanted);
  const { pages } = turns.report;
  for (const target of targets) assert.ok(Math.abs(placedOn(turns.report, target) / pages - 1 / 3) < 0.01);
  const from = await moveProcess(subject.pid, { targets: ["node1"] }, { ...OWN, from: [FAST, SLOW] });
  assert.deepEqual([from.report.satisfied, from.movedPages], [true, from.report.pages]);
  assert.ok(Math.abs(from.movedPages / pages - 2 / 3) < 0.01, "what was on node0 stays");
  const request = { targets: ["node0", SLOW], mode: "weighted", weights: [1, 4] } as const;
  const weighted = await moveProcess(subject.pid, request, OWN);
  assert.ok(Math.abs(placedOn(weighted.report, SLOW) / pages - 0.8) < 0.01);
  assert.equal(await subject.wrongPages(), 0);
});

test("a full node: the next of the list takes the rest; strict moves nothing and says why", async () => {
  await using subject = await Subject.start(300);
  await moveProcess(subject.pid, { targets: ["node0", "node1"] }, OWN);
  const before = subject.pages();
  await assert.rejects(moveProcess(subject.pid, { targets: [FAST], mode: "strict" }, OWN), (error) => {
    assert.ok(error instanceof PlacementError);
    assert.deepEqual([error.code, error.errno], ["PLACEMENT_REFUSED", "ENOMEM"]);
    assert.match(error.message, /nothing was moved .*can be had there/);
    assert.equal(error.report.targets[0]?.moved, 0);
    assert.equal(error.report.refused[0]?.by, "capacity");
    return true;
  });
  const moved = (one: Record<string, number>): number => one[FAST] ?? 0;
  assert.equal(moved(subject.pages()), moved(before), "nothing half done");
  const { report } = await moveProcess(subject.pid, { targets: [FAST, SLOW] }, OWN);
  assert.ok(
    report.satisfied && placedOn(report, FAST) > 0 && placedOn(report, SLOW) > 0,
    JSON.stringify(report),
  );
  assert.equal(placedOn(report, FAST) + placedOn(report, SLOW), report.pages);
  assert.equal(report.refused[0]?.by, "capacity");
  const nodes = subject.pages();
  assert.ok(share(nodes, FAST) + share(nodes, SLOW) > 0.99, JSON.stringify(nodes));
  assert.equal(await subject.wrongPages(), 0);
});

test("huge pages move whole, those of hugetlbfs too", async () => {
  using mapping = Mapping.reserve(8 * HUGE, { huge: true, align: HUGE });
  mapping.view().fill(9);
  const huge = (): number => Number(/AnonHugePages:\s+(\d+)/.exec(smapsOf(mapping.address))?.[1] ?? 0);
  const before = huge();
  assert.ok(before > 0, "the kernel gave huge pages");
  const hugetlb = hugetlbPages(4);
  try {
    const options = { regions: "*" };
    const { report } = await moveProcess(process.pid, { targets: [FAST] }, { ...options, shared: true });
    assert.match(lineOf(mapping.address), new RegExp(` N${nodeOf(2)}=4096 `));
    assert.equal(huge(), before, "they are huge still");
    assert.ok(mapping.view().every((octet) => octet === 9));
    if (hugetlb !== null) {
      assert.match(lineOf(hugetlb), new RegExp(` N${nodeOf(2)}=4 `));
      assert.ok(new Uint8Array(bufferAt(hugetlb, 4 * HUGE)).every((octet) => octet === 5));
    }
    assert.ok(report.pages > 8 * 512);
  } finally {
    await moveProcess(process.pid, { targets: ["node0", "node1"] }, { shared: true });
  }
});

function smapsOf(address: number): string {
  const text = readFileSync("/proc/self/smaps", "utf8");
  return text.slice(text.indexOf(`${address.toString(16)}-`), text.length).slice(0, 2000);
}

/** Maps pages of hugetlbfs on node 0 with room for them on node 2; null where the guest has no memory for it. */
function hugetlbPages(count: number): number | null {
  for (const node of [nodeOf(0), nodeOf(2)]) {
    const file = `/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`;
    writeFileSync(file, String(count));
    if (Number(readFileSync(file, "utf8")) < count) return null;
  }
  const [read, write, priv, anonymous, huge] = [1, 2, 2, 32, 0x40000];
  const at = mmap(0, count * HUGE, read | write, priv | anonymous | huge, -1, 0);
  if (at < 0) return null;
  new Uint8Array(bufferAt(at, count * HUGE)).fill(5);
  return at;
}

test("a pinned page stays, is told as such, and those around it move", async () => {
  using mapping = Mapping.reserve(64 * PAGE, { huge: false, name: "hms-pinned" });
  mapping.view().fill(3);
  await moveProcess(process.pid, { targets: ["node0"] }, { regions: "*hms-pinned*" });
  const pipe = pinned(mapping.address + 10 * PAGE, 2 * PAGE);
  try {
    const { report } = await moveProcess(process.pid, { targets: [SLOW] }, { regions: "*hms-pinned*" });
    assert.deepEqual([report.pages, placedOn(report, SLOW)], [64, 62], JSON.stringify(report));
    assert.deepEqual(
      report.refused.map(({ by, errno, pages, now }) => [by, errno, pages, now]),
      [["pinned", "EBUSY", 2, [{ place: "node0", pages: 2 }]]],
    );
    assert.match(lineOf(mapping.address), /N0=2 .*N3=62/);
  } finally {
    for (const fd of pipe) closeSync(fd);
  }
  const { report } = await moveProcess(process.pid, { targets: [SLOW] }, { regions: "*hms-pinned*" });
  assert.deepEqual([report.satisfied, report.targets[0]?.moved], [true, 2]);
});

/** Lets a pipe hold pages of this process (vmsplice), until it is closed. */
function pinned(address: number, bytes: number): readonly number[] {
  const libc = koffi.load("libc.so.6");
  const fds = new Int32Array(2);
  assert.equal(libc.func("int pipe(void*)")(fds), 0);
  const vector = new BigUint64Array([BigInt(address), BigInt(bytes)]);
  assert.equal(libc.func("int64_t vmsplice(int, void*, uint64_t, uint)")(fds[1], vector, 1, 0), bytes);
  return [...fds];
}
