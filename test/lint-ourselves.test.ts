// What hms asks of the kernel it asks of itself: nothing is exported that nothing in the tree uses, and the released
// interface is only added to.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compareWithBaseline, lintAbi, lintPackages, readBaseline } from "@hms/lint";

const root = join(import.meta.dirname, "..");
/** What may stay for now: each entry has its reason and who answers for it, and goes with the first user. */
const BASELINE = join(root, "test/exports-baseline.json");

const report = await lintPackages(root);

test("nothing is exported that nothing in the tree uses", () => {
  const { violations } = compareWithBaseline(report, readBaseline(BASELINE));
  const lines = violations.map(
    (one) => `${one.path}:${one.line} ${one.name} of ${one.package}: use it, or do not export it`,
  );
  assert.deepEqual(lines, []);
});

test("the baseline lists nothing that is used by now, or gone", () => {
  const { stale } = compareWithBaseline(report, readBaseline(BASELINE));
  assert.deepEqual(
    stale.map((one) => `${one.name} of ${one.package}: take it out of test/exports-baseline.json`),
    [],
  );
});

test("the packages are all seen, with their users", () => {
  const names = report.packages.map(({ name }) => name);
  for (const name of ["@hms/topology", "@hms/hmm", "@hms/conform", "@hms/lint"])
    assert.ok(names.includes(name), name);
  const space = report.exports.find((one) => one.package === "@hms/hmm" && one.name === "Space");
  assert.equal(space?.class, "package");
  assert.ok((space?.mentions.length ?? 0) > 1);
});

/** The golden file of the last commit; undefined outside of a repository, or before there is one. */
function committed(): string | undefined {
  const done = spawnSync("git", ["-C", root, "show", "HEAD:abi/core.json"], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return done.status === 0 ? done.stdout : undefined;
}

const golden = committed();
test("the interface of the last commit is not broken", {
  skip: golden === undefined ? "there is no commit with a golden file here" : false,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-golden-"));
  try {
    const old = join(folder, "core.json");
    writeFileSync(old, golden ?? "");
    const { released } = JSON.parse(golden ?? "{}") as { readonly released?: number };
    const { findings } = await lintAbi(old, join(root, "abi/core.json"));
    // Before the first release it may still be made better.
    const broken =
      (released ?? 0) === 0 ? [] : findings.filter(({ verdict }) => verdict.startsWith("breaks"));
    assert.deepEqual(broken, []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
