import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AbiHeader } from "../abi/interface.ts";

/** What a compiler and the reader may differ in. */
export interface Disagreement {
  readonly what: string;
  readonly compiler: bigint;
  readonly reader: bigint;
}

export interface CompilerCheck {
  /** Sizes, offsets and values that both have. */
  readonly compared: number;
  readonly disagreements: readonly Disagreement[];
  /** Why the compiler did not take the header, or null. */
  readonly refused: string | null;
}

interface Question {
  readonly what: string;
  readonly expression: string;
  readonly reader: bigint;
}

/** An error may hide others. */
const ROUNDS_MAX = 8;

/** Whether gcc is here, and takes the flags. */
export function hasCompiler(flags: readonly string[]): boolean {
  const done = spawnSync("gcc", [...flags, "-S", "-x", "c", "-o", "/dev/null", "-"], {
    input: "int x;",
    encoding: "utf8",
  });
  return done.status === 0;
}

/** Asks gcc for every size, offset and value that was read of a header. Its answers are read off the assembler text: nothing is run. */
export function askCompiler(header: AbiHeader, flags: readonly string[]): CompilerCheck {
  const folder = mkdtempSync(join(tmpdir(), "hms-abi-"));
  try {
    let questions = questionsOf(header);
    // What the compiler cannot make a constant of (a bit-field's place) is left out, and it is asked again.
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const source = join(folder, "ask.c");
      const answer = join(folder, "ask.s");
      const lines = questions.map(({ expression }) => `  (unsigned long long)(${expression}),`);
      const head = `#include <${header.path}>\nconst unsigned long long hms_answers[] = {\n`;
      writeFileSync(source, `${head}${lines.join("\n")}\n  0x5eed5eedULL };\n`);
      const done = spawnSync("gcc", [...flags, "-w", "-fmax-errors=0", "-S", "-o", answer, source], {
        encoding: "utf8",
        env: { ...process.env, LC_ALL: "C" },
      });
      if (done.status === 0) return compare(questions, readFileSync(answer, "latin1"));
      const bad = new Set(
        [...done.stderr.matchAll(/ask\.c:(\d+):\d+: (?:error|note: in expansion)/g)].map(
          (one) => Number(one[1]) - 3,
        ),
      );
      const kept = questions.filter((_, index) => !bad.has(index));
      if (kept.length === questions.length || bad.has(-2))
        return {
          compared: 0,
          disagreements: [],
          refused: done.stderr.split("\n").find((line) => /error/.test(line)) ?? "",
        };
      questions = kept;
    }
    return { compared: 0, disagreements: [], refused: "too many rounds" };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function questionsOf(header: AbiHeader): Question[] {
  const questions: Question[] = [];
  for (const { name, layout } of header.records.values()) {
    if (layout === null) continue;
    questions.push({ what: `sizeof(${name})`, expression: `sizeof(${name})`, reader: BigInt(layout.bytes) });
    questions.push({
      what: `alignof(${name})`,
      expression: `_Alignof(${name})`,
      reader: BigInt(layout.align),
    });
    for (const field of layout.fields) {
      if (field.name.includes("[]") || field.bitOffset % 8 !== 0) continue;
      questions.push({
        what: `offsetof(${name}, ${field.name})`,
        expression: `__builtin_offsetof(${name}, ${field.name})`,
        reader: BigInt(field.bitOffset / 8),
      });
    }
  }
  for (const { name, value } of header.constants.values())
    if (value.kind === "integer")
      questions.push({ what: name, expression: name, reader: BigInt.asUintN(64, value.value) });
  return questions;
}

function compare(questions: readonly Question[], assembler: string): CompilerCheck {
  const answers = answersOf(assembler);
  const disagreements = questions.flatMap(({ what, reader }, index) => {
    const compiler = answers[index];
    return compiler === undefined || compiler === reader ? [] : [{ what, compiler, reader }];
  });
  return { compared: Math.min(questions.length, answers.length), disagreements, refused: null };
}

/** The numbers of the array, out of `.quad` or pairs of `.long`. */
function answersOf(assembler: string): bigint[] {
  const start = assembler.indexOf("\nhms_answers:");
  const bytes: number[] = [];
  const put = (value: bigint, count: number): void => {
    for (let at = 0; at < count; at++)
      bytes.push(Number(BigInt.asUintN(64, value >> BigInt(8 * at)) & 0xffn));
  };
  for (const line of assembler
    .slice(start + 1)
    .split("\n")
    .slice(1)) {
    const [, word = "", value = ""] = /^\s*\.(\w+)\s+(\S+)/.exec(line) ?? [];
    if (word === "quad")
      put(BigInt.asUintN(64, BigInt(value.replace(/^-/, "")) * (value.startsWith("-") ? -1n : 1n)), 8);
    else if (word === "long")
      put(BigInt.asUintN(32, BigInt(value.replace(/^-/, "")) * (value.startsWith("-") ? -1n : 1n)), 4);
    else if (word === "zero") put(0n, Number(value));
    else if (word !== "") break;
  }
  const answers: bigint[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    let value = 0n;
    for (let index = 7; index >= 0; index--) value = (value << 8n) | BigInt(bytes[at + index] ?? 0);
    answers.push(value);
  }
  return answers;
}
