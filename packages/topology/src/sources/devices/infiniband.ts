import type { OsDevice } from "../../model/facts.ts";
import type { Discovery, Source } from "../source.ts";
import { type ClassDevice, classDevices } from "./class-device.ts";
import { readWord } from "./values.ts";

/** Ports and addresses that are looked at for one device, at most. */
const PORTS_MAX = 256;
const GIDS_MAX = 1024;
/** An address of a port that nothing has been written to ends in this. */
const GID_EMPTY = "0000:0000:0000:0000";

/** RDMA devices (InfiniBand, RoCE, iWARP, Omni-Path) and BXI. */
export const infiniband: Source = {
  name: "infiniband",
  after: ["pci"],
  discover(discovery) {
    for (const device of classDevices(discovery, "sys/class/infiniband")) {
      // A Xeon Phi card that talks to its host over PCIe as if it were InfiniBand: no network.
      if (device.name.startsWith("scif")) continue;
      discovery.facts.devices.push(readRdma(discovery, device));
    }
    for (const { name, path, place } of classDevices(discovery, "sys/class/bxi")) {
      const uuid = readWord(discovery, `${path}/uuid`);
      const info: Record<string, string> = uuid === null ? {} : { BXIUUID: uuid };
      discovery.facts.devices.push({
        name,
        kernelClass: "bxi",
        type: "openfabrics",
        subtype: "BXI",
        ...place,
        info,
      });
    }
  },
};

function readRdma(discovery: Discovery, { name, path, place }: ClassDevice): OsDevice {
  const info: Record<string, string> = {};
  const add = (key: string, file: string): void => {
    const value = readWord(discovery, `${path}/${file}`);
    if (value !== null) info[key] = value;
  };
  add("NodeGUID", "node_guid");
  add("SysImageGUID", "sys_image_guid");
  const ports = discovery.tree.list(`${path}/ports`).filter((port) => /^[1-9]\d{0,3}$/.test(port));
  for (const port of ports.slice(0, PORTS_MAX)) {
    const state = readWord(discovery, `${path}/ports/${port}/state`);
    // `4: ACTIVE`
    if (state !== null) info[`Port${port}State`] = state.replace(/^(\d+).*$/, "$1");
    add(`Port${port}LID`, `ports/${port}/lid`);
    add(`Port${port}LMC`, `ports/${port}/lid_mask_count`);
    add(`Port${port}Rate`, `ports/${port}/rate`);
    for (const gid of discovery.tree.list(`${path}/ports/${port}/gids`).slice(0, GIDS_MAX)) {
      const value = readWord(discovery, `${path}/ports/${port}/gids/${gid}`);
      if (value !== null && !value.endsWith(GID_EMPTY)) info[`Port${port}GID${gid}`] = value;
    }
  }
  return { name, kernelClass: "infiniband", type: "openfabrics", subtype: null, ...place, info };
}
