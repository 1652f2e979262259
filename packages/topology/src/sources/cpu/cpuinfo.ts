import type { FileTree } from "../../tree/tree.ts";
import { quoted } from "../attribute.ts";
import type { Discovery } from "../source.ts";

const PATH = "proc/cpuinfo";
/** CPUs looked at in /proc/cpuinfo, at most: the kernel's own limit is 8,192. */
const CPUS_MAX = 65_536;

/** Names that /proc/cpuinfo and hwloc have for one thing, by the sort of /proc/cpuinfo. */
type Names = ReadonlyMap<string, string>;
interface Dialect {
  /** Of each CPU. */
  readonly cpu: Names;
  /** Of the machine: what stands above the first CPU or below the last. */
  readonly machine: Names;
}

const NONE: Names = new Map();
const X86: Dialect = {
  cpu: new Map([
    ["vendor_id", "CPUVendor"],
    ["cpu family", "CPUFamilyNumber"],
    ["model", "CPUModelNumber"],
    ["model name", "CPUModel"],
    ["stepping", "CPUStepping"],
  ]),
  machine: NONE,
};
const IA64: Dialect = {
  cpu: new Map([
    ["vendor", "CPUVendor"],
    ["family", "CPUFamilyNumber"],
    ["model", "CPUModelNumber"],
    ["model name", "CPUModel"],
  ]),
  machine: NONE,
};
const ARM_CPU: Names = new Map([
  ["Processor", "CPUModel"],
  ["model name", "CPUModel"],
  ["CPU implementer", "CPUImplementer"],
  ["CPU architecture", "CPUArchitecture"],
  ["CPU variant", "CPUVariant"],
  ["CPU part", "CPUPart"],
  ["CPU revision", "CPURevision"],
]);
const ARM: Dialect = {
  cpu: ARM_CPU,
  machine: new Map([...ARM_CPU, ["Hardware", "HardwareName"], ["Revision", "HardwareRevision"]]),
};
const POWER: Dialect = {
  cpu: new Map([
    ["cpu", "CPUModel"],
    ["revision", "CPURevision"],
  ]),
  // `machine` says more than `model` and comes after it.
  machine: new Map([
    ["platform", "PlatformName"],
    ["model", "PlatformModel"],
    ["machine", "PlatformModel"],
  ]),
};
const S390: Dialect = { cpu: NONE, machine: new Map([["vendor_id", "CPUVendor"]]) };
const OTHER: Dialect = {
  cpu: new Map([
    ["model name", "CPUModel"],
    ["Model Name", "CPUModel"],
    ["cpu model", "CPUModel"],
    ["uarch", "CPUModel"],
    ["cpu", "CPUModel"],
  ]),
  machine: NONE,
};

/** What /proc/cpuinfo says; empty where there is none. */
export class CpuInfo {
  /** Numbers of the CPUs it names, in rising order. */
  readonly cpus: readonly number[];
  /** hwloc's names for what it says of the machine as a whole. */
  readonly machine: Readonly<Record<string, string>>;
  readonly #text: string;
  /** By CPU: where its lines start and end. */
  readonly #lines = new Map<number, readonly [number, number]>();
  readonly #dialect: Dialect;

  constructor(text: string) {
    this.#text = text;
    const starts = [...text.matchAll(/^processor[ \t]*:[ \t]*(\d{1,5})[ \t]*$/gm)].slice(0, CPUS_MAX);
    for (const [i, match] of starts.entries()) {
      const next = starts[i + 1]?.index ?? text.length;
      // A blank line ends what is said of a CPU; below the last one may come lines about the machine.
      const blank = text.indexOf("\n\n", match.index);
      this.#lines.set(Number(match[1]), [match.index, blank < 0 || blank > next ? next : blank]);
    }
    this.cpus = [...this.#lines.keys()].sort((a, b) => a - b);
    const first = starts[0];
    const above = text.slice(0, first?.index ?? text.length);
    let end = 0;
    for (const [, last] of this.#lines.values()) if (last > end) end = last;
    const below = first === undefined ? "" : text.slice(end);
    this.#dialect = dialectOf(first === undefined ? "" : this.#block(Number(first[1])), `${above}\n${below}`);
    this.machine = translate(fieldsOf(`${above}\n${below}`), this.#dialect.machine);
  }

  /** hwloc's names for what it says of a CPU: CPUModel, CPUVendor, … */
  infoOf(cpu: number): Readonly<Record<string, string>> {
    return translate(fieldsOf(this.#block(cpu)), this.#dialect.cpu);
  }

  /** A number it says of a CPU, such as `physical id`; undefined when absent or none. */
  numberOf(cpu: number, name: string): number | undefined {
    const value = fieldsOf(this.#block(cpu)).get(name);
    return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  }

  #block(cpu: number): string {
    const range = this.#lines.get(cpu);
    return range === undefined ? "" : this.#text.slice(...range);
  }
}

function dialectOf(cpu: string, machine: string): Dialect {
  if (/^vendor_id\s*:\s*IBM\/S390/m.test(machine)) return S390;
  if (/^cpu family\s*:/m.test(cpu) || (/^model name\s*:/m.test(cpu) && /^flags\s*:/m.test(cpu))) return X86;
  if (/^arch\s*:\s*IA-64/m.test(cpu)) return IA64;
  if (/^(CPU implementer|Processor)\s*:/m.test(`${cpu}\n${machine}`)) return ARM;
  if (/^(timebase|platform)\s*:/m.test(machine)) return POWER;
  return OTHER;
}

function fieldsOf(lines: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return fields;
}

function translate(fields: ReadonlyMap<string, string>, names: Names): Record<string, string> {
  const info: Record<string, string> = {};
  for (const [name, hwlocName] of names) {
    const value = fields.get(name);
    if (value !== undefined && value !== "" && !value.includes("\uFFFD") && value.length <= 256)
      info[hwlocName] = value;
  }
  return info;
}

const known = new WeakMap<FileTree, CpuInfo>();

/** What /proc/cpuinfo says, read once for each tree. */
export function cpuInfoOf(discovery: Discovery): CpuInfo {
  const { tree } = discovery;
  let info = known.get(tree);
  if (info === undefined) {
    const text = tree.readText(PATH) ?? "";
    if (text.trim() !== "" && !/^[^\n:]+:/m.test(text))
      discovery.warn(PATH, `holds ${quoted(text)} where lines such as "processor : 0" are expected`);
    info = new CpuInfo(text);
    known.set(tree, info);
  }
  return info;
}
