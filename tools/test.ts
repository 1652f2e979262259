// Runs the tests of the repository, or those whose path contains one of the words given.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { bundle } from "./bundle.ts";

const words = process.argv.slice(2);
const files = globSync(["packages/**/*.test.ts", "test/**/*.test.ts"], {
  exclude: (name) => name === "node_modules" || name === "dist",
})
  // Those run in guests of the lab, by test/lab.test.ts.
  .filter((file) => !file.startsWith("test/lab/guest/"))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort();
if (files.length === 0) {
  process.stderr.write(
    `No test file matches ${words.join(", ")}: give a part of a path such as topology or cli.\n`,
  );
  process.exit(2);
}
// Once, and not by each of the test files that run the command line.
await bundle();
const run = spawnSync(process.execPath, ["--test", "--test-reporter=spec", ...files], { stdio: "inherit" });
process.exitCode = run.status ?? 1;
