import { HmsError } from "@hms/topology";
import type { MeasuredDevice } from "@hms/topology/measured";
import type { Hms } from "../hms.ts";
import { open } from "../open.ts";
import { sampleOf } from "./statistics.ts";

/** Of a device's memory, so much is moved to and fro. */
const MEMORY_PART = 0.5;
const BYTES_MAX: number = 256 * 2 ** 20;
const PAGE_BYTES = 4096;
/** The host's memory that there is besides what is moved. */
const RAM_BESIDES: number = 64 * 2 ** 20;
/** Runs before those that count: the device's memory is touched for the first time. */
const WARM_RUNS = 1;
const MS_PER_SECOND = 1000;

export interface DeviceOptions {
  readonly runs: number;
  /** Called before each device. */
  readonly step: (what: string) => void;
}

/** Opens devices and measures them; without devices nothing is opened. */
export async function measureOwnDevices(
  devices: readonly string[],
  options: DeviceOptions,
): Promise<MeasuredDevice[]> {
  if (devices.length === 0) return [];
  using hms = await open({ ram: BYTES_MAX + RAM_BESIDES, devices });
  return await measureDevices(hms, options);
}

/**
 * Measures how fast pages move between the host's memory and the memories of the devices that an hms has open: a
 * region's pages migrate there and back.
 *
 * Rejects with MEASURE_NO_MOVE (EBUSY) when a device did not take the pages.
 *
 * @example
 * ```ts
 * import { open } from "hms";
 * import { measureDevices } from "hms/measure";
 * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
 * const [accel] = await measureDevices(hms, { runs: 1, step: () => {} });
 * console.log(accel?.device, (accel?.toDevice.median ?? 0) > 0); // accel0 true
 * ```
 */
export async function measureDevices(hms: Hms, { runs, step }: DeviceOptions): Promise<MeasuredDevice[]> {
  const measured: MeasuredDevice[] = [];
  for (const { name } of hms.devices) {
    const { memoryBytes } = hms.device(name).attributes;
    if (memoryBytes < 2 * PAGE_BYTES) continue;
    step(`${name}: pages to and fro`);
    const wanted = Math.min(BYTES_MAX, memoryBytes * MEMORY_PART);
    const bytes = Math.floor(wanted / PAGE_BYTES) * PAGE_BYTES;
    measured.push(await measureDevice(hms, { name, bytes, runs }));
  }
  return measured;
}

async function measureDevice(
  hms: Hms,
  { name, bytes, runs }: { readonly name: string; readonly bytes: number; readonly runs: number },
): Promise<MeasuredDevice> {
  using region = hms.space.alloc(Uint8Array, bytes, { name: `measure ${name}` });
  region.view.fill(1);
  const rates: Record<"to" | "from", number[]> = { to: [], from: [] };
  const move = async (target: string): Promise<number> => {
    const started = performance.now();
    const { movedBytes, kept } = await hms.space.migrate(region, target);
    const elapsedMs = performance.now() - started;
    if (movedBytes === bytes) return (bytes / elapsedMs) * MS_PER_SECOND;
    throw new HmsError(
      "MEASURE_NO_MOVE",
      "EBUSY",
      `Measuring ${name} failed: of ${bytes} bytes ${movedBytes} moved to ${target} (${kept[0]?.reason ?? "the others did not"}); free its memory.`,
    );
  };
  for (let run = 0; run < WARM_RUNS + runs; run++) {
    const to = await move(name);
    const from = await move("host");
    if (run < WARM_RUNS) continue;
    rates.to.push(to);
    rates.from.push(from);
  }
  return { device: name, bytes, toDevice: sampleOf(rates.to), toHost: sampleOf(rates.from) };
}
