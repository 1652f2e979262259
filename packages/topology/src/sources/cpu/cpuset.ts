import type { IndexSet } from "../../model/index-set.ts";
import type { FileTree } from "../../tree/tree.ts";
import { quoted, readLine, readList } from "../attribute.ts";
import type { Discovery } from "../source.ts";

/** What a cpuset or cgroup leaves to the process (for a capture: to the one that took it). */
export interface Cpuset {
  /** Its name, such as `/user.slice`; null when it is not known. */
  readonly name: string | null;
  /** CPUs allowed, null when nothing limits them. */
  readonly cpus: IndexSet | null;
  /** NUMA nodes allowed, null when nothing limits them. */
  readonly nodes: IndexSet | null;
}

/** One place where a cpuset can be mounted, and the names of the files in it. */
interface Mount {
  readonly path: string;
  readonly cpus: readonly string[];
  readonly nodes: readonly string[];
}

const V2: Omit<Mount, "path"> = { cpus: ["cpuset.cpus.effective"], nodes: ["cpuset.mems.effective"] };
/** In a v1 hierarchy what is configured is what is effective, so hwloc and the kernel agree on these. */
const V1: Omit<Mount, "path"> = {
  cpus: ["cpuset.cpus", "cpuset.effective_cpus"],
  nodes: ["cpuset.mems", "cpuset.effective_mems"],
};
/** But not when it is mounted to behave as v2. */
const V1_AS_V2: Omit<Mount, "path"> = {
  cpus: ["cpuset.effective_cpus", "cpuset.cpus"],
  nodes: ["cpuset.effective_mems", "cpuset.mems"],
};
/** Mounted as the file system `cpuset`, or with `noprefix`. */
const BARE: Omit<Mount, "path"> = { cpus: ["cpus"], nodes: ["mems"] };
/** Levels of cgroups looked through, from the process's own upwards, at most. */
const LEVELS_MAX = 64;

const known = new WeakMap<FileTree, Cpuset>();

/** The cpuset of the process, read once for each tree. */
export function cpusetOf(discovery: Discovery): Cpuset {
  let cpuset = known.get(discovery.tree);
  if (cpuset === undefined) {
    cpuset = readCpuset(discovery);
    known.set(discovery.tree, cpuset);
  }
  return cpuset;
}

function readCpuset(discovery: Discovery): Cpuset {
  const { name, version } = readName(discovery);
  if (name === null) return { name, cpus: null, nodes: null };
  const mount = findMount(discovery, version);
  const cpus = mount === undefined ? undefined : nearest(discovery, mount.path, name, mount.cpus);
  const nodes = mount === undefined ? undefined : nearest(discovery, mount.path, name, mount.nodes);
  return { name, cpus: cpus ?? null, nodes: nodes ?? null };
}

/** Name of the cgroup that is the cpuset of the process, and in which hierarchy. */
function readName(discovery: Discovery): { readonly name: string | null; readonly version: 1 | 2 | null } {
  // The kernel names the cgroup itself, in version 2 the nearest that has the controller.
  const told = readPath(discovery, "proc/self/cpuset");
  const file = "proc/self/cgroup";
  const text = discovery.tree.readText(file) ?? "";
  const lines = text.split("\n");
  if (text.trim() !== "" && !/^\d+:[^:\n]*:\//m.test(text))
    discovery.warn(file, `holds ${quoted(text)} where lines such as "0::/user.slice" are expected`);
  for (const line of lines) {
    const [, controllers = "", name] = /^\d+:([^:]*):(\/.{0,4095})$/.exec(line) ?? [];
    if (name !== undefined && controllers.split(",").includes("cpuset"))
      return { name: told ?? name, version: 1 };
  }
  for (const line of lines) {
    const name = /^0::(\/.{0,4095})$/.exec(line)?.[1];
    if (name !== undefined) return { name: told ?? name, version: 2 };
  }
  return { name: told ?? null, version: null };
}

/** A path as the kernel has them, at most 4,096 characters long. */
function readPath(discovery: Discovery, file: string): string | undefined {
  const line = readLine(discovery, file);
  if (line === undefined || /^\/.{0,4095}$/.test(line)) return line;
  discovery.warn(file, `holds ${quoted(line)} where a path such as /user.slice is expected`);
  return undefined;
}

function findMount(discovery: Discovery, version: 1 | 2 | null): Mount | undefined {
  const text = discovery.tree.readText("proc/mounts");
  let v2: Mount | undefined;
  for (const line of text?.split("\n") ?? []) {
    const [, place = "", type = "", options = ""] = line.split(" ");
    const path = unescapeMount(place).replace(/^\/+/, "");
    if (type === "cpuset") return { path, ...BARE };
    if (type === "cgroup2") v2 ??= { path, ...V2 };
    if (type !== "cgroup" || version === 2) continue;
    const flags = options.split(",");
    if (!flags.includes("cpuset")) continue;
    if (flags.includes("noprefix")) return { path, ...BARE };
    return { path, ...(flags.includes("cpuset_v2_mode") ? V1_AS_V2 : V1) };
  }
  if (v2 !== undefined && version !== 1) return v2;
  if (text !== undefined) return undefined;
  return version === 1
    ? { path: "sys/fs/cgroup/cpuset", ...V1 }
    : { path: "sys/fs/cgroup", ...(version === 2 ? V2 : V1) };
}

/** The kernel writes a blank in a path as `\040`. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/**
 * The set of a cgroup, or of the nearest above it that has one: a cgroup without the controller has its parent's.
 * An empty set leaves a process nothing to run on and so is none.
 */
function nearest(
  discovery: Discovery,
  mount: string,
  name: string,
  files: readonly string[],
): IndexSet | undefined {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  // Above what the process may see: its own cgroup is the root of what is mounted.
  if (parts.includes("..")) parts.length = 0;
  for (let level = Math.min(parts.length, LEVELS_MAX); level >= 0; level--) {
    const directory = [mount, ...parts.slice(0, level)].filter((part) => part !== "").join("/");
    for (const file of files) {
      const path = `${directory}/${file}`;
      const set = readList(discovery, path);
      if (set === undefined) continue;
      if (!set.isEmpty) return set;
      discovery.warn(path, "is empty, which would leave nothing to run on: taken as no limit");
      return undefined;
    }
  }
  return undefined;
}
