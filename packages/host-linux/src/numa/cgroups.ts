// Where the control groups of a process are, in either version of the kernel's interface.
import { join } from "node:path";
import { readText } from "./files.ts";

/** Levels of groups that are looked at, from the process's own upwards. */
export const GROUP_LEVELS_MAX = 64;

/** A control group of a hierarchy. */
export interface Group {
  /** Its path in the hierarchy: `/user.slice`. */
  readonly path: string;
  /** The folder of its files. */
  readonly folder: string;
}

/** The groups of a process for one controller, its own first, the root of what is visible last. */
export interface GroupChain {
  readonly version: 1 | 2;
  readonly groups: readonly Group[];
}

interface Mount {
  readonly version: 1 | 2;
  readonly point: string;
  /** The group that is the root of what is mounted. */
  readonly root: string;
}

/** The groups of a process (its folder in /proc) for a controller, or null when there are none to be seen. */
export function groupsOf(root: string, process: string, controller: string): GroupChain | null {
  const text = readText(join(process, "cgroup"));
  if (text === null) return null;
  const own = ownGroups(text, controller);
  const mounts = findMounts(root, controller);
  // A controller is in one hierarchy only: version 1, where it is mounted there.
  for (const version of [1, 2] as const) {
    const path = own[version];
    const mount = mounts.find((one) => one.version === version);
    if (path === null || mount === undefined) continue;
    return { version, groups: chain(root, mount, path) };
  }
  return null;
}

function ownGroups(
  text: string,
  controller: string,
): { readonly 1: string | null; readonly 2: string | null } {
  let first: string | null = null;
  let second: string | null = null;
  for (const line of text.split("\n")) {
    const [, number, controllers = "", path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (controllers.split(",").includes(controller)) first = path;
    else if (number === "0" && controllers === "") second = path;
  }
  return { 1: first, 2: second };
}

function findMounts(root: string, controller: string): Mount[] {
  const text = readText(join(root, "proc/self/mountinfo")) ?? "";
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [before = "", after = ""] = line.split(" - ", 2);
    const [, , , top = "/", point = ""] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    if (type === "cgroup2")
      mounts.push({ version: 2, point: unescapeMount(point), root: unescapeMount(top) });
    if (type === "cgroup" && options.split(",").includes(controller)) {
      mounts.push({ version: 1, point: unescapeMount(point), root: unescapeMount(top) });
    }
  }
  return mounts;
}

/** The kernel writes a blank in a path as `\040`. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function chain(root: string, mount: Mount, path: string): Group[] {
  // In a container the group is told by its path outside, and what is mounted begins at it.
  const below =
    path === mount.root || path.startsWith(`${mount.root}/`) ? path.slice(mount.root.length) : path;
  const parts = below.split("/").filter((part) => part !== "" && part !== ".");
  // A group outside of what this process may see: the root of what is mounted is the nearest.
  if (parts.includes("..")) parts.length = 0;
  const groups: Group[] = [];
  for (let level = Math.min(parts.length, GROUP_LEVELS_MAX); level >= 0; level--) {
    const names = parts.slice(0, level);
    groups.push({ path: `/${names.join("/")}`, folder: join(root, mount.point, ...names) });
  }
  return groups;
}
