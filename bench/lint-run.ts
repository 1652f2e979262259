// Examines the exports of a kernel tree once, in a process of its own: milliseconds, and the most memory it had.
import { examineExports } from "@hms/lint";

const [tree = ""] = process.argv.slice(2);
const started = performance.now();
const { symbols } = await examineExports(tree);
const ms = performance.now() - started;
process.stdout.write(
  JSON.stringify({ ms, peakMiB: process.resourceUsage().maxRSS / 1024, exports: symbols.length }),
);
