import type { PciLink } from "../../model/facts.ts";
import { type Quantity, quantity } from "../../model/quantity.ts";
import { linkBandwidth } from "../../sources/pci/link.ts";
import { type Field, shown } from "./field.ts";

/** GT/s a lane of the generations of PCI Express, from the first. */
const SPEEDS = [2.5, 5, 8, 16, 32, 64];
const WIDTHS = [1, 2, 4, 8, 12, 16, 32];

/** A PCI Express slot as a spec states it, with the bandwidth that its speed and width allow at most. */
export interface PcieSlot {
  readonly link: PciLink;
  readonly bandwidth: Quantity | null;
}

/** Reads `gen5 x16`. */
export function readPcie(field: Field): PcieSlot {
  const text = field.raw("a PCI Express slot such as gen5 x16");
  const match = /^gen\s?(\d)\s*x\s?(\d{1,2})$/i.exec(text.trim());
  const generation = Number(match?.[1] ?? 0);
  const speed = SPEEDS[generation - 1];
  const width = Number(match?.[2] ?? 0);
  if (speed === undefined || !WIDTHS.includes(width)) {
    return field.fail(
      `expected a PCI Express slot from gen1 to gen${SPEEDS.length} and x1 to x32 such as gen5 x16, but got ${shown(text)}`,
    );
  }
  const detail = `PCIe Gen${generation} x${width}: ${speed} GT/s × ${width} lanes, less the encoding`;
  return {
    link: { speedMax: speed, widthMax: width, speedCurrent: null, widthCurrent: null },
    bandwidth: quantity(linkBandwidth({ speed, width }), "spec", detail),
  };
}

/** The text that readPcie reads back; null for a link that it cannot say. */
export function writePcie(link: PciLink | null): string | null {
  const generation = SPEEDS.indexOf(link?.speedMax ?? 0) + 1;
  const width = link?.widthMax ?? 0;
  return generation > 0 && WIDTHS.includes(width) ? `gen${generation} x${width}` : null;
}
