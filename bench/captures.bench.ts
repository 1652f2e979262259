// All captures of real machines, unpacked, read in one process, against lstopo run over the same ones.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildSync } from "esbuild";
import { type Benchmark, captures, inTurns, missing, missingTool, timeProcess } from "./benchmark.ts";

const PEER = "lstopo-no-graphics";
const ROUNDS = 9;

export const benchmarks: readonly Benchmark[] = [
  {
    name: "all captures read",
    unit: "ms",
    better: "lower",
    bound: 1,
    run() {
      const skipped = missing(join(captures, "linux")) ?? missingTool(PEER) ?? missingTool("tar");
      if (skipped !== undefined) return { skipped };
      const scratch = mkdtempSync(join(tmpdir(), "hms-bench-"));
      try {
        const roots = unpack(scratch);
        const reader = join(scratch, "read-captures.mjs");
        // As the command line and any program that cares for its start.
        buildSync({
          entryPoints: [join(import.meta.dirname, "read-captures.ts")],
          outdir: scratch,
          outExtension: { ".js": ".mjs" },
          bundle: true,
          splitting: true,
          platform: "node",
          format: "esm",
        });
        const env = { ...process.env, HWLOC_COMPONENTS: "linux,stop", HWLOC_HIDE_ERRORS: "2" };
        const times = inTurns(
          ROUNDS,
          () => timeProcess(process.execPath, [reader, ...roots]),
          () =>
            roots.reduce((sum, root) => {
              const args = [
                "--input",
                root,
                "--if",
                "fsroot",
                "--of",
                "xml",
                "--whole-io",
                "--filter",
                "all:all",
              ];
              return sum + timeProcess(PEER, args, env);
            }, 0),
        );
        return {
          ...times,
          how: `${roots.length} captures; ours one process with its start, bundled, ${PEER} one each; lower quartiles of ${ROUNDS} in turns`,
        };
      } finally {
        rmSync(scratch, { recursive: true });
      }
    },
  },
];

/** Folders with sys/ in them. */
function unpack(scratch: string): string[] {
  for (const archive of globSync("*.tar.*", { cwd: join(captures, "linux") })) {
    const folder = join(scratch, archive.replace(/\.tar\..*/, ""));
    mkdirSync(folder);
    const done = spawnSync("tar", ["-xf", join(captures, "linux", archive), "-C", folder], {
      encoding: "utf8",
    });
    if (done.status !== 0) throw new Error(`tar could not unpack ${archive}: ${done.stderr}`);
  }
  return [...globSync("*/*/sys", { cwd: scratch }), ...globSync("*/*/fsroot/sys", { cwd: scratch })]
    .map((sys) => dirname(join(scratch, sys)))
    .filter((root) => existsSync(root))
    .sort();
}
