import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { MAPPING_KINDS, mappingKind } from "./proc-kinds.ts";
import { LineReader } from "./proc-lines.ts";
import { MappingReader } from "./proc-mappings.ts";
import { NumaMapsReader } from "./proc-numa-maps.ts";

const fixtures = join(import.meta.dirname, "../../fixtures/proc");
const recorded = [
  { kernel: "linux-6.12", pid: 103, nodes: 4 },
  { kernel: "linux-6.18", pid: 3067, nodes: 1 },
] as const;
const ALL = { names: true, nodes: true, details: true };
const MIB = 2 ** 20;

const scratch = mkdtempSync(join(tmpdir(), "hms-proc-"));
after(() => rmSync(scratch, { recursive: true }));

/** A folder with these files of a process. */
function processOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(join(scratch, "p"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly policy: string;
  readonly bytes: number;
  readonly start: number;
  readonly end: number;
  readonly sharers: number;
  readonly anonymous: number;
  readonly nodes: Readonly<Record<number, number>>;
  readonly resident: number;
  readonly swapped: number;
  readonly huge: number;
}

function rowsOf(folder: string, options = ALL): Row[] {
  const rows: Row[] = [];
  using reader = new MappingReader(folder, options);
  while (reader.next()) {
    const { pages, details } = reader;
    const nodes: Record<number, number> = {};
    for (let i = 0; i < (pages?.nodeCount ?? 0); i++) {
      const node = pages?.nodes[i] ?? -1;
      nodes[node] = (pages?.pagesOf[node] ?? 0) * (pages?.pageBytes ?? 0);
    }
    rows.push({
      name: reader.name,
      kind: reader.kind,
      policy: pages?.policy ?? "",
      bytes: (pages?.pages ?? 0) * (pages?.pageBytes ?? 0),
      start: reader.start,
      end: reader.end,
      sharers: pages?.sharers ?? 0,
      anonymous: pages?.anonymous ?? 0,
      nodes,
      resident: details?.resident ?? 0,
      swapped: details?.swapped ?? 0,
      huge: (details?.transparentHuge ?? 0) + (details?.hugetlb ?? 0),
    });
  }
  return rows;
}

for (const { kernel, pid, nodes } of recorded) {
  describe(`a process of ${kernel}`, () => {
    const folder = join(fixtures, kernel, String(pid));
    const rows = rowsOf(folder);

    test("has as much on each node as numastat says", () => {
      const text = readFileSync(join(fixtures, kernel, "numastat"), "utf8");
      const total = /^Total\s+(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
      assert.equal(total.length, nodes + 1);
      for (let node = 0; node < nodes; node++) {
        const bytes = rows.reduce((sum, row) => sum + (row.nodes[node] ?? 0), 0);
        assert.equal((bytes / MIB).toFixed(2), total[node]?.toFixed(2), `node ${node}`);
      }
    });

    test("has every mapping once, in order, with its end", () => {
      const lines = readFileSync(join(folder, "maps"), "utf8").trimEnd().split("\n");
      assert.equal(rows.length, lines.length);
      lines.forEach((line, i) => {
        const [start = "", end = ""] = line.split(" ")[0]?.split("-") ?? [];
        assert.equal(rows[i]?.start.toString(16).padStart(start.length, "0"), start);
        assert.equal(rows[i]?.end.toString(16), end);
        assert.equal(rows[i]?.name, line.slice(73), line);
      });
    });

    test("tells kinds by name, file system and numa_maps", () => {
      const kinds = new Map(rows.map(({ name, kind }) => [name, kind]));
      const expected: Readonly<Record<string, string>> = {
        "": "anonymous",
        "[heap]": "anonymous",
        "[stack]": "anonymous",
        "[vdso]": "kernel",
        "[vvar]": "kernel",
        "/usr/bin/zoo": "file",
        "/dev/zero (deleted)": "shmem",
        "/SYSV00000000 (deleted)": "shmem",
        "/memfd:a b\\012c (deleted)": "shmem",
        "/dev/shm/zoo shared (deleted)": "shmem",
        "/anon_hugepage (deleted)": "hugetlb",
        // 6.12 was recorded with tmpfs there.
        "/srv/zoo dir/line\\012feed": kernel === "linux-6.12" ? "shmem" : "file",
      };
      for (const [name, kind] of Object.entries(expected)) assert.equal(kinds.get(name), kind, name);
    });

    test("has in memory what smaps says, per mapping", () => {
      for (const row of rows) {
        // What the kernel maps into every process is no node's for numa_maps, and hugetlbfs apart for smaps.
        if (row.kind === "kernel" || row.kind === "hugetlb") continue;
        assert.equal(row.bytes, row.resident, row.name);
      }
      assert.equal(rows.find(({ kind }) => kind === "hugetlb")?.huge, 4 * MIB);
      const thp = rows.reduce((sum, row) => sum + (row.kind === "hugetlb" ? 0 : row.huge), 0);
      assert.equal(thp, 2 * MIB);
    });
  });
}

test("every policy's name is taken whole", () => {
  const rows = rowsOf(join(fixtures, "linux-6.12/103"));
  const policies = new Map(rows.map(({ name, policy }) => [name, policy]));
  for (const [name, policy] of [
    ["bound", "bind:3"],
    ["bound static", "bind=static:0"],
    ["relative", "interleave=relative:0-3"],
    ["preferred", "prefer:3"],
    ["many", "prefer (many):0-3"],
    ["weighted", "weighted interleave:0-3"],
    ["local", "local"],
    ["balanced", "bind=balancing:0"],
    ["interleaved", "interleave:0-3"],
    ["hms x", "default"],
  ] as const)
    assert.equal(policies.get(`[anon:${name}]`), policy, name);
  const shared = rows.find(({ name }) => name === "[anon_shmem:shared name]");
  assert.equal(shared?.kind, "shmem");
  const copied = rows.find(({ name }) => name.endsWith("name with blanks"));
  assert.deepEqual([copied?.anonymous, copied?.bytes], [64, MIB]);
});

test("lines of old kernels: no page size, stacks of threads, no active count", () => {
  const numa_maps = [
    "00400000 default file=/bin/x mapped=7 mapmax=3 N0=5 N1=2",
    "7f0000000000 default stack:1234 anon=2 dirty=2 N12=2",
    "7f0000100000 prefer=static:1 heap anon=1 N1=1",
    "7f0000200000 bind=static|relative:0-1",
    "",
    "not a mapping",
  ].join("\n");
  const [file, stack, heap, empty, ...more] = rowsOf(processOf({ numa_maps }), {
    ...ALL,
    names: false,
    details: false,
  });
  assert.deepEqual([file?.kind, file?.nodes, file?.sharers], ["file", { 0: 5 * 4096, 1: 2 * 4096 }, 3]);
  assert.deepEqual([stack?.kind, stack?.nodes, stack?.anonymous], ["anonymous", { 12: 8192 }, 2]);
  assert.deepEqual(
    [heap?.policy, empty?.policy, empty?.bytes],
    ["prefer=static:1", "bind=static|relative:0-1", 0],
  );
  assert.deepEqual(
    more.filter(({ bytes }) => bytes > 0),
    [],
  );
});

test("numbers that are huge, and nodes beyond the last, break nothing", () => {
  const numa_maps = [
    "fffffffffff00000 default anon=99999999999999999999 N0=18446744073709551615 kernelpagesize_kB=4",
    "ffffffffff600000 default N1023=1 N1024=5 N99999999999=7 N=1 Nx=2 N0 kernelpagesize_kB=1048576",
  ].join("\n");
  const rows = rowsOf(processOf({ numa_maps }), { ...ALL, names: false, details: false });
  assert.equal(rows[0]?.start, 0xfffffffffff00000);
  assert.deepEqual(rows[1]?.nodes, { 1023: 2 ** 30 });
});

test("a kernel without NUMA: all that smaps counts is on node 0", () => {
  const folder = join(fixtures, "linux-6.18/3067");
  const files = Object.fromEntries(
    ["maps", "smaps", "mountinfo"].map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
  const options = { ...ALL, details: false };
  const places = ({ start, kind, nodes }: Row): unknown => ({ start, kind, nodes });
  const [with_, without] = [rowsOf(folder, options), rowsOf(processOf(files), options)];
  const counted = (rows: readonly Row[]): unknown => rows.filter((row) => row.kind !== "kernel").map(places);
  assert.deepEqual(counted(without), counted(with_));
});

test("files of different moments: what one of them has alone is told with what is known", () => {
  const maps = [
    "1000-2000 rw-p 00000000 00:00 0 ",
    "3000-4000 rw-p 00000000 00:00 0                          [anon:new]",
    "5000-6000 r--s 00000000 fd:01 77                         /a file",
  ].join("\n");
  const numa_maps = [
    "1000 default anon=1 N0=1 kernelpagesize_kB=4",
    "2000 default huge anon=1 N1=1 kernelpagesize_kB=2048",
    "5000 default file=/a\\040file mapped=1 N0=1 kernelpagesize_kB=4",
    "7000 default file=/b mapped=1 N1=1 kernelpagesize_kB=4",
  ].join("\n");
  const rows = rowsOf(processOf({ maps, numa_maps, mountinfo: "" }), { ...ALL, details: false });
  assert.deepEqual(
    rows.map(({ start, end, name, kind, bytes }) => [start, end, name, kind, bytes]),
    [
      [0x1000, 0x2000, "", "anonymous", 4096],
      [0x2000, 0x2000, "", "hugetlb", 2 * MIB],
      [0x3000, 0x4000, "[anon:new]", "anonymous", 0],
      [0x5000, 0x6000, "/a file", "file", 4096],
      [0x7000, 0x7000, "", "file", 4096],
    ],
  );
});

test("kinds of mappings that no recording has", () => {
  const kind = (name: string, fileSystem: string | null = null): string =>
    mappingKind({ name, fileSystem, huge: false });
  assert.equal(kind("/dev/dax0.0"), "device");
  assert.equal(kind("/dev/nvidia0"), "device");
  assert.equal(kind("/dmabuf:"), "device");
  assert.equal(kind("anon_inode:[io_uring]"), "kernel");
  assert.equal(kind("anon_inode:i915.gem"), "device");
  assert.equal(kind("/data/on/pmem", "dax"), "device");
  assert.equal(kind("/mnt/huge/a", "hugetlbfs"), "hugetlb");
  assert.equal(kind("/run/x", "tmpfs"), "shmem");
  assert.equal(kind("/dev/zeros"), "device");
  assert.equal(kind("[anon:glibc: malloc]"), "anonymous");
  assert.equal(kind("/memfdx"), "file");
});

test("lines come out as they are in the file, wherever its pieces end", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          { weight: 8, arbitrary: fc.string({ maxLength: 200 }) },
          { weight: 1, arbitrary: fc.nat(9000).map((n) => "x".repeat(n)) },
        ),
        {
          maxLength: 60,
        },
      ),
      fc.boolean(),
      (texts, open) => {
        const lines = texts.map((text) => text.replaceAll("\n", "_"));
        const text = lines.map((line) => `${line}\n`).join("") + (open ? "tail" : "");
        const path = join(processOf({ lines: text }), "lines");
        using reader = new LineReader(path);
        const read: string[] = [];
        while (reader.next()) read.push(reader.bytes.toString("utf8", reader.start, reader.end));
        assert.deepEqual(read, open ? [...lines, "tail"] : lines);
      },
    ),
    { numRuns: 60 },
  );
});

test("a line longer than the buffer is cut, and the next one is whole", () => {
  const path = join(processOf({ lines: `first\n${"y".repeat(300_000)}\nlast\n` }), "lines");
  using reader = new LineReader(path);
  const read: string[] = [];
  while (reader.next()) read.push(reader.bytes.toString("latin1", reader.start, reader.end));
  assert.equal(read.length, 3);
  assert.deepEqual([read[0], read[2]], ["first", "last"]);
  assert.match(read[1] ?? "", /^y{1000,65536}$/);
});

test("damaged files of a process are read to their end, and no number comes out wrong in kind", () => {
  const folder = join(fixtures, "linux-6.12/103");
  const names = ["maps", "numa_maps", "smaps"] as const;
  const whole = names.map((name) => readFileSync(join(folder, name)));
  const change = fc.record({
    file: fc.nat(names.length - 1),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat(200),
    put: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
      const damaged = whole.map((bytes) => Buffer.from(bytes));
      for (const { file, at, cut, put } of changes) {
        const bytes = damaged[file] as Buffer;
        const place = Math.floor(at * bytes.length);
        damaged[file] = Buffer.concat([bytes.subarray(0, place), put, bytes.subarray(place + cut)]);
      }
      const files = Object.fromEntries(names.map((name, i) => [name, damaged[i] as Buffer]));
      const read = new Set<string>();
      for (const row of rowsOf(processOf({ ...files, mountinfo: "garbage - \n1 2 3:4 - - -" }))) {
        assert.ok(MAPPING_KINDS.some((kind) => kind === row.kind));
        assert.ok(row.end >= row.start && row.start >= 0);
        const sum = Object.values(row.nodes).reduce((total, bytes) => total + bytes, 0);
        assert.ok(sum === row.bytes && row.bytes >= 0);
        assert.ok(row.sharers >= 0 && row.resident >= 0 && row.swapped >= 0);
        read.add(row.name);
      }
    }),
    { numRuns: 150 },
  );
});

test("counts of a mapping are its own: nothing is left of the one before", () => {
  const numa_maps =
    "1000 bind:1 file=/x huge anon=3 mapmax=9 N0=1 N1=2 kernelpagesize_kB=2048\n2000 default\n";
  using reader = new NumaMapsReader(join(processOf({ numa_maps }), "numa_maps"));
  assert.ok(reader.next() && reader.next());
  const { policy, file, huge, pages, anonymous, sharers, pageBytes, nodeCount } = reader;
  assert.deepEqual(
    { policy, file, huge, pages, anonymous, sharers, pageBytes, nodeCount },
    {
      policy: "default",
      file: false,
      huge: false,
      pages: 0,
      anonymous: 0,
      sharers: 1,
      pageBytes: 4096,
      nodeCount: 0,
    },
  );
});
