// Runs case files against the kernel's own HMM test device; in a guest, as root: node conform-kernel.ts PATH…
import { caseLine, summaryLine } from "../../packages/conform/src/run/report.ts";
import { runSuite } from "../../packages/conform/src/run/suite.ts";
import { kernelHost } from "./kernel-host.ts";

const report = await runSuite(process.argv.slice(2), kernelHost(), {
  onCase: (one) => process.stdout.write(`${caseLine(one)}\n`),
});
process.stdout.write(`${summaryLine(report)}\n`);
process.exitCode = report.failed > 0 ? 1 : 0;
