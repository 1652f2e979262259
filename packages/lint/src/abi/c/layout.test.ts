import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { askCompiler, hasCompiler } from "../../testing/compiler.ts";
import { BASE_HEADERS, scratchFolder } from "../../testing/header-trees.ts";
import { openHeaders } from "../header-files.ts";
import { InterfaceReader } from "../interface.ts";
import { ARCHITECTURES, type Architecture } from "./architecture.ts";

const MACHINES: readonly (readonly [name: string, flag: string])[] = [
  ["x86_64", "-m64"],
  ["i386", "-m32"],
];
/** Installed headers that are compared with the compiler's answers; every n-th, so that a run stays short. */
const EVERY = 25;

function machine(name: string): Architecture {
  const found = ARCHITECTURES.find((one) => one.name === name);
  assert.ok(found);
  return found;
}

function without(flag: string): string | false {
  if (process.arch !== "x64") return "gcc is asked on x86 only";
  return hasCompiler([flag]) ? false : `gcc with ${flag} is not here`;
}

const base = fc.constantFrom(
  "char",
  "short",
  "int",
  "long",
  "long long",
  "double",
  "float",
  "__u8",
  "__u64",
  "void *",
  "__aligned_u64",
  "unsigned long",
  "_Bool",
);
const plain = fc.record({ type: base, array: fc.constantFrom("", "", "", "[1]", "[3]", "[2][3]") });
const bits = fc.record({
  type: fc.constantFrom("unsigned char", "unsigned short", "int", "unsigned", "__u64", "long"),
  width: fc.nat(8),
  named: fc.boolean(),
});
const attribute = fc.constantFrom(
  "",
  "",
  "",
  "",
  " __attribute__((packed))",
  " __attribute__((aligned(2)))",
  " __attribute__((packed, aligned(4)))",
  " __attribute__((aligned(16)))",
);
const field = (depth: number): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(plain, attribute)
        .map(([{ type, array }, extra]) => `${type} NAME${array}${extra};`),
    },
    {
      weight: 3,
      arbitrary: bits.map(({ type, width, named }) =>
        named && width > 0 ? `${type} NAME : ${width};` : `${type} : ${width};`,
      ),
    },
    ...(depth === 0 ? [] : [{ weight: 2, arbitrary: record(depth - 1, true) }]),
  );
const record = (depth: number, inside: boolean): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom("struct", "struct", "union"),
      fc.array(field(depth), { minLength: 1, maxLength: 7 }),
      attribute,
      fc.constantFrom("NAME", "", "NAME[2]"),
    )
    .map(
      ([kind, fields, extra, name]) =>
        `${kind} ${inside ? "" : "NAME "}{ ${fields.join(" ")} }${extra}${inside ? ` ${name}` : ""};`,
    );

/** Gives every NAME one of its own. */
function named(text: string): string {
  let count = 0;
  return text.replace(/NAME/g, () => `n${count++}`);
}

for (const [name, flag] of MACHINES)
  test(`random structs lie as gcc lays them, on ${name}`, { skip: without(flag) }, async () => {
    using reader = await InterfaceReader.make();
    const property = fc.property(fc.array(record(2, false), { minLength: 30, maxLength: 30 }), (records) => {
      const text = `#include <linux/types.h>\n${records.map((one, index) => named(one).replaceAll(/\bn(\d+)/g, `r${index}_$1`)).join("\n")}\n`;
      using scratch = scratchFolder({ ...BASE_HEADERS, "linux/x.h": text });
      const read = reader.read(openHeaders(scratch.path, machine(name)), machine(name));
      const header = read.headers.get("linux/x.h");
      assert.ok(header);
      const { compared, disagreements, refused } = askCompiler(header, [flag, "-I", scratch.path]);
      assert.equal(refused, null);
      assert.ok(compared >= records.length);
      assert.deepEqual(disagreements, [], text);
    });
    fc.assert(property, { numRuns: 15, endOnFailure: false });
  });

const INSTALLED = "/usr/include/linux";
test("installed kernel headers lie as gcc lays them", {
  skip: existsSync(`${INSTALLED}/types.h`) ? without("-m64") : "the kernel's headers are not installed here",
}, async () => {
  using reader = await InterfaceReader.make();
  const x86 = machine("x86_64");
  const files = openHeaders("/usr/include", x86);
  const own = {
    ...files,
    text: (path: string) => files.text(path),
    place: files.place.bind(files),
    onOtherMachines: () => null,
    paths: files.paths.filter((path) => /^(linux|drm|sound|rdma)\//.test(path)),
  };
  const { headers } = reader.read(own, x86);
  let compared = 0;
  let at = 0;
  for (const header of headers.values()) {
    if (at++ % EVERY !== 0) continue;
    const answer = askCompiler(header, ["-m64"]);
    assert.deepEqual(answer.disagreements, [], header.path);
    compared += answer.compared;
  }
  assert.ok(compared > 100, `${compared} numbers were compared`);
});
