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

/**
 * Holds a call to so many milliseconds of a processor. Other programs on the machine slow it down too (by its caches):
 * it is good when one of three times is, each with things made anew, as a machine remembers what was asked of it.
 */
export function assertQuick<T>(limit: number, make: () => T, call: (made: T) => void): void {
  const times: number[] = [];
  while (times.length < 3) {
    const made = make();
    const before = process.cpuUsage();
    call(made);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
    if (Math.min(...times) < limit) return;
  }
  assert.fail(
    `takes ${times.map((time) => time.toFixed(0)).join(", ")} ms, but at most ${limit} ms is allowed`,
  );
}
