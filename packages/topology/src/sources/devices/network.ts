import type { OsDevice } from "../../model/facts.ts";
import type { Discovery, Source } from "../source.ts";
import { type ClassDevice, classDevices } from "./class-device.ts";
import { readNumber, readWord } from "./values.ts";

/** Ports of one device are numbered up to this. */
const PORT_RANGE = { min: 0, max: 0xffff };
/** Mb/s; −1 is what a port without a link says. */
const SPEED_RANGE = { min: -1, max: 100_000_000 };

/** Network interfaces with hardware behind them. */
export const network: Source = {
  name: "network",
  after: ["pci"],
  discover(discovery) {
    for (const device of classDevices(discovery, "sys/class/net")) {
      discovery.facts.devices.push(readInterface(discovery, device));
    }
  },
};

function readInterface(discovery: Discovery, { name, path, place }: ClassDevice): OsDevice {
  const info: Record<string, string> = {};
  const address = readWord(discovery, `${path}/address`);
  if (address !== null) info.Address = address;
  if (discovery.tree.exists(`${path}/device/infiniband`)) {
    // Both count from 0 in the kernel and from 1 in hwloc. Old kernels have the first only.
    const port =
      readNumber(discovery, `${path}/dev_port`, PORT_RANGE) ??
      readNumber(discovery, `${path}/dev_id`, PORT_RANGE);
    if (port !== null) info.Port = String(port + 1);
  }
  const speed = readNumber(discovery, `${path}/speed`, SPEED_RANGE);
  if (speed !== null && speed > 0) info.Speed = `${speed} Mb/s`;
  return { name, kernelClass: "net", type: "network", subtype: null, ...place, info };
}
