// The whole process `hms topo --format json` on this machine, against lstopo.
import { join } from "node:path";
import { type Benchmark, inTurns, missingTool, root, timeProcess } from "./benchmark.ts";

const PEER = "lstopo-no-graphics";
const ROUNDS = 31;

export const benchmarks: readonly Benchmark[] = [
  {
    name: "hms topo --format json, whole process",
    unit: "ms",
    better: "lower",
    bound: 3,
    run() {
      const skipped = missingTool(PEER);
      if (skipped !== undefined) return { skipped };
      const hms = join(root, "packages/cli/bin/hms.js");
      // The first run from changed sources makes the bundle, the second the cached code.
      for (let i = 0; i < 2; i++) timeProcess(process.execPath, [hms, "topo", "--format", "json"]);
      const times = inTurns(
        ROUNDS,
        () => timeProcess(process.execPath, [hms, "topo", "--format", "json"]),
        () => timeProcess(PEER, ["--of", "xml"]),
      );
      return {
        ...times,
        how: `${PEER} --of xml; lower quartiles of ${ROUNDS} runs in turns, files and code cached`,
      };
    },
  },
];
