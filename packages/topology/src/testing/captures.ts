/** Captures that tests write down themselves: files in memory or in a temporary folder, and what the sources find in them. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Facts } from "../model/facts.ts";
import { emptyFacts, type FactsDraft } from "../model/facts-draft.ts";
import { SOURCES } from "../sources/mod.ts";
import type { Source } from "../sources/source.ts";
import { type MemoryEntry, MemoryTree } from "../tree/memory.ts";
import type { FileTree } from "../tree/tree.ts";

/** Files by path, relative to the root of the machine. */
export type Files = Readonly<Record<string, MemoryEntry>>;

/** What sources (all of them unless given) find in a tree or in files. */
export function factsOf(given: Files | FileTree, sources: readonly Source[] = SOURCES): Facts {
  const tree = isTree(given) ? given : new MemoryTree(given);
  const facts: FactsDraft = emptyFacts();
  const warn = (path: string, message: string): void => {
    facts.warnings.push({ path, message });
  };
  for (const source of sources) source.discover({ tree, facts, warn });
  facts.warnings.push(...tree.warnings);
  return facts;
}

function isTree(given: Files | FileTree): given is FileTree {
  return typeof (given as FileTree).readText === "function";
}

/**
 * A capture in a temporary folder, which goes away with it.
 *
 * @example
 * ```ts
 * using capture = captureFrom({ "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal: 16384 kB" });
 * const facts = factsOf(new FolderTree(capture.path));
 * ```
 */
export function captureFrom(files: Files): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "hms-capture-"));
  for (const [name, entry] of Object.entries(files)) {
    const at = join(path, name);
    mkdirSync(dirname(at), { recursive: true });
    if (typeof entry === "string" || entry instanceof Uint8Array) writeFileSync(at, entry);
    else if ("link" in entry) symlinkSync(entry.link, at);
    else if ("kind" in entry && entry.kind === "directory") mkdirSync(at, { recursive: true });
    else throw new Error(`Write a capture: ${name} is something that a folder cannot be given`);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Files of CPUs 0 … count − 1: cores of `threads` neighbours, packages of `perPackage`. */
export function cpuFiles(
  count: number,
  shape: { readonly threads?: number; readonly perPackage?: number } = {},
): Files {
  const { threads = 1, perPackage = count } = shape;
  const files: Record<string, MemoryEntry> = {
    "sys/devices/system/cpu/online": list(0, count),
    "sys/devices/system/cpu/possible": list(0, count),
  };
  for (let cpu = 0; cpu < count; cpu++) {
    const directory = `sys/devices/system/cpu/cpu${cpu}/topology`;
    const core = Math.floor(cpu / threads);
    const package_ = Math.floor(cpu / perPackage);
    files[`${directory}/core_cpus`] = mask(core * threads, threads);
    files[`${directory}/core_id`] = `${core}\n`;
    files[`${directory}/package_cpus`] = mask(package_ * perPackage, perPackage);
    files[`${directory}/physical_package_id`] = `${package_}\n`;
  }
  return files;
}

/** Files of a NUMA node. */
export function nodeFiles(
  index: number,
  of: {
    readonly cpus?: string;
    readonly megabytes?: number;
    readonly distance?: string;
    readonly more?: Files;
  } = {},
): Files {
  const directory = `sys/devices/system/node/node${index}`;
  const kilobytes = (of.megabytes ?? 1024) * 1024;
  const files: Record<string, MemoryEntry> = {
    [`${directory}/cpulist`]: `${of.cpus ?? ""}\n`,
    [`${directory}/meminfo`]: `\nNode ${index} MemTotal:       ${kilobytes} kB\nNode ${index} MemFree:        ${kilobytes / 2} kB\n`,
  };
  if (of.distance !== undefined) files[`${directory}/distance`] = `${of.distance}\n`;
  for (const [name, entry] of Object.entries(of.more ?? {})) files[`${directory}/${name}`] = entry;
  return files;
}

/** Files of an access class of a node, to be given to nodeFiles as `more`. Bandwidths in MB/s, latencies in ns. */
export function accessFiles(
  index: number,
  initiators: readonly number[],
  numbers: { readonly bandwidth?: number; readonly latency?: number },
): Files {
  const directory = `access${index}/initiators`;
  const files: Record<string, MemoryEntry> = { [directory]: { kind: "directory" } };
  for (const node of initiators) files[`${directory}/node${node}`] = { link: `../../../node${node}` };
  for (const way of ["read", "write"]) {
    if (numbers.bandwidth !== undefined) files[`${directory}/${way}_bandwidth`] = `${numbers.bandwidth}\n`;
    if (numbers.latency !== undefined) files[`${directory}/${way}_latency`] = `${numbers.latency}\n`;
  }
  return files;
}

/** The kernel's list of `count` numbers from `first` on. */
function list(first: number, count: number): string {
  return `${first}-${first + count - 1}\n`;
}

/** The kernel's mask of `count` numbers from `first` on. */
function mask(first: number, count: number): string {
  const bits = ((1n << BigInt(count)) - 1n) << BigInt(first);
  const digits = bits.toString(16);
  const words: string[] = [];
  for (let end = digits.length; end > 0; end -= 8) words.unshift(digits.slice(Math.max(0, end - 8), end));
  return `${words.join(",")}\n`;
}
