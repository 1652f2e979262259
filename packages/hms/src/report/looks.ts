import { type Recording, WITH_COPIES } from "./recording.ts";

/** Colours of devices in the style sheet. */
const DEVICE_LOOKS = 6;

/** The class of a device, which has its colour. */
export function deviceLook(device: number): string {
  return `device${device % DEVICE_LOOKS}`;
}

/** A place and its class. */
export interface Look {
  readonly name: string;
  readonly look: string;
}

/** The class of each place, which has its colour. */
export function looksOf({ places, devices }: Recording): Look[] {
  return places.map((name) => ({
    name,
    look: lookOf(
      name,
      devices.map((device) => device.name),
    ),
  }));
}

function lookOf(place: string, devices: readonly string[]): string {
  if (place.endsWith(WITH_COPIES)) return "copied";
  const device = devices.indexOf(place);
  if (device >= 0) return deviceLook(device);
  return ["host", "swap", "file", "lost"].find((known) => known === place) ?? "other";
}
