import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeParser } from "../src/abi/c/parser.ts";
import { scratchFolder } from "../src/testing/header-trees.ts";
import { moduleCapable } from "./build.ts";
import { readMentions, stripped } from "./read-code.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");
/** What the class "nobody" has to reach. */
const SHARE_MIN = 0.97;
const DRAWN = 200;

interface Recorded {
  readonly class: string;
  readonly agree: number;
  readonly of: number;
  readonly judgements: readonly {
    readonly symbol: string;
    readonly file: string;
    readonly judged: string;
    readonly agrees: boolean;
    readonly mentions: number;
    readonly evidence: readonly { readonly place: string; readonly reading: string }[];
  }[];
}

test('the class "nobody" was judged anew on 200 symbols, and is right on 97 of 100', () => {
  const { judgements, agree, of } = JSON.parse(
    readFileSync(join(FIXTURES, "nobody-6.12.json"), "utf8"),
  ) as Recorded;
  assert.equal(new Set(judgements.map(({ symbol, file }) => `${symbol} ${file}`)).size, DRAWN);
  assert.equal(of, DRAWN);
  assert.equal(judgements.filter((one) => one.agrees).length, agree);
  assert.ok(agree / of >= SHARE_MIN, `${agree} of ${of}`);
  for (const { agrees, judged, symbol, mentions } of judgements) {
    assert.equal(agrees, judged === "nobody" || judged === "headers", symbol);
    // The export itself is one.
    assert.ok(mentions >= 1, symbol);
  }
});

const READINGS: readonly (readonly [what: string, code: string, kinds: string])[] = [
  ["a call", "void f(void) { it(1); }", "use"],
  ["its address in data", "static struct ops o = { .run = it };", "use"],
  ["an array of them", "void *all[] = { it, other };", "use"],
  ["a declaration", "extern int it(int x);", "none"],
  ["a prototype without extern", "int it(struct a *b, int c);", "none"],
  ["a definition", "int it(int x) { return x; }", "none"],
  ["a member", "void f(struct s *p) { p->it = 1; s.it(2); }", "none none"],
  ["a designated member", "struct ops o = { .it = other };", "none"],
  ["a parameter", "void f(int it) { g(it); }", "none none"],
  ["a local", "void f(void) { int it = 1; g(it); }", "none none"],
  ["a label", "void f(void) { goto it; it: return; }", "none none"],
  ["a tag", "struct it { int a; }; struct it x;", "none none"],
  ["a static of its own", "static int it(void) { return 1; } void f(void) { it(); }", "none none"],
  [
    "a stub for those that do without, and a call",
    "#ifndef X\nstatic int it(void) { return 1; }\n#endif\nvoid f(void) { it(); }",
    "none use",
  ],
  ["a macro's body", "#define CALL(x) it(x)", "macro"],
  ["a macro's body over lines", "#define CALL(x) \\\n\tdo { it(x); } \\\n\twhile (0)", "macro"],
  ["a member in a macro's body", "#define CALL(x) (x)->it", ""],
  ["the name of a macro", "#define it other", "none"],
  ["an export", "EXPORT_SYMBOL(it);", "none"],
  ["a comment and a text", '/* it */ char *s = "it"; // it', ""],
  ["what #if 0 leaves out", "#if 0\nvoid f(void) { it(); }\n#else\nvoid g(void) { it(); }\n#endif", "use"],
];

for (const [what, code, kinds] of READINGS)
  test(`a mention is read: ${what}`, async () => {
    using parser = await makeParser();
    const found = readMentions(code, "it", false, parser).map(({ reading }) => reading.kind);
    assert.equal(found.join(" "), kinds);
  });

test("a mention in an inline function of a header leads on to that function", async () => {
  using parser = await makeParser();
  const [mention] = readMentions("static inline int way(void)\n{\n\treturn it();\n}\n", "it", true, parser);
  assert.deepEqual(mention, { line: 3, reading: { kind: "inline", name: "way" } });
});

test("comments and texts go, lines stay", () => {
  const text = 'a /* x\ny */ b // z\n"it" c\n';
  assert.equal(stripped(text), 'a     \n     b     \n"  " c\n');
});

test("what is tristate makes a module of what it builds, also over composite objects and folders above", () => {
  using tree = scratchFolder({
    "drivers/a/Makefile":
      "obj-$(CONFIG_A) += whole.o\nwhole-y := one.o \\\n  two.o\nobj-y += always.o\nobj-$(CONFIG_B) += b.o\n",
    "drivers/a/Kconfig": 'config A\n\ttristate "a"\n\nconfig B\n\tbool "b"\n',
  });
  const kinds = ["two", "always", "b", "nowhere"].map((name) =>
    moduleCapable(tree.path, `drivers/a/${name}.c`),
  );
  assert.deepEqual(kinds, ["module", "built-in", "built-in", "unknown"]);
});

test("the judge contradicts a report that calls a used symbol unused", {
  skip: spawnSync("grep", ["--version"]).status === 0 ? false : "grep is not here",
}, () => {
  using scratch = scratchFolder({
    "tree/Kbuild": "",
    "tree/lib/a.c":
      "int used(void) { return 1; }\nEXPORT_SYMBOL(used);\nint lonely(void) { return 1; }\nEXPORT_SYMBOL(lonely);\nint pasted_one(void) { return 1; }\nEXPORT_SYMBOL(pasted_one);\n",
    "tree/include/a.h":
      "int used(void);\nint lonely(void);\n#define WAY() used()\n#define PASTE(x) pasted_##x()\n",
    "tree/drivers/b.c": "void f(void) { WAY(); PASTE(one); /* lonely() */ }\n",
    "report.json": JSON.stringify({
      release: "1",
      symbols: ["used", "lonely", "pasted_one"].map((symbol) => ({
        symbol,
        file: "lib/a.c",
        line: 1,
        macro: "EXPORT_SYMBOL",
        sort: "symbol",
        class: "nobody",
      })),
    }),
  });
  const done = spawnSync(
    process.execPath,
    [join(import.meta.dirname, "judge.ts"), join(scratch.path, "tree"), join(scratch.path, "report.json")],
    { encoding: "utf8" },
  );
  assert.match(done.stdout, /^1 of 3 agree \(33\.3 %\)/m, done.stderr);
  assert.match(done.stdout, /^used /m);
  assert.match(done.stdout, /^pasted_one /m);
});
