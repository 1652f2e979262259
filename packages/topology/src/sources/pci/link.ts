import type { PciDevice, PciLink } from "../../model/facts.ts";
import { type BytesPerSecond, type Quantity, quantity } from "../../model/quantity.ts";
import { LINK_WIDTH_MAX } from "./config-space.ts";

/** Bridges above a function, at most: more is a loop in the input. */
const BRIDGES_MAX = 64;

/**
 * Reads `8.0 GT/s PCIe`, `8 GT/s`, `2.5GT/s`: GT/s a lane. Null for what means "no link" (`Unknown`, `Unknown speed`),
 * undefined for anything else.
 */
export function parseLinkSpeed(text: string): number | null | undefined {
  const match = /^(\d{1,4}(?:\.\d{1,3})?)\s*GT\/s(?:\s+PCIe)?$/i.exec(text.trim());
  if (match === null) return /^unknown( speed)?$/i.test(text.trim()) ? null : undefined;
  const speed = Number(match[1]);
  return speed > 0 ? speed : null;
}

/** Reads a number of lanes; 0, 63 and 255 are how kernels print "no link" (null). Undefined for anything else. */
export function parseLinkWidth(text: string): number | null | undefined {
  if (!/^x?\d{1,3}$/.test(text.trim())) return /^unknown$/i.test(text.trim()) ? null : undefined;
  const width = Number(text.trim().replace(/^x/, ""));
  return width >= 1 && width <= LINK_WIDTH_MAX ? width : null;
}

/**
 * What a lane carries beside its encoding: 8 of 10 bits up to 5 GT/s, 128 of 130 up to 32 GT/s, 242 of the 256 bytes
 * of a FLIT above.
 */
function efficiency(speed: number): number {
  if (speed <= 5) return 0.8;
  return speed <= 32 ? 128 / 130 : 242 / 256;
}

/** Bytes/s one way of a link of this speed (GT/s a lane) and width (lanes): the upper bound that its encoding leaves. */
export function linkBandwidth(link: { readonly speed: number; readonly width: number }): BytesPerSecond {
  return Math.round((link.speed * 1e9 * efficiency(link.speed) * link.width) / 8);
}

/** Generation of a speed: 1 for 2.5 GT/s … 6 for 64 GT/s. */
export function linkGeneration(speed: number): number {
  if (speed <= 2.5) return 1;
  return 2 + Math.max(0, Math.round(Math.log2(speed / 5)));
}

/**
 * The most that a function can move one way: the narrowest link from it up to the root, each taken at its maximum
 * (the current speed drops while a device idles). Null when no link on the way is known.
 */
export function pathBandwidth(device: PciDevice, byAddress: ReadonlyMap<string, PciDevice>): Quantity | null {
  let least: { readonly rate: number; readonly link: PciLink; readonly at: PciDevice } | null = null;
  let at: PciDevice | undefined = device;
  for (let i = 0; at !== undefined && i < BRIDGES_MAX; i++) {
    const { link } = at;
    if (link !== null && link.speedMax !== null && link.widthMax !== null) {
      const rate = linkBandwidth({ speed: link.speedMax, width: link.widthMax });
      if (least === null || rate < least.rate) least = { rate, link, at };
    }
    at = at.parent === null ? undefined : byAddress.get(at.parent);
  }
  if (least === null) return null;
  const { speedMax, widthMax } = least.link;
  const words = `PCIe Gen${linkGeneration(speedMax ?? 0)} x${widthMax}`;
  return quantity(least.rate, "pci", least.at === device ? words : `${words} at ${least.at.address}`);
}
