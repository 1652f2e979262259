/**
 * The machines that ship as specs, and what tells a short spec from a path. Small: what reads specs is loaded when
 * one is read.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HmsError } from "../../model/error.ts";
import type { Machine } from "../../model/machine.ts";
import { offer } from "./suggest.ts";
import { SPEC_NAME_KEY } from "./words.ts";

/** Beside `src` in the repository and beside `dist` in a published package alike. */
const FOLDER = new URL("../../../machines/", import.meta.url);
const SUFFIX = ".yaml";

/** Whether a text has the form of a short spec (`node:2{…`): what the command line tells it from a path by. */
export function isShortSpec(text: string): boolean {
  return /^\s*[A-Za-z]{1,20}\s*(:\s*\d{1,6}\s*)?\{/.test(text);
}

/** Names of the machines that ship as specs, in order: what `--input machine:NAME` takes. */
export function machineNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort();
}

/** Path of the spec of a machine that ships, with or without `machine:` before its name; undefined for another name. */
export function machinePath(name: string): string | undefined {
  const plain = name.replace(/^machine:/, "");
  if (!/^[\w-]{1,64}$/.test(plain)) return undefined;
  const path = fileURLToPath(new URL(`${plain}${SUFFIX}`, FOLDER));
  return existsSync(path) ? path : undefined;
}

/**
 * Reads a machine that ships as a spec, with or without `machine:` before its name.
 *
 * @throws HmsError MACHINE_UNKNOWN (ENOENT), naming the nearest names
 */
export async function readMachine(name: string): Promise<Machine> {
  const path = machinePath(name);
  if (path === undefined) {
    throw new HmsError(
      "MACHINE_UNKNOWN",
      "ENOENT",
      `Read machine ${JSON.stringify(name.slice(0, 64))}: no machine of this name ships with hms${offer(name.replace(/^machine:/, ""), machineNames())}`.replace(
        /[^?]$/,
        "$&.",
      ),
    );
  }
  const [{ readSpec }, { assemble }] = await Promise.all([
    import("./read.ts"),
    import("../../assemble/assemble.ts"),
  ]);
  const facts = readSpec(readFileSync(path, "utf8"), path);
  return assemble(facts, { kind: "spec", path: name }, facts.info[SPEC_NAME_KEY] ?? name);
}
