/** Output that is compared with what a person has looked at before. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const FOLDER = join(import.meta.dirname, "../../fixtures/render");

/**
 * Holds text to the file of that name in `fixtures/render`. With HMS_UPDATE_GOLDEN=1 in the environment the file is
 * written anew instead: look at the difference before it is committed.
 */
export function matchesGolden(name: string, text: string): void {
  const path = join(FOLDER, name);
  if (process.env.HMS_UPDATE_GOLDEN === "1") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  assert.ok(
    existsSync(path),
    `${path} is not there: run the test with HMS_UPDATE_GOLDEN=1 and look at the file`,
  );
  assert.equal(text, readFileSync(path, "utf8"), `${name} differs: HMS_UPDATE_GOLDEN=1 writes it anew`);
}

/** What a call takes of a processor, in ms: other programs on the machine do not count. */
export function cpuTime(call: () => void): number {
  const before = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
