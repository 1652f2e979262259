import type { Discovery, Source } from "../source.ts";
import { classDevices } from "./class-device.ts";
import { readBytes } from "./values.ts";

const KIB = 1024;

/** Display and render devices: `card0`, `controlD64`, `renderD128`. Connectors (`card0-VGA-1`) and files are none. */
export const drm: Source = {
  name: "drm",
  after: ["pci"],
  discover(discovery) {
    for (const { name, path, place } of classDevices(discovery, "sys/class/drm")) {
      if (name.includes("-") || !discovery.tree.exists(`${path}/dev`)) continue;
      discovery.facts.devices.push({
        name,
        kernelClass: "drm",
        type: "gpu",
        subtype: null,
        ...place,
        info: /^card\d+$/.test(name) ? memoryInfo(discovery, path) : {},
      });
    }
  },
};

/** Sizes in KiB, as hwloc has them. What a driver sets aside of the system's memory for the GPU (GTT) is no memory of its own. */
function memoryInfo(discovery: Discovery, path: string): Record<string, string> {
  const info: Record<string, string> = {};
  for (const [key, file] of [
    ["VRAMSize", "mem_info_vram_total"],
    ["VisibleVRAMSize", "mem_info_vis_vram_total"],
    ["GTTSize", "mem_info_gtt_total"],
  ] as const) {
    const bytes = readBytes(discovery, `${path}/device/${file}`);
    if (bytes !== null) info[key] = String(Math.floor(bytes / KIB));
  }
  return info;
}
