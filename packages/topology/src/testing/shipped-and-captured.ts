/** Machines that are not made by tests: the specs that ship, and the captures of real machines beside the repository. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { discover } from "../discover.ts";
import { machineNames, readMachine } from "../formats/spec/machines.ts";
import type { Machine } from "../model/machine.ts";

const CAPTURES = join(import.meta.dirname, "../../../../../shared/captures");
const FOLDERS = ["linux", "vmlab", "kfd"];

/** Why tests of captures skip, false when they need not. */
export const NO_CAPTURES: string | false = existsSync(CAPTURES) ? false : "../shared/captures is not there";

/** All captures of real machines. */
export async function* capturedMachines(): AsyncGenerator<Machine> {
  for (const folder of FOLDERS) {
    const path = join(CAPTURES, folder);
    if (!existsSync(path)) continue;
    for (const name of readdirSync(path).sort()) yield discover(join(path, name));
  }
}

/** All specs that ship with the package. */
export async function* shippedMachines(): AsyncGenerator<Machine> {
  for (const name of machineNames()) yield readMachine(name);
}
