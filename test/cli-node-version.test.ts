import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { launcher } from "./support/hms.ts";

/** A Node older than 24 among the folders of PATH. */
function olderNode(): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(":")) {
    const node = join(folder, "node");
    const { status, stdout } = spawnSync(node, ["--version"], { encoding: "utf8" });
    if (status === 0 && Number(/^v(\d+)/.exec(stdout)?.[1]) < 24) return node;
  }
  return undefined;
}

const older = olderNode();

test("a run under an older Node ends with one clear sentence", {
  skip: older === undefined ? "there is no older Node here" : false,
}, () => {
  const { status, stdout, stderr } = spawnSync(older ?? "", [launcher, "topo"], { encoding: "utf8" });
  assert.equal(status, 2);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /^hms: needs Node 24 or newer, but this is Node \d+\.\d+\.\d+: run it as `npx hms`[^\n]*\n$/,
  );
});
