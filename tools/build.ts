// Builds the packages as they are published: `tsc -b` into each package's dist/ (all, or those whose folders are
// given), and the command line in one file.
import { spawnSync } from "node:child_process";
import { bundle } from "./bundle.ts";

const done = spawnSync(
  process.execPath,
  ["node_modules/@typescript/native/bin/tsc", "-b", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
if (done.status === 0) await bundle();
process.exitCode = done.status ?? 1;
