import { createHash } from "node:crypto";
import type { Facts } from "../model/facts.ts";
import { IndexSet } from "../model/index-set.ts";
import { formatSize } from "../model/units.ts";
import { LiveTree } from "../tree/live.ts";
import type { FileTree } from "../tree/tree.ts";
import type { MeasuredHost, MeasuredNode } from "./measurements.ts";

/** How far a node's size may be off: kernels keep different amounts to themselves. */
const SIZE_TOLERANCE = 0.02;
/** Characters of the hash that are kept. */
const HASH_LENGTH = 16;
const MODEL_FACTS = ["CPUVendor", "CPUFamilyNumber", "CPUModelNumber", "CPUStepping"] as const;

/** What hosts are told apart by. */
export type HostFacts = Pick<Facts, "info" | "groups" | "nodes" | "processors">;

/** The machine that facts are about, as measurements name it. */
export function hostOf(facts: HostFacts, tree: FileTree): MeasuredHost {
  const online = IndexSet.of(facts.processors.filter((one) => one.online).map(({ index }) => index));
  return {
    architecture: facts.info.Architecture ?? null,
    cpuModel: modelOf(facts),
    machine: machineHash(tree),
    nodes: facts.nodes
      .filter((node) => node.online)
      .map(({ index, size, cpus }) => ({ index, size, cpus: cpus.and(online) })),
  };
}

/** As `hostOf`, for the machine that this runs on as `discoverLive` read it. */
export function hostOfThisMachine(machine: HostFacts): MeasuredHost {
  return hostOf(machine, new LiveTree());
}

function modelOf({ info, groups }: HostFacts): string | null {
  const of = groups.find(({ type, info: own }) => type === "package" && own.CPUModel !== undefined);
  const known = of?.info ?? info;
  const { CPUModel } = known;
  if (CPUModel === undefined) return null;
  const more = MODEL_FACTS.map((name) => known[name]).filter((value) => value !== undefined);
  return more.length === 0 ? CPUModel : `${CPUModel} (${more.join(" ")})`;
}

/** The machine's id itself is to stay on the machine (machine-id(5)). */
function machineHash(tree: FileTree): string | null {
  const id = tree.readText("etc/machine-id")?.trim();
  if (id === undefined || !/^[0-9a-f]{32}$/.test(id)) return null;
  return createHash("sha256").update(`hms measured ${id}`).digest("hex").slice(0, HASH_LENGTH);
}

/**
 * Why measurements of one host say nothing of another: the end of a sentence, or null when they are the same machine.
 * What is not known of either is not compared.
 */
export function misfit(measured: MeasuredHost, here: MeasuredHost): string | null {
  for (const [name, then, now] of [
    ["architecture", measured.architecture, here.architecture],
    ["processor", measured.cpuModel, here.cpuModel],
  ] as const) {
    if (then !== null && now !== null && then !== now) return `its ${name} was ${then} and here it is ${now}`;
  }
  if (measured.machine !== null && here.machine !== null && measured.machine !== here.machine)
    return "its machine-id was another";
  return nodesMisfit(measured.nodes, here.nodes);
}

function nodesMisfit(measured: readonly MeasuredNode[], here: readonly MeasuredNode[]): string | null {
  const names = (nodes: readonly MeasuredNode[]): string => IndexSet.of(nodes.map((n) => n.index)).toList();
  if (names(measured) !== names(here))
    return `its nodes were ${names(measured) || "none"} and here they are ${names(here) || "none"}`;
  const now = new Map(here.map((node) => [node.index, node]));
  for (const then of measured) {
    const node = now.get(then.index);
    if (node === undefined) continue;
    if (!then.cpus.equals(node.cpus))
      return `node${then.index} had the CPUs ${then.cpus.toList() || "none"} and here it has ${node.cpus.toList() || "none"}`;
    if (then.size === null || node.size === null) continue;
    if (Math.abs(then.size - node.size) > Math.max(then.size, node.size) * SIZE_TOLERANCE)
      return `node${then.index} had ${formatSize(then.size)} and here it has ${formatSize(node.size)}`;
  }
  return null;
}
