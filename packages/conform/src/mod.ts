// Conformance: the case format, the runner, what a host must offer to run cases, and the hosts that do.
export { kernelCaseHost } from "./kernel/open.ts";
export { linuxCaseHost } from "./linux/open.ts";
export { modelCaseHost } from "./model/host.ts";
export { caseLine, suiteJson, summaryLine } from "./run/report.ts";
export { runSuite } from "./run/suite.ts";
export { type ShrinkOptions, type Shrunk, shrink } from "./torture/shrink.ts";
export { smallCase } from "./torture/small-case.ts";
export { type Failure, type SeedOptions, type SeedReport, tortureSeed } from "./torture/torture.ts";
