// How devices are named to be opened: text such as `accel:memory=64MiB,queues=8`.
import { MEMORY_BYTES_MIN } from "@hms/driver-accel";
import { DEVICE_PAGES_MAX, HOST_PLACES, PAGE_BYTES } from "@hms/hmm";
import { VICTIM_NAMES, type VictimName } from "@hms/policy";
import { HmsError, nearest } from "@hms/topology";
import { kindOf } from "./options.ts";
import { parseSize } from "./size.ts";

const MEMORY_DEFAULT = 64 * 2 ** 20;
const MEMORY_MAX = DEVICE_PAGES_MAX * PAGE_BYTES;
const QUEUES_MAX = 4096;
/** Devices of one hms, and bytes of the text of each: what the interface carries. */
const DEVICES_MAX = 64;
const TEXT_BYTES = 256;
/** Nodes and CPUs of the machine, as requests name them. */
const OF_THE_MACHINE = /^(?:node|cpu|pu|uid)\d+$/i;
const SPEC = /^(?<driver>[a-z][a-z0-9-]*)(?::(?<options>.*))?$/s;
const OPTIONS = ["memory", "queues", "victims", "name"] as const;
const KNOWN = "accel[:memory=SIZE][,queues=N][,victims=HOW][,name=NAME]";

/** A device that is to be made. */
export interface DeviceSpec {
  readonly driver: "accel";
  readonly name: string;
  /** Bytes. */
  readonly memory: number;
  /** Queues that can be open at most; undefined: what the driver allows. */
  readonly queues: number | undefined;
  /** How pages are chosen that have to leave its memory; undefined: as the driver does by default. */
  readonly victims: VictimName | undefined;
}

function refuse(text: string, why: string, code: string = "BAD_DEVICE"): never {
  throw new HmsError(
    code,
    "EINVAL",
    `Making device ${JSON.stringify(text)} failed: ${why}. Devices are written ${KNOWN}.`,
  );
}

/**
 * Devices from the text that names them, in order; nothing is made. Throws BAD_DEVICE (EINVAL) for text that names none,
 * BAD_SIZE (EINVAL) for a size that is none, BAD_MEMORY_SIZE (EINVAL) for one that is too small or too large.
 *
 * @example
 * ```ts
 * import { readDeviceSpecs } from "hms/run";
 * console.log(readDeviceSpecs(["accel:memory=64MiB", "accel"]).map(({ name, memory }) => `${name} ${memory}`).join(", "));
 * // accel0 67108864, accel1 67108864
 * ```
 */
export function readDeviceSpecs(texts: readonly string[]): DeviceSpec[] {
  if (texts.length > DEVICES_MAX)
    throw new HmsError(
      "BAD_DEVICE",
      "EINVAL",
      `Making devices failed: there may be ${DEVICES_MAX} at most, not ${texts.length}.`,
    );
  const specs: DeviceSpec[] = [];
  for (const text of texts) specs.push(readDeviceSpec(text, new Set(specs.map(({ name }) => name))));
  return specs;
}

function readDeviceSpec(text: unknown, taken: ReadonlySet<string>): DeviceSpec {
  if (typeof text !== "string")
    throw new HmsError(
      "BAD_DEVICE",
      "EINVAL",
      `Making a device failed: it must be named by text, not ${kindOf(text)}. Devices are written ${KNOWN}.`,
    );
  if (Buffer.byteLength(text) > TEXT_BYTES) refuse(text.slice(0, 64), `it has more than ${TEXT_BYTES} bytes`);
  const { driver = "", options: rest = "" } = SPEC.exec(text)?.groups ?? {};
  if (driver !== "accel") refuse(text, `there is no driver ${driver === "" ? "in it" : driver}`);
  const options = optionsOf(text, rest);
  const name = options.get("name") ?? freeName(driver, taken);
  if (!/^[\w.-]{1,64}$/.test(name)) refuse(text, "a name has 1 to 64 letters, digits, dots, dashes");
  if (taken.has(name)) refuse(text, `the name ${name} is taken`);
  if (isPlace(name)) refuse(text, `the name ${name} says where pages are without it; choose another`);
  const queues = options.get("queues");
  const count = queues === undefined ? undefined : Number(queues);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= QUEUES_MAX))
    refuse(text, `queues must be 1 to ${QUEUES_MAX}, not ${queues}`);
  const victims = options.get("victims");
  const how = VICTIM_NAMES.find((one) => one === victims);
  if (victims !== undefined && how === undefined)
    refuse(text, `victims must be one of ${VICTIM_NAMES.join(", ")}, not ${victims}`);
  return { driver, name, memory: memoryOf(text, name, options.get("memory")), queues: count, victims: how };
}

/** Whether a name is one of the words by which requests and reports tell places apart. */
function isPlace(name: string): boolean {
  return HOST_PLACES.some((place) => place === name.toLowerCase()) || OF_THE_MACHINE.test(name);
}

function memoryOf(text: string, name: string, given: string | undefined): number {
  if (given === undefined) return MEMORY_DEFAULT;
  const bytes = parseSize(given, `the memory of ${name}`);
  if (bytes < MEMORY_BYTES_MIN || bytes > MEMORY_MAX) {
    const range = `${MEMORY_BYTES_MIN / 2 ** 10}KiB to ${MEMORY_MAX / 2 ** 40}TiB`;
    refuse(text, `its memory must be ${range}, not ${given}`, "BAD_MEMORY_SIZE");
  }
  return bytes;
}

/** The options of `accel:memory=64MiB,queues=8`. */
function optionsOf(spec: string, text: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const part of text.split(",").filter((one) => one !== "")) {
    const at = part.indexOf("=");
    if (at < 1) refuse(spec, `${JSON.stringify(part)} is not NAME=VALUE`);
    const name = part.slice(0, at);
    if (options.has(name)) refuse(spec, `${name} is given twice`);
    if (!OPTIONS.some((one) => one === name)) {
      const [near] = nearest(name, OPTIONS);
      refuse(spec, `it has no option ${name}${near === undefined ? "" : ` (did you mean ${near}?)`}`);
    }
    options.set(name, part.slice(at + 1));
  }
  return options;
}

function freeName(driver: string, taken: ReadonlySet<string>): string {
  for (let i = 0; ; i++) {
    const name = `${driver}${i}`;
    if (!taken.has(name)) return name;
  }
}
