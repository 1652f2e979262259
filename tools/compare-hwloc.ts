// Compares what two hwloc XML files say of a machine: node tools/compare-hwloc.ts EXPECTED.xml OURS.xml
// OURS may also be a capture (a folder or an archive), which is then read by hms.
//
// Prints one line for each difference (- only in EXPECTED, + only in OURS, ~ in both with another value) and a
// summary; exit code 0 when they agree, 1 when not. docs/guides/comparing-with-hwloc.md says how to use it. It reads
// the XML on its own, without the library's reader, so that a fault of that cannot hide here.
import { readFileSync } from "node:fs";
import { SaxesParser } from "saxes";

/** What is compared: for each sort of thing, its identity and what is said of it. */
export type Summary = ReadonlyMap<string, string>;

/** One difference; `expected` or `actual` is null where the item is missing. */
export interface Difference {
  /** `NUMANode 2`, `OSDev sda`, `Latency of node 1 for 0x3`, … */
  readonly item: string;
  readonly expected: string | null;
  readonly actual: string | null;
}

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

function parse(xml: string): Element {
  const parser = new SaxesParser();
  const root: Element = { name: "", attributes: {}, children: [], text: "" };
  const open: Element[] = [root];
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", (tag) => {
    const element: Element = { name: tag.name, attributes: { ...tag.attributes }, children: [], text: "" };
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on("text", (text) => {
    const top = open.at(-1);
    if (top !== undefined) top.text += text;
  });
  parser.on("closetag", () => open.pop());
  parser.write(xml).close();
  const [topology] = root.children;
  if (topology === undefined) throw new Error("the file holds no element");
  return topology;
}

/** Reads an hwloc XML file into what is compared. */
export function summarise(xml: string): Summary {
  const topology = parse(xml);
  const summary = new Map<string, string>();
  const add = (item: string, value: string): void => {
    // hwloc may have several things of one name (loop devices, say): all of them count.
    let key = item;
    for (let i = 2; summary.has(key); i++) key = `${item} (${i})`;
    summary.set(key, value);
  };
  const nodes = new Map<string, string>();
  const visit = (element: Element, pci: string): void => {
    const a = element.attributes;
    let below = pci;
    switch (a.type) {
      case "PU":
        add(`PU ${a.os_index}`, `cpuset ${a.cpuset}, nodeset ${a.nodeset}`);
        break;
      case "Package":
        add(
          `Package with CPUs ${a.cpuset === "0x0" ? a.complete_cpuset : a.cpuset}`,
          `os_index ${a.os_index ?? "none"}, cpuset ${a.cpuset}, nodeset ${a.nodeset}`,
        );
        break;
      case "NUMANode":
        nodes.set(a.gp_index ?? "", a.os_index ?? "");
        add(
          `NUMANode ${a.os_index}`,
          `cpuset ${a.cpuset}, nodeset ${a.nodeset}, local memory ${a.local_memory ?? 0}`,
        );
        break;
      case "MemCache":
        add(`MemCache of nodes ${a.nodeset}`, `size ${a.cache_size}`);
        break;
      case "PCIDev":
      case "Bridge":
        if (a.pci_busid !== undefined) {
          below = a.pci_busid;
          add(`PCI ${a.pci_busid}`, `class ${a.pci_type?.split(" ")[0]}`);
        }
        break;
      case "OSDev":
        add(`OSDev ${a.name}`, `type ${a.osdev_type}, subtype ${a.subtype ?? "none"}, below ${pci}`);
        break;
      default:
    }
    for (const child of element.children) if (child.name === "object") visit(child, below);
  };
  for (const child of topology.children) if (child.name === "object") visit(child, "no PCI function");
  for (const child of topology.children) {
    if (child.name === "distances2") addDistances(child, add);
    if (child.name === "memattr") addAttribute(child, nodes, add);
  }
  return summary;
}

function addDistances(element: Element, add: (item: string, value: string) => void): void {
  if (element.attributes.type !== "NUMANode") return;
  const numbers = (name: string): string[] =>
    element.children
      .filter((child) => child.name === name)
      .flatMap((child) => child.text.trim().split(/\s+/));
  const indexes = numbers("indexes");
  const values = numbers("u64values");
  indexes.forEach((from, row) => {
    indexes.forEach((to, column) => {
      add(
        `${element.attributes.name} from node ${from} to node ${to}`,
        values[row * indexes.length + column] ?? "missing",
      );
    });
  });
}

function addAttribute(
  element: Element,
  nodes: ReadonlyMap<string, string>,
  add: (item: string, value: string) => void,
): void {
  for (const { name, attributes: a } of element.children) {
    if (name !== "memattr_value") continue;
    const node = nodes.get(a.target_obj_gp_index ?? "") ?? "without a number";
    add(`${element.attributes.name} of node ${node} for CPUs ${a.initiator_cpuset}`, a.value ?? "missing");
  }
}

/** What two files say differently, in the order of the first. */
export function differences(expected: Summary, actual: Summary): Difference[] {
  const list: Difference[] = [];
  for (const [item, value] of expected) {
    const ours = actual.get(item) ?? null;
    if (ours !== value) list.push({ item, expected: value, actual: ours });
  }
  for (const [item, value] of actual) {
    if (!expected.has(item)) list.push({ item, expected: null, actual: value });
  }
  return list;
}

/** A difference as one or two lines for people. */
export function describe({ item, expected, actual }: Difference): string {
  if (actual === null) return `- ${item}: ${expected}`;
  if (expected === null) return `+ ${item}: ${actual}`;
  return `~ ${item}\n    expected ${expected}\n    but got  ${actual}`;
}

/** The XML of a file; of anything else that hms reads, what it writes of it. */
async function xmlOf(path: string): Promise<string> {
  if (path.endsWith(".xml")) return readFileSync(path, "utf8");
  const { discover } = await import("../packages/topology/src/discover.ts");
  const { writeHwlocXml } = await import("../packages/topology/src/formats/hwloc-xml/write.ts");
  return writeHwlocXml(await discover(path));
}

async function main(paths: readonly string[]): Promise<void> {
  const [expectedPath, actualPath] = paths;
  if (expectedPath === undefined || actualPath === undefined || paths.length > 2) {
    process.stderr.write(
      "Give two hwloc XML files (or captures): node tools/compare-hwloc.ts EXPECTED.xml OURS.xml\n",
    );
    process.exitCode = 2;
    return;
  }
  const expected = summarise(await xmlOf(expectedPath));
  const actual = summarise(await xmlOf(actualPath));
  const list = differences(expected, actual);
  for (const difference of list) process.stdout.write(`${describe(difference)}\n`);
  process.stdout.write(`${expected.size} items expected, ${actual.size} found, ${list.length} differences\n`);
  process.exitCode = list.length === 0 ? 0 : 1;
}

if (import.meta.main) await main(process.argv.slice(2));
