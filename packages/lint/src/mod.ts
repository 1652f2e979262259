// Discipline that a machine checks: exports without consumers (exports/), interfaces that must not break (abi/), the
// exports of TypeScript packages (typescript/). docs/guides/lint.md shows it at work.
export { abiBaseline, withoutBaseline } from "./abi/baseline.ts";
export type { AbiFinding, AbiRule, Place, Verdict } from "./abi/finding.ts";
export { type AbiReport, type LintAbiOptions, lintAbi } from "./abi/lint-abi.ts";
export { type AbiTextOptions, abiJson, abiSarif, abiText } from "./abi/write.ts";
export {
  againstBaseline,
  type ExportBaseline,
  exportBaseline,
  readExportBaseline,
} from "./exports/baseline.ts";
export type { ExportClass } from "./exports/classes.ts";
export { examineExports, examineOpened as examineKernel, openKernel } from "./exports/examine.ts";
export { type Comparison, compareExports } from "./exports/history/compare.ts";
export { type Motivation, motivations, unmotivated } from "./exports/history/motivation.ts";
export { planLetters } from "./exports/plan.ts";
export { exportsHtml } from "./exports/render/html.ts";
export { comparisonJson, exportsJson } from "./exports/render/json.ts";
export { exportsSarif } from "./exports/render/sarif.ts";
export { comparisonText, exportsText, whyText } from "./exports/render/text.ts";
export type { Consumer, ExportedSymbol, ExportReport } from "./exports/report.ts";
export { indexMaintainers, maintainersOf, subsystemFilter } from "./exports/subsystem.ts";
export type { Tree as KernelTree } from "./exports/tree/open.ts";
export { type Violation, violationsOf } from "./exports/violations.ts";
export { explainSymbol } from "./exports/why.ts";
export {
  type BaselineComparison,
  compareWithBaseline,
  packagesBaseline,
  readBaseline,
} from "./typescript/baseline.ts";
export { isPackageWorkspace, lintPackages } from "./typescript/lazy.ts";
export type { LintPackagesOptions, PackageExport, PackagesReport } from "./typescript/report.ts";
export {
  type PackagesTextOptions,
  packagesJson,
  packagesSarif,
  packagesText,
} from "./typescript/write.ts";
