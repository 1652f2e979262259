// Discipline that a machine checks: exports without consumers (exports/), interfaces that must not break (abi/), the
// exports of TypeScript packages (typescript/). docs/guides/lint.md shows it at work.
export { CLASSES, type ExportClass } from "./exports/classes.ts";
