import { AccelDriver, type DevicePlacer, type Platform } from "@hms/driver-accel";
import { addressOf, type LinuxHost } from "@hms/host-linux";
import { type DeviceSpec, readDeviceSpecs } from "../device-spec.ts";
import type { Machine } from "./objects.ts";

/** What all devices have of the kernel thread. */
export interface SharedParts {
  /** Its eventfd. */
  readonly wakeFd: number;
  /** Knows where pages should be. */
  readonly placer: DevicePlacer;
}

/** Makes the devices that are named, all or none. Throws BAD_DEVICE (EINVAL) and others before the first is made. */
export function makeMachines(host: LinuxHost, texts: readonly string[], shared: SharedParts): Machine[] {
  const machines: Machine[] = [];
  try {
    for (const spec of readDeviceSpecs(texts)) machines.push(makeMachine(host, spec, shared));
  } catch (error) {
    for (const { accel } of machines) accel.close();
    throw error;
  }
  return machines;
}

function makeMachine(host: LinuxHost, spec: DeviceSpec, { wakeFd, placer }: SharedParts): Machine {
  const { name, driver, memory, queues, victims } = spec;
  const accel = new AccelDriver(host.core, platformOf(host), {
    name,
    memoryBytes: memory,
    wakeFd,
    placer,
    ...(victims === undefined ? {} : { victims }),
    ...(queues === undefined ? {} : { queuesMax: queues }),
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
