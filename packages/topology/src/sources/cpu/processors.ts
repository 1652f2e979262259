import type { Processor } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { numbered, readInteger, readList } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { cpuInfoOf } from "./cpuinfo.ts";
import { cpusetOf } from "./cpuset.ts";
import { noFileInfo } from "./no-file-info.ts";

/** Where the kernel has a directory for each CPU. */
export const CPU_DIRECTORY = "sys/devices/system/cpu";
const SWITCH = { min: 0, max: 1 };

/** The CPUs: those that there are, which of them run, and which of those this process (or the captured one) may use. */
export const processors: Source = {
  name: "processors",
  after: [],
  discover(discovery: Discovery): void {
    const { present, online } = findCpus(discovery);
    const allowed = allowedOf(discovery, online);
    for (const index of present) {
      discovery.facts.processors.push({
        index,
        online: online.has(index),
        allowed: allowed?.has(index) ?? true,
      });
    }
  },
};

interface Cpus {
  readonly present: IndexSet;
  readonly online: IndexSet;
}

function findCpus(discovery: Discovery): Cpus {
  const present = IndexSet.of(numbered(discovery, CPU_DIRECTORY, "cpu"));
  const listed = readList(discovery, `${CPU_DIRECTORY}/online`);
  if (!present.isEmpty) return { present, online: onlineOf(discovery, present, listed) };
  if (listed !== undefined && !listed.isEmpty) return { present: listed, online: listed };
  const all = withoutSysfs(discovery);
  return { present: all, online: all };
}

function onlineOf(discovery: Discovery, present: IndexSet, listed: IndexSet | undefined): IndexSet {
  if (listed?.intersects(present) === true) return listed.and(present);
  // Older kernels: a file for each CPU that can be switched off, and no topology for one that is off.
  const on: number[] = [];
  const described: number[] = [];
  for (const cpu of present) {
    const directory = `${CPU_DIRECTORY}/cpu${cpu}`;
    if (readInteger(discovery, `${directory}/online`, SWITCH) === 0) continue;
    on.push(cpu);
    if (discovery.tree.exists(`${directory}/topology`)) described.push(cpu);
  }
  return IndexSet.of(described.length > 0 ? described : on);
}

/** The CPUs of a capture that has no directories of them. */
function withoutSysfs(discovery: Discovery): IndexSet {
  const { cpus } = cpuInfoOf(discovery);
  if (cpus.length > 0) return IndexSet.of(cpus.filter((cpu) => cpu <= IndexSet.INDEX_MAX));
  const count = Number(noFileInfo(discovery.tree).get("FallbackNbProcessors"));
  return Number.isInteger(count) && count > 0
    ? IndexSet.range(0, Math.min(count, CPUS_GUESSED_MAX) - 1)
    : IndexSet.EMPTY;
}

/** CPUs believed in when only their number is noted, at most (the kernel's own limit). */
const CPUS_GUESSED_MAX = 8192;

function allowedOf(discovery: Discovery, online: IndexSet): IndexSet | null {
  const { name, cpus } = cpusetOf(discovery);
  if (cpus === null || cpus.intersects(online)) return cpus;
  if (!online.isEmpty)
    discovery.warn(
      "proc/self/cgroup",
      `names the cgroup ${name}, which allows the CPUs ${cpus.toList()}: none of them is online, taken as no limit`,
    );
  return null;
}

/** By the list of processors, which does not change once its source has run. */
const onlineOfAll = new WeakMap<readonly Processor[], IndexSet>();

/** The CPUs that run, for the sources that come after. */
export function onlineCpus(discovery: Discovery): IndexSet {
  const { processors: all } = discovery.facts;
  let online = onlineOfAll.get(all);
  if (online === undefined) {
    online = IndexSet.of(all.filter((p) => p.online).map((p) => p.index));
    onlineOfAll.set(all, online);
  }
  return online;
}
