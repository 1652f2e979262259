import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { BASE_HEADERS, scratchFolder } from "../testing/header-trees.ts";
import { abiBaseline, withoutBaseline } from "./baseline.ts";
import type { AbiFinding } from "./finding.ts";
import { type AbiReport, lintAbi } from "./lint-abi.ts";
import { abiSarif, abiText } from "./write.ts";

const HEAD = "#include <linux/types.h>\n#include <linux/ioctl.h>\n";

async function compare(
  old: string,
  now: string,
  options: Parameters<typeof lintAbi>[2] = { architectures: ["x86_64"] },
): Promise<AbiReport> {
  using before = scratchFolder({ ...BASE_HEADERS, "linux/x.h": HEAD + old });
  using after = scratchFolder({ ...BASE_HEADERS, "linux/x.h": HEAD + now });
  return await lintAbi(before.path, after.path, options);
}

const short = ({ verdict, rule, name }: AbiFinding): string => `${verdict} | ${rule} | ${name}`;

const CASES: readonly (readonly [what: string, old: string, now: string, findings: readonly string[]])[] = [
  ["nothing", "#define A 1\nstruct s { __u32 a; };", "#define A (2 - 1)\nstruct s { __u32 a; };", []],
  ["a define that is gone", "#define A_FLAG 1", "", ["breaks sources | name-removed | A_FLAG"]],
  [
    "a define with another value",
    "#define A_FLAG 1",
    "#define A_FLAG 2",
    ["breaks binaries | value-changed | A_FLAG"],
  ],
  ["a define with the same value, otherwise written", "#define A (1 << 4)", "#define A 0x10", []],
  [
    "a define that became an enumerator",
    "#define A_X 3",
    "enum e { A_X = 3 };",
    ["risk | macro-became-enumerator | A_X"],
  ],
  ["an enumerator with a define beside it", "#define A_X 3", "enum e { A_X = 3\n#define A_X A_X\n};", []],
  [
    "an enumerator put in before others",
    "enum e { A, B, C, E_MAX };",
    "enum e { A, NEW, B, C, E_MAX };",
    [
      "breaks binaries | enum-renumbered | enum e",
      "compatible | count-changed | E_MAX",
      "compatible | added | NEW",
    ],
  ],
  [
    "an enumerator put in at the end",
    "enum e { A, B, __E_END };",
    "enum e { A, B, NEW, __E_END };",
    ["compatible | count-changed | __E_END", "compatible | added | NEW"],
  ],
  [
    "an enumerator renamed",
    "enum e { E_A, E_OLD_MODE };",
    "enum e { E_A, E_NEW_MODE };",
    ["breaks sources | name-renamed | E_OLD_MODE", "compatible | added | E_NEW_MODE"],
  ],
  [
    "the value of an enumerator that is gone given to another",
    "enum e { E_A, E_DEV_FEATURES };",
    "enum e { E_A, E_BLOCK_CAPACITY };",
    ["breaks sources | value-reused | E_DEV_FEATURES", "compatible | added | E_BLOCK_CAPACITY"],
  ],
  ["a mask that grew", "#define V_MASK 3", "#define V_MASK 7", ["compatible | mask-changed | V_MASK"]],
  ["a mask that shrank", "#define V_MASK 7", "#define V_MASK 3", ["breaks binaries | mask-changed | V_MASK"]],
  [
    "an ioctl renumbered",
    "#define X_GO _IO('x', 1)",
    "#define X_GO _IO('x', 2)",
    ["breaks binaries | ioctl-number-changed | X_GO"],
  ],
  [
    "an ioctl whose struct grew",
    "struct s { __u32 a; };\n#define X_GET _IOR('x', 1, struct s)",
    "struct s { __u32 a; __u32 b; };\n#define X_GET _IOR('x', 1, struct s)",
    ["breaks binaries | ioctl-size-changed | X_GET", "risk | struct-grew | struct s"],
  ],
  [
    "an ioctl renamed",
    "#define X_OLD _IO('x', 1)",
    "#define X_NEW _IO('x', 1)",
    ["breaks sources | ioctl-renamed | X_OLD", "compatible | added | X_NEW"],
  ],
  [
    "a field moved",
    "struct s { __u32 a; __u32 b; };",
    "struct s { __u32 n; __u32 a; __u32 b; };",
    [
      "breaks binaries | field-moved | struct s: a",
      "breaks binaries | field-moved | struct s: b",
      "risk | struct-grew | struct s",
    ],
  ],
  [
    "a field renamed",
    "struct s { __u32 a; };",
    "struct s { __u32 b; };",
    ["breaks sources | field-renamed | struct s: a"],
  ],
  [
    "a field with another sign",
    "struct s { __u32 a; };",
    "struct s { __s32 a; };",
    ["risk | field-retyped | struct s: a"],
  ],
  [
    "a field in the other byte order",
    "struct s { __u32 a; };",
    "struct s { __be32 a; };",
    ["risk | field-retyped | struct s: a"],
  ],
  [
    "a hole filled",
    "struct s { __u8 a; __u32 b; };",
    "struct s { __u8 a; __u8 n; __u32 b; };",
    ["risk | hole-filled | struct s: n"],
  ],
  [
    "a reserved field used, and nothing said of zero",
    "struct s { __u32 a; __u32 reserved; };\n#define X_SET _IOW('x', 1, struct s)",
    "struct s { __u32 a; __u32 flags; };\n#define X_SET _IOW('x', 1, struct s)",
    ["risk | reserved-used-without-zero-rule | struct s: reserved"],
  ],
  [
    "a reserved field used that had to be zero",
    "struct s { __u32 a; __u32 reserved; /* must be zero */ };",
    "struct s { __u32 a; __u32 flags; };",
    ["compatible | reserved-used | struct s: reserved"],
  ],
  [
    "a reserved field used in what the kernel fills in",
    "struct s { __u32 a; __u32 reserved; };\n#define X_GET _IOR('x', 1, struct s)",
    "struct s { __u32 a; __u32 speed; };\n#define X_GET _IOR('x', 1, struct s)",
    ["compatible | reserved-used | struct s: reserved"],
  ],
  [
    "part of a reserved array used",
    "struct s { __u32 a; __u32 rsvd[3]; /* zero them */ };",
    "struct s { __u32 a; __u32 flags; __u32 rsvd[2]; };",
    ["compatible | reserved-used | struct s: rsvd"],
  ],
  [
    "a struct with its size in it grew",
    "struct s { __u32 size; };",
    "struct s { __u32 size; __u32 more; };",
    ["compatible | struct-grew | struct s"],
  ],
  [
    "a last array of one became flexible",
    "struct s { __u32 n; __u32 d[1]; };",
    "struct s { __u32 n; __u32 d[]; };",
    ["risk | flexible-array | struct s: d", "risk | struct-shrank | struct s"],
  ],
  ["[0] became []", "struct s { __u32 n; __u32 d[0]; };", "struct s { __u32 n; __u32 d[]; };", []],
  ["fields put into a union", "struct s { __u32 a; };", "struct s { union { __u32 a; __u32 also; }; };", []],
  ["a struct gone", "struct s { __u32 a; };", "", ["breaks sources | name-removed | struct s"]],
  [
    "a struct renamed",
    "struct s { __u32 a; };",
    "struct t { __u32 a; };",
    ["breaks sources | name-renamed | struct s", "compatible | added | struct t"],
  ],
  [
    "a typedef of another size",
    "typedef __u32 id_x;",
    "typedef __u64 id_x;",
    ["breaks binaries | type-changed | typedef id_x"],
  ],
  [
    "a macro with another result",
    "#define SHIFTED(x) ((x) << 1)",
    "#define SHIFTED(x) ((x) << 2)",
    ["breaks binaries | macro-changed | SHIFTED()"],
  ],
  ["a macro written otherwise", "#define SHIFTED(x) ((x) << 1)", "#define SHIFTED(y) ((y) * 2)", []],
  ["a text", '#define DEV "a"', '#define DEV "b"', ["risk | text-changed | DEV"]],
  [
    "code that is no number",
    "#define CALL foo(x)",
    "#define CALL bar(x)",
    ["not judged | code-changed | CALL"],
  ],
  [
    "a macro that became a function",
    "#define F(x) ((x)->a)",
    "static inline int F(int x) { return x; }",
    ["not judged | code-changed | F()"],
  ],
  [
    "only what a program can see counts",
    "#ifdef __KERNEL__\n#define K 1\n#endif\n#ifndef __KERNEL__\n#define U 1\n#endif",
    "#ifdef __KERNEL__\n#define K 2\n#endif\n#ifndef __KERNEL__\n#define U 1\n#endif",
    [],
  ],
  [
    "bits of a bit-field moved",
    "struct s { __u32 a:1, b:1; };",
    "struct s { __u32 b:1, a:1; };",
    ["breaks binaries | field-moved | struct s: a", "breaks binaries | field-moved | struct s: b"],
  ],
  [
    "packed",
    "struct s { __u8 a; __u32 b; };",
    "struct s { __u8 a; __u32 b; } __attribute__((packed));",
    ["breaks binaries | field-moved | struct s: b", "risk | struct-shrank | struct s"],
  ],
];

for (const [what, old, now, expected] of CASES)
  test(`compare: ${what}`, async () => {
    const { findings } = await compare(old, now);
    assert.deepEqual(findings.map(short).toSorted(), [...expected].toSorted());
  });

test("what breaks has its lines in both releases", async () => {
  const { findings } = await compare("\n#define A_FLAG 1\n", "\n\n\n#define A_FLAG 2\n");
  assert.deepEqual(findings[0]?.old, { path: "linux/x.h", line: 4 });
  assert.deepEqual(findings[0]?.new, { path: "linux/x.h", line: 6 });
});

test("what differs between 32 and 64 bits is said of the machine that it is so on", async () => {
  const both = { architectures: ["x86_64", "i386"] };
  const { findings } = await compare(
    "struct s { __u32 a; __u32 c; };",
    "struct s { __u32 a; __u64 b; };",
    both,
  );
  const gone = findings.find(({ rule }) => rule === "field-removed" || rule === "field-renamed");
  assert.deepEqual(gone?.architectures.length, 1);
  const born = await compare("", "struct s { __u32 a; __u64 b; };", both);
  assert.deepEqual(born.findings.map(short), [
    "risk | new-differs-by-machine | struct s",
    "compatible | new-has-holes | struct s",
  ]);
});

test("a header that is gone is one finding; names in another header are found", async () => {
  using before = scratchFolder({
    ...BASE_HEADERS,
    "linux/a.h": "#define A1 1\n#define A2 2\n",
    "linux/b.h": "#define B1 1\n#define B2 1\n",
  });
  using after = scratchFolder({ ...BASE_HEADERS, "linux/c.h": "#define B1 1\n#define B2 1\n" });
  const { findings } = await lintAbi(before.path, after.path, { architectures: ["x86_64"] });
  assert.deepEqual(findings.map(short), [
    "breaks sources | header-removed | <linux/a.h>",
    "breaks sources | header-moved | <linux/b.h>",
  ]);
});

test("a name that moved to a header that the old one includes breaks nobody", async () => {
  using before = scratchFolder({ "a.h": "#define X 1\n#define Y 1\n", "b.h": "#define Z 1\n" });
  using after = scratchFolder({
    "a.h": '#include "b.h"\n#define Y 1\n',
    "b.h": "#define Z 1\n#define X 1\n",
  });
  using apart = scratchFolder({ "a.h": "#define Y 1\n", "b.h": "#define Z 1\n#define X 1\n" });
  assert.deepEqual((await lintAbi(before.path, after.path)).findings, []);
  assert.deepEqual((await lintAbi(before.path, apart.path)).findings.map(short), [
    "breaks sources | name-moved | X",
  ]);
});

test("git revisions, of a bare repository too", { skip: hasGit() ? false : "git is not here" }, async () => {
  using scratch = scratchFolder({ "w/include/uapi/linux/x.h": "#define A_FLAG 1\n" });
  const work = join(scratch.path, "w");
  const git = (...args: string[]): void => {
    const done = spawnSync("git", [
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@example.org",
      "-C",
      work,
      ...args,
    ]);
    assert.equal(done.status, 0, done.stderr.toString());
  };
  git("init", "-q");
  git("add", ".");
  git("commit", "-qm", "one");
  git("tag", "v1");
  scratch.write({ "w/include/uapi/linux/x.h": "#define A_FLAG 2\n" });
  git("commit", "-qam", "two");
  const bare = join(scratch.path, "bare.git");
  git("clone", "-q", "--bare", work, bare);
  for (const repository of [work, bare]) {
    const { findings } = await lintAbi("v1", "HEAD", { repository });
    assert.deepEqual(findings.map(short), ["breaks binaries | value-changed | A_FLAG"]);
    assert.equal(findings[0]?.old?.path, "include/uapi/linux/x.h");
  }
  const narrow = await lintAbi("v1:include/uapi", "HEAD:include/uapi", { repository: work });
  assert.equal(narrow.findings.length, 1);
  await assert.rejects(lintAbi("v7", "HEAD", { repository: work }), has("INPUT_NOT_FOUND"));
});

function hasGit(): boolean {
  return spawnSync("git", ["--version"]).status === 0;
}

const has =
  (code: string) =>
  (error: unknown): boolean =>
    HmsError.is(error) && error.code === code;

test("the old kernel's code says who refused a reserved field", {
  skip: spawnSync("grep", ["--version"]).status === 0 ? false : "grep is not here",
}, async () => {
  const header = (last: string): string =>
    `struct s { int a; int ${last}; };\nstruct t { int a; int ${last}; };\n`;
  const code =
    "struct s *p; struct t q;\nint f(void)\n{\n\tif (p->a ||\n\t    p->reserved)\n\t\treturn -22;\n\tq.reserved = 0;\n}\n";
  using before = scratchFolder({ "include/uapi/linux/x.h": header("reserved"), "drivers/x.c": code });
  using after = scratchFolder({ "include/uapi/linux/x.h": header("queue") });
  const { findings } = await lintAbi(before.path, after.path, { sources: true });
  assert.deepEqual(findings.map(short).toSorted(), [
    "compatible | reserved-used | struct s: reserved",
    "risk | reserved-used-without-zero-rule | struct t: reserved",
  ]);
  assert.match(
    findings.find(({ rule }) => rule === "reserved-used")?.message ?? "",
    /drivers\/x\.c:5: if \(p->a \|\| p->reserved\)/,
  );
});

test("odd input is an error in one sentence", async () => {
  using empty = scratchFolder({ README: "no headers here" });
  await assert.rejects(lintAbi(empty.path, empty.path), has("NO_HEADERS"));
  await assert.rejects(
    lintAbi(join(empty.path, "nothing"), empty.path, { repository: empty.path }),
    has("INPUT_NOT_FOUND"),
  );
  await assert.rejects(
    lintAbi(empty.path, empty.path, { architectures: ["vax"] }),
    has("UNKNOWN_ARCHITECTURE"),
  );
});

test("what cannot be read is listed and judged no further", async () => {
  using outside = scratchFolder({ "secret.h": "#define SECRET 1\n" });
  const files = {
    "binary.h": new Uint8Array([0x23, 0, 1, 2]),
    "latin.h": Buffer.from("/* caf\xe9 */\n#define L 1\n", "latin1"),
    "loop.h": '#include "loop2.h"\n#define LOOP 1\n',
    "loop2.h": '#include "loop.h"\n',
    "endless.h":
      "#define F(x) F2(x) F2(x)\n#define F2(x) G(x) G(x)\n#define G(x) H(x) H(x)\n#define H(x) x x x x\nint a = F(F(F(F(F(F(F(1)))))));\n#define AFTER 1\n",
    "open.h": "#if 1\n#define O 1\n",
    "broken.h": "struct b { int a; @@ int; };\nstruct c { int a; };\n",
    "self.h": "struct s { struct s inner; };\n",
    "huge.h": `#define BIG 1\n/*${"x".repeat(9 << 20)}*/\n`,
    "deep.h": `#define DEEP ${"(".repeat(5000)}1${")".repeat(5000)}\n`,
    "empty.h": "",
  };
  using before = scratchFolder(files);
  using after = scratchFolder(files);
  for (const { path } of [before, after]) symlinkSync(join(outside.path, "secret.h"), join(path, "link.h"));
  const { findings } = await lintAbi(before.path, after.path, { architectures: ["x86_64"] });
  assert.deepEqual([...new Set(findings.map(({ verdict }) => verdict))], ["not judged"]);
  const named = new Set(findings.map(({ name, old, new: now }) => (old ?? now)?.path ?? name));
  for (const path of ["binary.h", "link.h", "huge.h", "loop.h", "endless.h", "open.h", "broken.h", "self.h"])
    assert.ok(named.has(path), `${path} in ${[...named].join(", ")}`);
});

test("a baseline holds back what is known, and says what can go", async () => {
  using scratch = scratchFolder();
  const report = await compare("#define A_FLAG 1\n#define B_FLAG 1", "#define A_FLAG 2\n#define B_FLAG 1");
  scratch.write({ "baseline.json": abiBaseline(report), "other.json": "{}" });
  const path = join(scratch.path, "baseline.json");
  assert.deepEqual(withoutBaseline(report, path).report.findings, []);
  const worse = await compare("#define A_FLAG 1\n#define B_FLAG 1", "\n\n#define A_FLAG 2\n#define B_FLAG 2");
  assert.deepEqual(
    withoutBaseline(worse, path).report.findings.map(({ name }) => name),
    ["B_FLAG"],
  );
  const better = await compare("#define A_FLAG 1", "#define A_FLAG 1");
  assert.equal(withoutBaseline(better, path).gone, 1);
  assert.throws(() => withoutBaseline(report, join(scratch.path, "other.json")), has("BASELINE_INVALID"));
});

test("text and SARIF say the same", async () => {
  const report = await compare("#define A_FLAG 1", "#define A_FLAG 2");
  const text = abiText(report, { colour: false, all: false });
  assert.match(text, /breaks binaries: 1\n {2}linux\/x\.h\n {4}3 → 3 {2}A_FLAG: 1 became 2\n/);
  const sarif = JSON.parse(abiSarif(report)) as { runs: { results: { ruleId: string; level: string }[] }[] };
  assert.deepEqual(
    sarif.runs[0]?.results.map(({ ruleId, level }) => `${level} ${ruleId}`),
    ["error value-changed"],
  );
});

test("golden files of our own interface", async () => {
  const golden = (types: object): string =>
    JSON.stringify(
      { released: 1, registry: { revision: 1, namespaces: { core: 0 }, types, objects: {} } },
      null,
      2,
    );
  const range = {
    kind: "struct",
    since: 1,
    fields: { first: { type: "u64", since: 1 }, count: { type: "u64", since: 1 } },
  };
  using scratch = scratchFolder({
    "old.json": golden({ range, mode: { kind: "enum", since: 1, values: { a: { value: 1, since: 1 } } } }),
    "same.json": golden({
      range,
      mode: { kind: "enum", since: 1, values: { a: { value: 1, since: 1 }, b: { value: 2, since: 2 } } },
    }),
    "new.json": golden({
      range: { ...range, fields: { count: { type: "u32", since: 1 }, first: { type: "u64", since: 1 } } },
      mode: { kind: "enum", since: 1, values: { b: { value: 1, since: 2 } } },
    }),
    "bad.json": "{",
  });
  const at = (name: string): string => join(scratch.path, name);
  const names = async (now: string): Promise<readonly string[]> =>
    (await lintAbi(at("old.json"), at(now))).findings.map(short);
  assert.deepEqual(await names("same.json"), ["compatible | added | types.mode.values.b"]);
  assert.deepEqual((await names("new.json")).toSorted(), [
    "breaks binaries | field-moved | types.range.fields.first",
    "breaks binaries | name-removed | types.mode.values.a",
    "breaks binaries | type-changed | types.range.fields.count",
    "breaks binaries | value-changed | types.mode.values.b",
    "compatible | added | types.mode.values.b",
  ]);
  await assert.rejects(lintAbi(at("old.json"), at("bad.json")), has("GOLDEN_INVALID"));
});
