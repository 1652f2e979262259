// Everything that is checked without running the program: format and lint, types, import boundaries.
import { spawnSync } from "node:child_process";

const node = process.execPath;
const steps: readonly (readonly [string, readonly string[]])[] = [
  [
    "format and lint",
    [node, "node_modules/@biomejs/biome/bin/biome", "ci", "--colors=off", "--error-on-warnings", "."],
  ],
  ["types", [node, "node_modules/@typescript/native/bin/tsc", "-p", "tsconfig.check.json"]],
  // As published: stricter, since each file's declarations must follow from it alone.
  ["build", [node, "node_modules/@typescript/native/bin/tsc", "-b"]],
  [
    "import boundaries",
    [
      node,
      "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs",
      "--config",
      ".dependency-cruiser.cjs",
      "packages",
      "test",
      "bench",
      "tools",
    ],
  ],
];

let failed = false;
for (const [title, [command, ...args]] of steps) {
  const started = performance.now();
  const done = spawnSync(command as string, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const good = done.status === 0;
  process.stdout.write(`${good ? "ok" : "FAILED"}  ${title} (${seconds} s)\n`);
  if (!good) {
    failed = true;
    process.stdout.write(`${done.stdout}${done.stderr}\n`);
  }
}
process.exitCode = failed ? 1 : 0;
