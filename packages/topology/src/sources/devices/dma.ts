import type { Source } from "../source.ts";
import { classDevices } from "./class-device.ts";

/** Channels of DMA engines. */
export const dma: Source = {
  name: "dma",
  after: ["pci"],
  discover(discovery) {
    for (const { name, place } of classDevices(discovery, "sys/class/dma")) {
      discovery.facts.devices.push({
        name,
        kernelClass: "dma",
        type: "dma",
        subtype: null,
        ...place,
        info: {},
      });
    }
  },
};
