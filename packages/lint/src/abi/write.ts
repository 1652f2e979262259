import { ABI_RULES, type AbiFinding, type Place, VERDICTS, type Verdict } from "./finding.ts";
import { type AbiReport, countAbi } from "./lint-abi.ts";

export interface AbiTextOptions {
  readonly colour: boolean;
  /** Lists what is compatible too. */
  readonly all: boolean;
}

const COLOURS: Readonly<Record<Verdict, string>> = {
  "breaks binaries": "\x1b[31m",
  "breaks sources": "\x1b[35m",
  risk: "\x1b[33m",
  "not judged": "\x1b[36m",
  compatible: "\x1b[32m",
};
const PLAIN = "\x1b[0m";

/** A comparison for people: worst first, by file, each with its lines, what changed and whom it breaks. */
export function abiText(report: AbiReport, options: AbiTextOptions): string {
  const paint = (verdict: Verdict, text: string): string =>
    options.colour ? `${COLOURS[verdict]}${text}${PLAIN}` : text;
  const parts: string[] = [heading(report)];
  for (const verdict of VERDICTS) {
    const findings = report.findings.filter((one) => one.verdict === verdict);
    if (findings.length === 0 || (verdict === "compatible" && !options.all)) continue;
    parts.push(`${paint(verdict, `${verdict}: ${findings.length}`)}\n${section(findings, report)}`);
  }
  parts.push(summary(report, paint));
  return parts.join("\n");
}

function heading(report: AbiReport): string {
  const [before, after] = report.headers;
  if (before === 0) return `${report.old} → ${report.new}\n`;
  return `${report.old} (${before} headers) → ${report.new} (${after} headers), for ${report.architectures.join(" and ")}\n`;
}

function section(findings: readonly AbiFinding[], report: AbiReport): string {
  const lines: string[] = [];
  let path = "";
  let said = "";
  for (const finding of findings) {
    const here = (finding.old ?? finding.new)?.path ?? "";
    if (here !== path) {
      lines.push(`  ${plain(here)}`);
      said = "";
    }
    path = here;
    const only =
      finding.architectures.length < report.architectures.length
        ? ` [${finding.architectures.join(", ")} only]`
        : "";
    lines.push(`    ${plain(`${placesOf(finding)}  ${finding.name}: ${finding.message}`)}${only}`);
    // Once for all of a file that follow each other and break the same people.
    if (finding.who !== "" && finding.who !== said) lines.push(`        ${plain(finding.who)}`);
    said = finding.who;
  }
  return `${lines.join("\n")}\n`;
}

/** Headers and file names may hold what a terminal would take for a command. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}

/** `12 → 14`, or with the file where it is another. */
function placesOf({ old, new: now }: AbiFinding): string {
  const there = (place: Place): string =>
    old !== null && place.path !== old.path ? `${place.path}:${place.line}` : String(place.line);
  if (old === null) return now === null ? "" : `new ${now.line}`;
  return now === null ? `${old.line} → gone` : `${old.line} → ${there(now)}`;
}

function summary(report: AbiReport, paint: (verdict: Verdict, text: string) => string): string {
  const rows = countAbi(report).map(
    ({ verdict, rule, count }) =>
      `  ${String(count).padStart(6)}  ${paint(verdict, verdict.padEnd(15))}  ${rule}: ${ABI_RULES[rule]}`,
  );
  return rows.length === 0 ? "Nothing changed.\n" : `In short:\n${rows.join("\n")}\n`;
}

/** A comparison for programs. `format` changes when a reader of the old form would misread it. */
export function abiJson(report: AbiReport): string {
  const counts = countAbi(report);
  return `${JSON.stringify({ format: "hms-abi-1", ...report, counts }, null, 2)}\n`;
}

/** A comparison as SARIF 2.1.0, for the places where people read code. */
export function abiSarif(report: AbiReport): string {
  const used = [...new Set(report.findings.map(({ rule }) => rule))];
  const level = (verdict: Verdict): string =>
    verdict.startsWith("breaks") ? "error" : verdict === "risk" ? "warning" : "note";
  const location = (place: Place): object => ({
    physicalLocation: {
      artifactLocation: { uri: place.path },
      region: { startLine: Math.max(1, place.line) },
    },
  });
  const results = report.findings.map((one) => {
    const place = one.new ?? one.old;
    return {
      ruleId: one.rule,
      ruleIndex: used.indexOf(one.rule),
      level: level(one.verdict),
      message: { text: `${one.name}: ${one.message}.${one.who === "" ? "" : ` ${one.who}`}` },
      locations: place === null ? [] : [location(place)],
      ...(one.old !== null && one.new !== null ? { relatedLocations: [location(one.old)] } : {}),
      properties: { verdict: one.verdict, architectures: one.architectures },
    };
  });
  const rules = used.map((id) => ({ id, shortDescription: { text: ABI_RULES[id] } }));
  return `${JSON.stringify(
    {
      $schema: "https://json.schemastore.org/sarif-2.1.0.json",
      version: "2.1.0",
      runs: [{ tool: { driver: { name: "hms lint abi", rules } }, results }],
    },
    null,
    2,
  )}\n`;
}
