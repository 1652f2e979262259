import { RULES, type Rule, type Violation } from "../violations.ts";

/** Levels that code hosts show: what to mend, and what to think about. */
const LEVELS: Readonly<Record<Rule, "error" | "warning" | "note">> = {
  "no-consumer": "error",
  "not-by-a-module": "warning",
  "same-module": "warning",
  overdue: "error",
  freeze: "error",
  "kind-changed": "error",
  "no-motivation": "note",
};

/** SARIF 2.1.0, which code hosts and editors read. Results that the baseline knows are marked as unchanged. */
export function exportsSarif(
  violations: readonly Violation[],
  known: ReadonlySet<Violation>,
  toolVersion: string,
): string {
  const rules = Object.keys(RULES) as Rule[];
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "hms lint exports",
            semanticVersion: toolVersion,
            rules: rules.map((id) => ({
              id,
              shortDescription: { text: RULES[id] },
              defaultConfiguration: { level: LEVELS[id] },
            })),
          },
        },
        columnKind: "utf16CodeUnits",
        results: violations.map((one) => ({
          ruleId: one.rule,
          ruleIndex: rules.indexOf(one.rule),
          level: LEVELS[one.rule],
          message: { text: one.message },
          ...(known.size === 0 ? {} : { baselineState: known.has(one) ? "unchanged" : "new" }),
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(one.file), uriBaseId: "SRCROOT" },
                region: { startLine: Math.max(1, one.line) },
              },
              logicalLocations: [{ name: one.symbol, kind: "function" }],
            },
          ],
          partialFingerprints: { "hmsExport/v1": `${one.rule} ${one.symbol} ${one.file}` },
        })),
      },
    ],
  };
  return `${JSON.stringify(log, null, 1)}\n`;
}
