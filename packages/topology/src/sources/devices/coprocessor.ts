import type { OsDevice } from "../../model/facts.ts";
import type { Discovery, Source } from "../source.ts";
import { type ClassDevice, classDevices } from "./class-device.ts";
import { readNumber, readWord } from "./values.ts";

const GIB_IN_KIB = 1024 * 1024;
/** More than any of these counts or sizes is. */
const COUNT_RANGE = { min: 0, max: 2 ** 40 };

type Info = Record<string, string>;

/** Classes of devices that compute beside the CPUs: how each is named, and what is told of it. */
const CLASSES: readonly {
  readonly kernelClass: string;
  readonly names: RegExp;
  readonly subtype: string;
  readonly info: (discovery: Discovery, path: string) => Info;
}[] = [
  { kernelClass: "ve", names: /^ve\d+$/, subtype: "VectorEngine", info: vectorEngineInfo },
  { kernelClass: "mic", names: /^mic\d+$/, subtype: "MIC", info: micInfo },
  { kernelClass: "accel", names: /^accel\d+$/, subtype: "Accel", info: () => ({}) },
  { kernelClass: "uacce", names: /./, subtype: "Uacce", info: uacceInfo },
];

/** NEC vector engines, Xeon Phi cards, compute accelerators (accel), accelerators with work queues (uacce). */
export const coprocessor: Source = {
  name: "coprocessor",
  after: ["pci"],
  discover(discovery) {
    for (const { kernelClass, names, subtype, info } of CLASSES) {
      for (const device of classDevices(discovery, `sys/class/${kernelClass}`)) {
        if (!names.test(device.name)) continue;
        discovery.facts.devices.push(
          asDevice(device, { kernelClass, subtype, info: info(discovery, device.path) }),
        );
      }
    }
  },
};

function asDevice(
  { name, place }: ClassDevice,
  kind: Pick<OsDevice, "kernelClass" | "subtype" | "info">,
): OsDevice {
  return { name, type: "coprocessor", ...kind, ...place };
}

function vectorEngineInfo(discovery: Discovery, path: string): Info {
  const info: Info = {};
  copyWords(discovery, path, info, [
    ["VectorEngineModel", "model"],
    ["VectorEngineSerialNumber", "serial"],
  ]);
  const partitioning = readNumber(discovery, `${path}/partitioning_mode`, COUNT_RANGE);
  if (partitioning !== null && partitioning > 0) info.VectorEngineNUMAPartitioned = "1";
  const gib = readNumber(discovery, `${path}/memory_size`, COUNT_RANGE);
  if (gib !== null && gib > 0) info.VectorEngineMemorySize = String(gib * GIB_IN_KIB);
  copyWords(discovery, path, info, [
    ["VectorEngineCores", "num_of_core"],
    ["VectorEngineLLCSize", "cache_llc"],
    ["VectorEngineL2Size", "cache_l2"],
    ["VectorEngineL1dSize", "cache_l1d"],
    ["VectorEngineL1iSize", "cache_l1i"],
  ]);
  return info;
}

function micInfo(discovery: Discovery, path: string): Info {
  const info: Info = {};
  copyWords(discovery, path, info, [
    ["MICFamily", "family"],
    ["MICSKU", "sku"],
    ["MICSerialNumber", "serialnumber"],
  ]);
  // Hexadecimal without a prefix, the size in KiB.
  for (const [key, file] of [
    ["MICActiveCores", "active_cores"],
    ["MICMemorySize", "memsize"],
  ] as const) {
    const text = readWord(discovery, `${path}/${file}`) ?? "";
    if (/^[0-9a-f]{1,10}$/i.test(text)) info[key] = String(Number.parseInt(text, 16));
  }
  return info;
}

function uacceInfo(discovery: Discovery, path: string): Info {
  const info: Info = {};
  copyWords(discovery, path, info, [
    ["UacceApi", "api"],
    ["UacceFlags", "flags"],
    ["UacceAvailableInstances", "available_instances"],
    ["UacceRegionMmioSize", "region_mmio_size"],
    ["UacceRegionDusSize", "region_dus_size"],
    ["UacceIsolate", "isolate"],
    ["UacceIsolateStrategy", "isolate_strategy"],
  ]);
  // One a line.
  const algorithms = (discovery.tree.readText(`${path}/algorithms`) ?? "").split(/\s+/).filter(Boolean);
  if (algorithms.length > 0) info.UacceAlgorithms = algorithms.join(", ");
  return info;
}

function copyWords(
  discovery: Discovery,
  path: string,
  info: Info,
  files: readonly (readonly [key: string, file: string])[],
): void {
  for (const [key, file] of files) {
    const value = readWord(discovery, `${path}/${file}`);
    if (value !== null) info[key] = value;
  }
}
