import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MENTION } from "./mention.ts";
import { NameTable } from "./names.ts";
import { CodeScanner } from "./scanner.ts";
import { addWords } from "./words.ts";

const { reference, macro, fileArgument, assembler, symbolGet } = MENTION;
const { definition, declaration, annotation, member, otherThing, ownDefinition, comment, string } = MENTION;

/** How each mention of `sym` in a file is read, line by line. */
function readings(code: string, inAssembler = false): [line: number, mention: number][] {
  const names = new NameTable();
  const meaning = addWords(names);
  const id = names.add("sym");
  const scanner = new CodeScanner(names, meaning, { onMacro() {}, onUse() {}, onInclude() {} });
  const bytes = Buffer.from(code, "latin1");
  scanner.scan(bytes, bytes.length, {
    internAll: false,
    owners: false,
    everything: true,
    assembler: inAssembler,
  });
  const rows: [number, number][] = [];
  for (let i = 0; i < scanner.mentions.length; i += 4)
    if (scanner.mentions.at(i + 1) === id)
      rows.push([scanner.mentions.at(i + 2), scanner.mentions.at(i + 3)]);
  return rows.sort((a, b) => a[0] - b[0]);
}

function kinds(code: string): number[] {
  return readings(code).map(([, mention]) => mention);
}

/** Mentions that a search for words takes for uses, and what they are. */
const TRAPS: readonly (readonly [what: string, code: string, expected: readonly number[]])[] = [
  ["a call", "int f(void)\n{\n\treturn sym(1);\n}\n", [reference]],
  ["an address in an initializer", "static struct ops o = {\n\t.open = sym,\n};\n", [reference]],
  ["an address among others", "static void *t[] = { a, sym, b };\n", [reference]],
  ["an address behind an equals sign", "void (*hook)(void) = sym;\n", [reference]],
  ["a condition", "int f(void)\n{\n\tif (sym == 3)\n\t\treturn 1;\n}\n", [reference]],
  ["behind a label", "int f(void)\n{\nout:\n\tsym(1);\n}\n", [reference]],
  ["in a statement expression", "int f(void)\n{\n\tint x = ({ sym(); });\n}\n", [reference]],
  ["in a ternary", "int f(int a)\n{\n\treturn a ? 1 : sym(2);\n}\n", [reference]],
  ["a multiplication", "int f(int a)\n{\n\treturn a * sym;\n}\n", [reference]],
  ["a prototype", "extern int sym(struct a *b);\nint sym(int);\n", [declaration, declaration]],
  ["an extern variable", "extern unsigned long sym;\n", [declaration]],
  [
    "extern within a function",
    "int f(int a)\n{\n\textern unsigned long sym;\n\treturn a == sym;\n}\n",
    [declaration, reference],
  ],
  [
    "a definition and its calls",
    "static int sym(int a)\n{\n\treturn a;\n}\nint f(void)\n{\n\treturn sym(1);\n}\n",
    [definition, ownDefinition],
  ],
  [
    "a stub below a condition leaves the calls",
    "#ifdef A\nint sym(void);\n#else\nstatic int sym(void)\n{\n\treturn 0;\n}\n#endif\nint f(void)\n{\n\treturn sym();\n}\n",
    [declaration, definition, reference],
  ],
  [
    "a variable of its own",
    "static DEFINE_MUTEX(sym);\nint f(void)\n{\n\tlock(&sym);\n}\n",
    [definition, ownDefinition],
  ],
  [
    "a macro of its own",
    "#define sym(x) other(x)\nint f(void)\n{\n\treturn sym(1);\n}\n",
    [definition, ownDefinition],
  ],
  ["a member", "int f(struct a *b)\n{\n\treturn b->sym(b) + b[0].sym;\n}\n", [member, member]],
  ["a designated member", "static struct ops o = {\n\t.sym = open,\n};\n", [member]],
  [
    "a member that is declared",
    "struct ops {\n\tint (*sym)(int);\n\tstruct list sym;\n};\n",
    [otherThing, otherThing],
  ],
  ["a tag", "struct sym *f(void);\nenum sym { A };\n", [otherThing, otherThing]],
  [
    "a parameter",
    "int f(struct a *sym)\n{\n\treturn use(sym);\n}\nint g(void)\n{\n\treturn use(sym);\n}\n",
    [otherThing, otherThing, reference],
  ],
  [
    "a local variable",
    "int f(void)\n{\n\tstruct a *b, *sym;\n\treturn use(sym);\n}\n",
    [otherThing, otherThing],
  ],
  [
    "a local variable of an inner block ends with it",
    "int f(void)\n{\n\tif (a) {\n\t\tint sym = 1;\n\t\tuse(sym);\n\t}\n\treturn sym();\n}\n",
    [otherThing, otherThing, reference],
  ],
  [
    "a loop variable",
    "int f(void)\n{\n\tfor (int sym = 0; sym < 3; sym++)\n\t\tg();\n}\n",
    [otherThing, otherThing, otherThing],
  ],
  ["a label", "int f(void)\n{\n\tgoto sym;\nsym:\n\treturn 0;\n}\n", [otherThing, otherThing]],
  ["comments and strings", '/* sym */\n// sym()\nchar *s = "sym()";\n', [comment, comment, string]],
  ["below #if 0", "#if 0\nint f(void) { return sym(); }\n#endif\n", [MENTION.disabled]],
  [
    "the other branch of #if 0",
    "#if 0\nvoid g(void);\n#else\nint f(void)\n{\n\treturn sym();\n}\n#endif\n",
    [reference],
  ],
  ["a condition of the preprocessor", "#ifdef sym\n#endif\n", [MENTION.condition]],
  [
    "an argument of a macro outside of functions",
    "module_init(sym);\nDEFINE_THING(o, sym);\n",
    [fileArgument, fileArgument],
  ],
  ["an annotation", "NOKPROBE_SYMBOL(sym);\nBTF_ID(func, sym)\n", [annotation, annotation]],
  ["an export elsewhere", "EXPORT_SYMBOL_GPL(sym);\n", [MENTION.export]],
  ["a macro's body", "#define CALL(x) sym(x)\n", [macro]],
  [
    "a macro's body over several lines",
    "#define CALL(x) do {\t\\\n\tother(x);\t\\\n\tsym(x);\t\\\n} while (0)\n",
    [macro],
  ],
  ["a macro's parameter", "#define CALL(sym) use(sym)\n", []],
  ["a part of a name that is pasted", "#define MAKE(x) sym##x()\n", []],
  [
    "asm",
    'int f(void)\n{\n\tasm volatile("call sym\\n\\tsym2" : : : "memory");\n\tprint("sym");\n}\n',
    [assembler, string],
  ],
  ["symbol_get by a string", 'int f(void)\n{\n\treturn __symbol_get("sym");\n}\n', [symbolGet]],
  [
    "branches that both open a brace",
    "int f(void)\n{\n#ifdef A\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t\tg();\n\t}\n}\nint sym(int a)\n{\n}\n",
    [definition],
  ],
  ["a local prototype of a function", "int f(void)\n{\n\tstruct a b = { .c = sym };\n}\n", [reference]],
];

for (const [what, code, expected] of TRAPS)
  test(`a mention is read: ${what}`, () => {
    assert.deepEqual(kinds(code), expected);
  });

test("assembler: labels and directives define, calls use, comments do neither", () => {
  const code = ["/* sym */", ".globl sym", "sym:", "SYM_FUNC_START(sym)", "  # sym", ""].join("\n");
  assert.deepEqual(
    readings(code, true)
      .filter(([, mention]) => mention !== comment)
      .map(([, mention]) => mention),
    [definition, definition, definition],
  );
  assert.deepEqual(
    readings("\tcall sym\n\tbl sym@plt // sym\n", true).map(([, mention]) => mention),
    [assembler, assembler, comment],
  );
});

test("lines are counted through comments, strings, continued directives and #if 0", () => {
  const code =
    '/*\n*/\n#define A \\\n  b\n#if 0\n\n#endif\nchar *s = "a\\\nb";\nint f(void)\n{\n\tsym();\n}\n';
  assert.deepEqual(readings(code), [[12, reference]]);
});

const seed = Number(process.env.HMS_FUZZ_SEED ?? 1);
test(`any bytes are read to their end (seed ${seed})`, () => {
  const pieces = fc.constantFrom(
    "sym",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    "=",
    "*",
    ".",
    "->",
    "#if 0\n",
    "#else\n",
    "#endif\n",
    "#define a(x) x##sym \\\n",
    '"',
    "'",
    "/*",
    "*/",
    "//",
    "\n",
    "\\",
    "int ",
    "struct ",
    "asm(",
    "\xff\xfe",
    "\0",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 200 }), fc.boolean(), (list, inAssembler) => {
      const code = list.join("");
      const lines = code.split("\n").length;
      for (const [line] of readings(code, inAssembler)) assert.ok(line >= 1 && line <= lines);
    }),
    { seed, numRuns: Number(process.env.HMS_FUZZ_RUNS ?? 500) },
  );
});
