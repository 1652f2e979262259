// Writes packages/host-linux/src/sys/abi.generated.ts: the kernel's constants, ioctl numbers and struct layouts, asked
// of gcc and a tree of kernel headers. Nothing of the program that asks is run: gcc translates it, and the values are
// read from its assembly, so that one machine serves every architecture.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { constants, enumerators, headers, laterEnumerators, type Struct, structs } from "./uapi-names.ts";

const OUTPUT = join(import.meta.dirname, "../packages/host-linux/src/sys/abi.generated.ts");
const HELP = `Usage: node tools/uapi.ts [--headers DIR] [--check]

Writes packages/host-linux/src/sys/abi.generated.ts out of the kernel headers below DIR (default: /usr/include), for
x86_64 and arm64. With --check nothing is written: what DIR knows of this machine's architecture is compared
with the file.

The file needs headers of Linux 6.12 or later; Debian 12 has 6.1. Its backports have newer ones, with the headers of all
architectures in one package:

  echo 'deb http://deb.debian.org/debian bookworm-backports main' > /etc/apt/sources.list.d/backports.list
  apt-get update && apt-get download linux-libc-dev/bookworm-backports
  dpkg -x linux-libc-dev_*.deb headers
  node tools/uapi.ts --headers headers/usr/include
`;

/** The architectures written: Node's name of each, and the folder of its headers. */
export const architectures: readonly (readonly [arch: string, triplet: string])[] = [
  ["x64", "x86_64-linux-gnu"],
  ["arm64", "aarch64-linux-gnu"],
];

/** Values by name: constants as they are, `struct.field` the offset of a field, `struct.bytes` its size. */
export type Values = ReadonlyMap<string, number>;

function program(): string {
  const lines = headers.map((header) => `#if __has_include(<${header}>)\n#include <${header}>\n#endif`);
  lines.push('#define SAY(name, value) __asm__ volatile("\\n@say " name " %0" : : "i"((long)(value)))');
  lines.push("#define AT(type, field) __builtin_offsetof(type, field)", "void say(void) {");
  for (const name of constants) lines.push(`#ifdef ${name}`, `SAY("${name}", ${name});`, "#endif");
  for (const name of enumerators) lines.push(`SAY("${name}", ${name});`);
  for (const { name, when } of laterEnumerators)
    lines.push(`#if ${when}`, `SAY("${name}", ${name});`, "#endif");
  for (const struct of structs) lines.push(...askStruct(struct));
  lines.push("}");
  return `${lines.join("\n")}\n`;
}

function askStruct({ name, type, since, fields }: Struct): string[] {
  const lines = since === null ? [] : [`#ifdef ${since}`];
  lines.push(`SAY("${name}.bytes", sizeof(${type}));`);
  for (const [field, path] of Object.entries(fields))
    lines.push(`SAY("${name}.${field}", AT(${type}, ${path}));`);
  if (since !== null) lines.push("#endif");
  return lines;
}

/** Asks gcc what the headers below `folder` say for one architecture; null when they do not cover it. */
export function ask(folder: string, triplet: string): Values | null {
  const own = join(folder, triplet);
  if (!existsSync(join(own, "asm/unistd.h"))) return null;
  const work = mkdtempSync(join(tmpdir(), "hms-uapi-"));
  try {
    const source = join(work, "say.c");
    writeFileSync(source, program());
    const flags = ["-S", "-O1", "-nostdinc", "-ffreestanding", "-w", "-isystem", own, "-isystem", folder];
    // Some layouts depend on the macro that names the architecture.
    const machine = triplet.startsWith("aarch64") ? ["-U__x86_64__", "-D__aarch64__"] : [];
    const run = spawnSync("gcc", [...flags, ...machine, "-o", "-", source], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    if (run.error !== undefined || run.status !== 0) {
      throw new Error(`gcc on the headers in ${folder}: ${run.error?.message ?? run.stderr}`);
    }
    const found = run.stdout.matchAll(/^@say (\S+) [$#]?(-?\d+)$/gm);
    return new Map(Array.from(found, ([, name, value]) => [name as string, Number(value)]));
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Whether gcc is there to be asked. */
export function haveGcc(): boolean {
  return spawnSync("gcc", ["--version"]).status === 0;
}

function value(name: string, by: readonly Values[]): string | null {
  const all = by.map((values) => values.get(name));
  if (all.includes(undefined)) return null;
  const [x64, arm64] = all as [number, number];
  const show = (n: number) => (n > 0xffff ? `0x${n.toString(16)}` : String(n));
  return x64 === arm64 ? show(x64) : `onArm ? ${show(arm64)} : ${show(x64)}`;
}

function need(name: string, by: readonly Values[]): string {
  const found = value(name, by);
  if (found === null)
    throw new Error(`The headers do not know ${name}: Linux 6.12's or later are needed (--help).`);
  return found;
}

function write(by: readonly Values[]): string {
  const lines = [
    "// Made by tools/uapi.ts from the kernel's headers: do not edit. Offsets and sizes are bytes.",
    'const onArm: boolean = process.arch === "arm64";',
    "",
  ];
  for (const name of [...constants, ...enumerators, ...laterEnumerators.map((one) => one.name)]) {
    const text = need(name, by);
    lines.push(
      text.includes("?") ? `export const ${name}: number = ${text};` : `export const ${name} = ${text};`,
    );
  }
  for (const { name, type, fields } of structs) {
    const values = ["bytes", ...Object.keys(fields)].map(
      (field) => [field, need(`${name}.${field}`, by)] as const,
    );
    // What depends on the architecture has to be said to be a number.
    const differs = values.some(([, text]) => text.includes("?"));
    const kind = `: { ${values.map(([field]) => `readonly ${field}: number`).join("; ")} }`;
    lines.push("", `/** \`${type}\` */`, `export const ${name}${differs ? kind : ""} = {`);
    for (const [field, text] of values) lines.push(`  ${field}: ${text},`);
    lines.push(differs ? "};" : "} as const;");
  }
  return `${lines.join("\n")}\n`;
}

/**
 * What the generated file says otherwise than the headers below `folder`, of what these know, for the architecture
 * that runs: one line each.
 */
export async function differences(folder: string): Promise<string[]> {
  const triplet = architectures.find(([arch]) => arch === process.arch)?.[1] ?? "";
  const known = ask(folder, triplet);
  if (known === null) throw new Error(`${folder} has no headers of ${process.arch} (${triplet}).`);
  const file: Readonly<Record<string, unknown>> = await import(OUTPUT);
  const lines: string[] = [];
  for (const [name, value] of known) {
    const [first, field] = name.split(".") as [string, string?];
    const held = file[first];
    const mine = field === undefined ? held : (held as Record<string, number> | undefined)?.[field];
    if (mine !== value) lines.push(`${name}: ${value} in ${folder}, ${mine} in ${OUTPUT}`);
  }
  return lines;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      headers: { type: "string", default: "/usr/include" },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.check) {
    const lines = await differences(values.headers);
    process.stdout.write(lines.length === 0 ? "ok\n" : `${lines.join("\n")}\n`);
    return lines.length === 0 ? 0 : 1;
  }
  const by = architectures.map(([arch, triplet]) => {
    const known = ask(values.headers, triplet);
    if (known === null)
      throw new Error(`${values.headers} has no headers of ${arch} (${triplet}): see --help.`);
    return known;
  });
  writeFileSync(OUTPUT, write(by));
  return 0;
}

if (import.meta.main) process.exitCode = await main();
