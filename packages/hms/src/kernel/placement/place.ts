import type { DecidedTarget, PlacementRequest } from "@hms/policy";
import type { Machine } from "../objects.ts";

/** All of the machine's memory, and the file behind a region: names that the topology does not have. */
export const HOST = "host";
export const FILE = "file";

/** A target of a request, as this context can reach it. */
export type Place =
  | { readonly kind: "node"; readonly name: string; readonly node: number }
  | { readonly kind: "host"; readonly name: string }
  | { readonly kind: "file"; readonly name: string }
  | { readonly kind: "device"; readonly name: string; readonly machine: Machine };

/** What a decided target is; null for a memory that this context cannot reach. */
export function placeOf({ target }: DecidedTarget, devices: readonly Machine[]): Place | null {
  const name = target.id;
  if (target.numaNode !== null) return { kind: "node", name, node: target.numaNode };
  if (name === HOST) return { kind: "host", name };
  if (name === FILE) return { kind: "file", name };
  const machine = devices.find(({ accel }) => accel.deviceMemory.name === name);
  return machine === undefined ? null : { kind: "device", name, machine };
}

/** Whether a list of targets means one by its own name; with initiators it is ranked, and `host` stands for the nodes. */
export function names(request: PlacementRequest, name: string): boolean {
  if (request.for !== undefined && name === HOST) return false;
  return request.targets?.some((one) => one.trim().toLowerCase() === name) ?? false;
}
