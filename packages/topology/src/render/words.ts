/** How things are called and numbers written in every rendering. */
import type { InitiatorType, LinkMedium, LinkProperties, MemoryKind, PciLink } from "../model/facts.ts";
import { ORIGINS, type Origin, type Quantity } from "../model/quantity.ts";
import { formatBandwidth, formatLatency } from "../model/units.ts";

/** What stands for a number that nobody states. */
export const UNKNOWN = "?";
/** What stands where there is no way from an initiator to a target. */
export const UNREACHABLE = "·";

export const KIND_WORDS: Readonly<Record<MemoryKind, string>> = {
  dram: "DRAM",
  hbm: "HBM",
  nvm: "NVM",
  cxl: "CXL",
  gpu: "GPU memory",
  device: "device memory",
  file: "file",
  far: "far memory",
  unknown: "unknown memory",
};

/** The same for the narrow column of a table. */
export const KIND_SHORT: Readonly<Record<MemoryKind, string>> = {
  ...KIND_WORDS,
  gpu: "GPU mem",
  device: "dev mem",
  far: "far mem",
  unknown: "unknown",
};

export const CLASS_WORDS: Readonly<Record<InitiatorType, string>> = {
  cpu: "CPU",
  gpu: "GPU",
  nic: "NIC",
  accelerator: "accelerator",
  block: "storage",
  dma: "DMA engine",
  generic: "generic",
};

/** The same for the narrow column of a table. */
export const CLASS_SHORT: Readonly<Record<InitiatorType, string>> = {
  ...CLASS_WORDS,
  accelerator: "accel",
  dma: "DMA",
};

export const MEDIUM_WORDS: Readonly<Record<LinkMedium, string>> = {
  memory: "memory",
  interconnect: "interconnect",
  pcie: "PCIe",
  cxl: "CXL",
  xgmi: "xGMI",
  nvlink: "NVLink",
  network: "network",
  unknown: "unknown",
};

export const ORIGIN_WORDS: Readonly<Record<Origin, string>> = {
  measurement: "measured",
  spec: "spec",
  cdat: "CDAT",
  hmat: "HMAT",
  kfd: "KFD",
  network: "port rate",
  pci: "PCIe rate",
  hwloc: "hwloc",
  model: "published",
  distance: "distance",
};

/** Longest name or label that is shown; the rest is cut off. */
const TEXT_MAX = 60;

/** Control characters, and those that are not seen or that turn the direction of text around. */
const INVISIBLE: RegExp = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/**
 * Text of the input made fit to be shown: without control characters (a label could hold a terminal's commands) and
 * not longer than a line has room for.
 */
export function clean(text: string, max: number = TEXT_MAX): string {
  const trimmed = text
    .slice(0, 4 * TEXT_MAX + max)
    .toWellFormed()
    .replace(INVISIBLE, " ")
    .replace(/[\ufffe\uffff]/g, "\ufffd")
    .replace(/\s+/g, " ")
    .trim();
  const characters = [...trimmed];
  return characters.length <= max ? trimmed : `${characters.slice(0, max - 1).join("")}…`;
}
/** `1 CPU`, `16 CPUs`, `1,024 CPUs`. */
export function count(number: number, noun: string, plural: string = `${noun}s`): string {
  return `${number.toLocaleString("en-US")} ${number === 1 ? noun : plural}`;
}

/** `8 × name`, or just the name of one. */
export function times(number: number, name: string): string {
  return number === 1 ? name : `${number.toLocaleString("en-US")} × ${name}`;
}

type Format = (value: number | null) => string;

/** Two numbers of one unit as one: `100 GB/s` when they are equal, else `100/90 GB/s`; `?` for one that is unknown. */
export function readWrite(read: number | null, write: number | null, format: Format): string {
  if (read === null && write === null) return UNKNOWN;
  const [readText, writeText] = [read, write].map((value) => (value === null ? UNKNOWN : format(value)));
  if (readText === undefined || writeText === undefined || readText === writeText) return readText ?? UNKNOWN;
  const [readNumber = "", readUnit = ""] = readText.split(" ");
  const [writeNumber = "", writeUnit = ""] = writeText.split(" ");
  if (readUnit === "") return `${UNKNOWN}/${writeText}`;
  if (writeUnit === "" || readUnit === writeUnit) return `${readNumber}/${writeNumber} ${readUnit}`;
  return `${readText}/${writeText}`;
}

const value = (quantity: Quantity | null): number | null => quantity?.value ?? null;

/** Reading and writing bandwidth of a link. */
export function bandwidthText(properties: LinkProperties): string {
  return readWrite(value(properties.readBandwidth), value(properties.writeBandwidth), formatBandwidth);
}

/** Reading and writing latency of a link. */
export function latencyText(properties: LinkProperties): string {
  return readWrite(value(properties.readLatency), value(properties.writeLatency), formatLatency);
}

/** Where numbers come from, in order of precedence: `HMAT`; `HMAT, distance` for several; empty for none. */
export function originText(origins: readonly (Origin | null)[]): string {
  const known = new Set(origins);
  return ORIGINS.filter((origin) => known.has(origin))
    .map((origin) => ORIGIN_WORDS[origin])
    .join(", ");
}

/** What a link has beside bandwidth and latency, in a few words. */
export function linkNotes(properties: LinkProperties): string[] {
  const notes: string[] = [];
  if (properties.distance !== null) notes.push(`distance ${properties.distance.value}`);
  if (properties.coherent === false) notes.push("not coherent");
  if (properties.atomics === true) notes.push("atomics");
  if (properties.atomics === false) notes.push("no atomics");
  return notes;
}

const GENERATIONS: ReadonlyMap<number, number> = new Map([
  [2.5, 1],
  [5, 2],
  [8, 3],
  [16, 4],
  [32, 5],
  [64, 6],
  [128, 7],
]);

function pciSide(speed: number | null, width: number | null): string {
  const generation = speed === null ? undefined : GENERATIONS.get(speed);
  const speedText = generation === undefined ? (speed === null ? "" : `${speed} GT/s`) : `Gen${generation}`;
  return [speedText, width === null ? "" : `x${width}`].filter((part) => part !== "").join(" ");
}

/** `Gen4 x16`; empty when unknown. */
export function pciText(link: PciLink | null): string {
  return link === null ? "" : pciSide(link.speedMax ?? link.speedCurrent, link.widthMax ?? link.widthCurrent);
}

/** `Gen1 x16` when the link runs below what it can (a device that idles does), else empty. */
export function pciCurrentText(link: PciLink | null): string {
  if (link === null) return "";
  const current = pciSide(link.speedCurrent, link.widthCurrent);
  const slower =
    (link.speedCurrent !== null && link.speedMax !== null && link.speedCurrent < link.speedMax) ||
    (link.widthCurrent !== null && link.widthMax !== null && link.widthCurrent < link.widthMax);
  return slower ? current : "";
}
