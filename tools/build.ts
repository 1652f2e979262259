// Builds the packages as they are published: `tsc -b` into each package's dist/.
import { spawnSync } from "node:child_process";

const done = spawnSync(
  process.execPath,
  ["node_modules/@typescript/native/bin/tsc", "-b", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exitCode = done.status ?? 1;
