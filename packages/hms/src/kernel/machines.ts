import { AccelDriver, type DevicePlacer, type Platform } from "@hms/driver-accel";
import { addressOf, type LinuxHost } from "@hms/host-linux";
import { VICTIM_NAMES } from "@hms/policy";
import { HmsError } from "@hms/topology";
import { parseSize } from "../size.ts";
import type { Machine } from "./objects.ts";

const ACCEL_MEMORY_DEFAULT = 64 * 2 ** 20;
const SPEC = /^(?<driver>[a-z][a-z0-9-]*)(?::(?<options>.*))?$/s;
const KNOWN = "accel[:memory=SIZE][,queues=N][,victims=HOW][,name=NAME]";

function refuse(spec: string, why: string): never {
  throw new HmsError(
    "BAD_DEVICE",
    "EINVAL",
    `Making device ${JSON.stringify(spec)} failed: ${why}. Devices are written ${KNOWN}.`,
  );
}

/** What all devices have of the kernel thread. */
export interface SharedParts {
  /** Its eventfd. */
  readonly wakeFd: number;
  /** Knows where pages should be. */
  readonly placer: DevicePlacer;
}

/** The options of `accel:memory=64MiB,queues=8`. */
function optionsOf(spec: string, text: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const part of text.split(",").filter((one) => one !== "")) {
    const at = part.indexOf("=");
    if (at < 1) refuse(spec, `${JSON.stringify(part)} is not NAME=VALUE`);
    const name = part.slice(0, at);
    if (options.has(name)) refuse(spec, `${name} is given twice`);
    options.set(name, part.slice(at + 1));
  }
  return options;
}

function take(options: Map<string, string>, name: string): string | undefined {
  const value = options.get(name);
  options.delete(name);
  return value;
}

/** Makes the devices that are named; those before one that cannot be made are closed again. Throws EINVAL. */
export function makeMachines(host: LinuxHost, specs: readonly string[], shared: SharedParts): Machine[] {
  const machines: Machine[] = [];
  try {
    for (const spec of specs) machines.push(makeMachine(host, spec, shared, machines));
  } catch (error) {
    for (const { accel } of machines) accel.close();
    throw error;
  }
  return machines;
}

function makeMachine(
  host: LinuxHost,
  spec: string,
  { wakeFd, placer }: SharedParts,
  others: readonly Machine[],
): Machine {
  const { driver = "", options: text = "" } = SPEC.exec(spec)?.groups ?? {};
  if (driver !== "accel") refuse(spec, `there is no driver ${driver === "" ? "in it" : driver}`);
  const options = optionsOf(spec, text);
  const memory = take(options, "memory");
  const queues = take(options, "queues");
  const victims = take(options, "victims");
  const name = take(options, "name") ?? freeName(driver, others);
  const [unknown] = options.keys();
  if (unknown !== undefined) refuse(spec, `it has no option ${unknown}`);
  if (!/^[\w.-]{1,64}$/.test(name)) refuse(spec, "a name has 1 to 64 letters, digits, dots, dashes");
  if (name === "host" || others.some((other) => other.name === name))
    refuse(spec, `the name ${name} is taken`);
  const queuesMax = queues === undefined ? undefined : Number(queues);
  if (queuesMax !== undefined && !(Number.isInteger(queuesMax) && queuesMax >= 1 && queuesMax <= 4096))
    refuse(spec, `queues must be 1 to 4096, not ${queues}`);
  const how = VICTIM_NAMES.find((one) => one === victims);
  if (victims !== undefined && how === undefined)
    refuse(spec, `victims must be one of ${VICTIM_NAMES.join(", ")}, not ${victims}`);
  const accel = new AccelDriver(host.core, platformOf(host), {
    name,
    memoryBytes: memory === undefined ? ACCEL_MEMORY_DEFAULT : parseSize(memory, `the memory of ${name}`),
    wakeFd,
    placer,
    ...(how === undefined ? {} : { victims: how }),
    ...(queuesMax === undefined ? {} : { queuesMax }),
  });
  return { name, driver, accel, usedBytesMax: 0 };
}

/** What the driver asks of the host. */
function platformOf(host: LinuxHost): Platform {
  return {
    back: (memory) => host.back(memory),
    openWindow: (options) => host.openWindow(options),
    addressOf,
  };
}

function freeName(driver: string, others: readonly Machine[]): string {
  for (let i = 0; ; i++) {
    const name = `${driver}${i}`;
    if (!others.some((other) => other.name === name)) return name;
  }
}
