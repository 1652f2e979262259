// Discipline that a machine checks: exports without consumers (exports/), interfaces that must not break (abi/), the
// exports of TypeScript packages (typescript/). docs/guides/lint.md shows it at work.
export { abiBaseline, withoutBaseline } from "./abi/baseline.ts";
export type { AbiFinding, AbiRule, Place, Verdict } from "./abi/finding.ts";
export { type AbiReport, type LintAbiOptions, lintAbi } from "./abi/lint-abi.ts";
export { type AbiTextOptions, abiJson, abiSarif, abiText } from "./abi/write.ts";
export { CLASSES, type ExportClass } from "./exports/classes.ts";
export { type BaselineComparison, compareWithBaseline, readBaseline } from "./typescript/baseline.ts";
export {
  isPackageWorkspace,
  type LintPackagesOptions,
  lintPackages,
  type PackageExport,
  type PackagesReport,
} from "./typescript/lint-packages.ts";
export {
  type PackagesTextOptions,
  packagesJson,
  packagesSarif,
  packagesText,
} from "./typescript/write.ts";
