import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseRecording, type Recording } from "./recording.ts";

/** Recordings in a folder that are read; programs that open hms more often are reported by their first ones. */
const RECORDINGS_MAX = 16;

/**
 * The recordings that programs have left in a folder, in the order of their opening. Throws BAD_RECORDING (EINVAL), and
 * what reading files throws.
 */
export function readRecordings(folder: string): Recording[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => parseRecording(readFileSync(join(folder, name), "utf8"), name))
    .sort((a, b) => a.opened - b.opened)
    .slice(0, RECORDINGS_MAX);
}
