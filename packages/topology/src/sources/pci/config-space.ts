import type { PciLink } from "../../model/facts.ts";

/** What a source reads of a function's configuration space: the kernel shows 64 bytes to users, 256 or 4,096 to root. */
export const CONFIG_BYTES_MAX = 4096;

// Offsets and values of the PCI specification.
const VENDOR = 0x00;
const DEVICE = 0x02;
const REVISION = 0x08;
const CLASS = 0x0a;
const SUBSYSTEM_VENDOR = 0x2c;
const SUBSYSTEM_DEVICE = 0x2e;
const STATUS = 0x06;
const STATUS_CAPABILITIES = 0x10;
const HEADER_TYPE = 0x0e;
const HEADER_BRIDGE = 1;
const SECONDARY_BUS = 0x19;
const SUBORDINATE_BUS = 0x1a;
const CAPABILITY_POINTER = 0x34;
const CAPABILITIES_START = 0x40;
const CAPABILITY_EXPRESS = 0x10;
const EXPRESS_LINK_CAPABILITIES = 0x0c;
const EXPRESS_LINK_STATUS = 0x12;
/** A list of capabilities in 256 bytes has at most this many; more is a loop. */
const CAPABILITIES_MAX = 48;

/** GT/s of the speeds that a link register numbers from 1. */
const SPEEDS: readonly number[] = [2.5, 5, 8, 16, 32, 64];

/** What the configuration space says; each null when the part of it was not read. */
export interface ConfigSpace {
  readonly vendor: number | null;
  readonly device: number | null;
  /** 16 bits: class and subclass. */
  readonly classCode: number | null;
  /** Null for a bridge too, which has none at this place. */
  readonly subVendor: number | null;
  readonly subDevice: number | null;
  readonly revision: number | null;
  /** For a header of the bridge type. */
  readonly buses: { readonly secondaryBus: number; readonly subordinateBus: number } | null;
  readonly link: PciLink | null;
}

/** Reads what there is of a configuration space. */
export function parseConfigSpace(bytes: Uint8Array): ConfigSpace {
  const byte = (offset: number): number | null => bytes[offset] ?? null;
  const word = (offset: number): number | null => {
    const high = bytes[offset + 1];
    return high === undefined ? null : (high << 8) | (bytes[offset] ?? 0);
  };
  const secondaryBus = byte(SECONDARY_BUS);
  const subordinateBus = byte(SUBORDINATE_BUS);
  const isBridge = ((byte(HEADER_TYPE) ?? 0) & 0x7f) === HEADER_BRIDGE;
  return {
    vendor: word(VENDOR),
    device: word(DEVICE),
    classCode: word(CLASS),
    subVendor: isBridge ? null : word(SUBSYSTEM_VENDOR),
    subDevice: isBridge ? null : word(SUBSYSTEM_DEVICE),
    revision: byte(REVISION),
    buses:
      isBridge && secondaryBus !== null && subordinateBus !== null ? { secondaryBus, subordinateBus } : null,
    link: expressLink(bytes),
  };
}

function expressLink(bytes: Uint8Array): PciLink | null {
  const at = findCapability(bytes, CAPABILITY_EXPRESS);
  if (at === null || at + EXPRESS_LINK_STATUS + 2 > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const capabilities = view.getUint32(at + EXPRESS_LINK_CAPABILITIES, true);
  const status = view.getUint16(at + EXPRESS_LINK_STATUS, true);
  return {
    speedMax: speedOf(capabilities & 0xf),
    widthMax: widthOf((capabilities >> 4) & 0x3f),
    speedCurrent: speedOf(status & 0xf),
    widthCurrent: widthOf((status >> 4) & 0x3f),
  };
}

function findCapability(bytes: Uint8Array, wanted: number): number | null {
  if (((bytes[STATUS] ?? 0) & STATUS_CAPABILITIES) === 0) return null;
  let at = (bytes[CAPABILITY_POINTER] ?? 0) & 0xfc;
  for (let i = 0; i < CAPABILITIES_MAX && at >= CAPABILITIES_START; i++) {
    const id = bytes[at];
    if (id === undefined || id === 0xff) return null;
    if (id === wanted) return at;
    at = (bytes[at + 1] ?? 0) & 0xfc;
  }
  return null;
}

function speedOf(code: number): number | null {
  return SPEEDS[code - 1] ?? null;
}

/** A width of 0 is what a function answers that has no link of its own (a virtual function, a link that is down). */
function widthOf(lanes: number): number | null {
  return lanes === 0 || lanes > LINK_WIDTH_MAX ? null : lanes;
}

/** Lanes that a PCI Express link has at most. */
export const LINK_WIDTH_MAX = 32;
