import { hostname } from "node:os";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { discoverLive } from "../discover.ts";
import { discoverTree } from "../discover-tree.ts";
import type { Machine } from "../model/machine.ts";
import { DiskStore } from "../tree/folder.ts";
import type { MemoryEntry } from "../tree/memory.ts";
import type { FileStore } from "../tree/store.ts";
import { RecordingStore, RecordingTree } from "./gather.ts";
import { Redactor } from "./redact.ts";

/** What hwloc's gathering tool, and so every reader of captures, notes of what no file says. */
const NOTES = "proc/hwloc-nofile-info";
/** The folder in the archive. */
const TOP = "hms-capture";
/** Between two reports of progress. */
const PROGRESS_FILES = 100;

export interface SaveOptions {
  /** Told from time to time how many files were read. */
  readonly onProgress?: (files: number) => void;
}

/** A machine as it was saved. */
export interface Saved {
  /** A .tar.gz. */
  readonly archive: Uint8Array;
  /** Files and links in it. */
  readonly files: number;
  /** Files that this process may not read, and which are not in it. */
  readonly unreadable: readonly string[];
}

/**
 * Gathers the machine that this runs on for a bug report: a capture of just the files that hms reads, which opens
 * as the same machine. Serial numbers, UUIDs, MAC and network addresses and the host's name are zeros in it.
 *
 * @example
 * ```ts
 * import { writeFileSync } from "node:fs";
 * import { saveMachine } from "@hms/topology";
 * const { archive, files } = await saveMachine();
 * writeFileSync("machine.tar.gz", archive);
 * ```
 */
export async function saveMachine(options: SaveOptions = {}): Promise<Saved> {
  const name = hostname();
  const hostNames = [name, name.split(".", 1)[0] ?? name];
  return saveStore(new DiskStore("/"), { ...options, hostNames, notes: notesOf(discoverLive()) });
}

/** As saveMachine, of the machine whose files a store holds. */
export async function saveStore(
  source: FileStore,
  options: SaveOptions & { readonly hostNames: readonly string[]; readonly notes: string },
): Promise<Saved> {
  const store = record(source, options);
  const groups = store.kept.get("proc/self/cgroup");
  const redactor = new Redactor({
    hostNames: options.hostNames,
    cgroups: groups === undefined ? "" : textOf(groups),
  });
  const entries = new Map<string, MemoryEntry>();
  for (const [path, entry] of store.kept) entries.set(redactor.path(path), redactor.entry(path, entry));
  const unreadable = [...store.unreadable].filter(([, code]) => code === "EACCES" || code === "EPERM");
  const archive = await packed(entries, about(unreadable.map(([path]) => redactor.path(path))));
  return { archive, files: entries.size, unreadable: unreadable.map(([path]) => path) };
}

function textOf(entry: MemoryEntry): string {
  if (typeof entry === "string") return entry;
  return entry instanceof Uint8Array ? Buffer.from(entry).toString("utf8") : "";
}

/** Reads the machine as a capture would be read, and keeps what that takes. */
function record(source: FileStore, options: SaveOptions & { readonly notes: string }): RecordingStore {
  let told = 0;
  const store = new RecordingStore(source, new Map([[NOTES, options.notes]]), (files) => {
    if (files < told + PROGRESS_FILES) return;
    told = files;
    options.onProgress?.(files);
  });
  discoverTree(new RecordingTree(store, source, "this machine"), { kind: "capture", path: "this machine" });
  return store;
}

/** What a running machine tells by other ways than files. */
function notesOf(machine: Machine): string {
  const lines = [`OSName: ${machine.info.OSName ?? "Linux"}`];
  if (machine.info.Architecture !== undefined) lines.push(`Architecture: ${machine.info.Architecture}`);
  const pageSize = machine.nodes.flatMap((node) => node.pageSizes.slice(0, 1)).find((page) => page.size > 0);
  if (pageSize !== undefined) lines.push(`PageSize: ${pageSize.size}`);
  return `${lines.join("\n")}\n`;
}

function about(unreadable: readonly string[]): string {
  const lines = [
    "A capture of a machine, made by `hms topo --save`. Look at it with `hms topo --input FILE.tar.gz`.",
    "It holds the files that hms reads. Serial numbers, UUIDs, MAC and network addresses and the host's name are zeros.",
  ];
  if (unreadable.length > 0) lines.push("", "Not readable by whoever made it:", ...unreadable);
  return `${lines.join("\n")}\n`;
}

async function packed(entries: ReadonlyMap<string, MemoryEntry>, text: string): Promise<Uint8Array> {
  const packer = pack();
  const parts: Uint8Array[] = [];
  packer.on("data", (part) => parts.push(part as Uint8Array));
  const ended = new Promise<void>((resolve, reject) => {
    packer.on("end", resolve);
    packer.on("error", reject);
  });
  // The same machine gives the same archive: no times, no owners.
  const same = { mtime: new Date(0), uid: 0, gid: 0 };
  packer.entry({ name: `${TOP}/about.txt`, ...same }, text);
  for (const path of [...entries.keys()].sort()) {
    const entry = entries.get(path) ?? "";
    const name = `${TOP}/${path}`;
    if (typeof entry === "string" || entry instanceof Uint8Array)
      packer.entry({ name, ...same }, typeof entry === "string" ? entry : Buffer.from(entry));
    else if ("link" in entry) packer.entry({ name, type: "symlink", linkname: entry.link, ...same });
    else if ("kind" in entry && entry.kind === "directory")
      packer.entry({ name: `${name}/`, type: "directory", mode: 0o755, ...same });
  }
  packer.finalize();
  await ended;
  return gzipSync(Buffer.concat(parts), { level: 9 });
}
