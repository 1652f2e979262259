import {
  type DeviceMemory,
  ERROR,
  type FaultRange,
  GIANT_ORDER,
  HUGE_ORDER,
  isDeviceFrame,
  VALID,
  WRITABLE,
  ZERO_FRAME,
} from "@hms/hmm";
import { SNAPSHOT_CODE } from "./face.ts";

/** What the kernel's driver says of a page that a range fault found. */
export function snapshotCode(own: DeviceMemory, range: FaultRange, i: number): number {
  const result = range.results[i] ?? 0;
  if ((result & ERROR) !== 0) return SNAPSHOT_CODE.error;
  if ((result & VALID) === 0) return SNAPSHOT_CODE.none;
  const order = range.orderOf(i);
  let code = ownerCode(own, range.frameOf(i), order);
  code |= (result & WRITABLE) !== 0 ? SNAPSHOT_CODE.write : SNAPSHOT_CODE.read;
  if (order === HUGE_ORDER) code |= SNAPSHOT_CODE.pmd;
  if (order === GIANT_ORDER) code |= SNAPSHOT_CODE.pud;
  return code;
}

/** The kernel knows the page of zeros by its number, and a huge page of zeros is another one. */
function ownerCode(own: DeviceMemory, frame: number, order: number): number {
  if (frame === ZERO_FRAME) return order === 0 ? SNAPSHOT_CODE.zero : SNAPSHOT_CODE.none;
  if (!isDeviceFrame(frame)) return SNAPSHOT_CODE.none;
  const memory = own.device.core.memories.deviceOf(frame);
  const local = memory === own;
  if (memory?.kind === "private")
    return local ? SNAPSHOT_CODE.devicePrivateLocal : SNAPSHOT_CODE.devicePrivateRemote;
  return local ? SNAPSHOT_CODE.deviceCoherentLocal : SNAPSHOT_CODE.deviceCoherentRemote;
}
