// What a command that starts programs of hms asks before it does: are the devices right, and would `hms` be found?
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { budgetOf } from "@hms/host-linux";

export { type DeviceSpec, readDeviceSpecs } from "../device-spec.ts";

/** Throws BAD_RAM_SIZE (EINVAL) for bytes that no memory budget of this machine can be. */
export function expectBudget(bytes: number): void {
  budgetOf(bytes);
}

/** Whether a program finds a package `hms` from where it lies. */
export function findsHms(script: string): boolean {
  try {
    createRequire(resolve(script)).resolve("hms");
    return true;
  } catch {
    return false;
  }
}

/**
 * A module that lets a program that would find no `hms` find this one: for `node --require`, which counts for all threads
 * (`--import` does not for those whose program is text).
 */
export const FIND_HMS: string = fileURLToPath(
  new URL(`./find-hms.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
);
