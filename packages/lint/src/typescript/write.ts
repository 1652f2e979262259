import type { BaselineComparison } from "./baseline.ts";
import { type Mention, PACKAGE_CLASSES, type PackageExport, type PackagesReport } from "./report.ts";

export interface PackagesTextOptions {
  readonly colour: boolean;
  /** Shows every mention of the exports of this name instead. */
  readonly why: string | null;
}

const MEANING: Readonly<Record<PackageExport["class"], string>> = {
  package: "used by code outside of the package",
  signature: "named by the signature of what is used",
  tests: "used by tests, benchmarks or examples only",
  undetermined: "the whole module is taken: which names are used cannot be told",
  nobody: "used by nobody",
};
const RED = "\x1b[31m";
const YELLOW = "\x1b[33m";
const PLAIN = "\x1b[0m";

/** Who uses the exports of packages, for people. */
export function packagesText(
  report: PackagesReport,
  comparison: BaselineComparison,
  options: PackagesTextOptions,
): string {
  if (options.why !== null) return whyText(report, options.why);
  const paint = (colour: string, text: string): string =>
    options.colour ? `${colour}${text}${PLAIN}` : text;
  const lines = [table(report)];
  for (const kind of ["nobody", "tests", "undetermined"] as const) {
    const found = report.exports.filter((one) => one.class === kind);
    if (found.length === 0) continue;
    lines.push(paint(kind === "nobody" ? RED : YELLOW, `${MEANING[kind]}: ${found.length}`));
    for (const one of found) lines.push(`  ${plain(exportLine(one, comparison))}`);
    lines.push("");
  }
  for (const note of report.notes) lines.push(`Not judged: ${note}`);
  for (const { package: of, name, reason } of comparison.stale)
    lines.push(`The baseline lists ${name} of ${of} (${reason}), which is used or gone: take it out.`);
  lines.push(verdict(report, comparison));
  return `${lines.join("\n")}\n`;
}

/** File names may hold what a terminal would take for a command. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}

function table(report: PackagesReport): string {
  const width = Math.max(...report.packages.map(({ name }) => name.length), 8);
  const rows = report.packages.map(({ name }) => {
    const own = report.exports.filter((one) => one.package === name);
    const counts = PACKAGE_CLASSES.map((kind) =>
      String(own.filter((one) => one.class === kind).length).padStart(13),
    );
    return `${name.padEnd(width)}${counts.join("")}`;
  });
  const head = `${"package".padEnd(width)}${["code", "signature", "tests", "undetermined", "nobody"].map((one) => one.padStart(13)).join("")}`;
  return `${head}\n${rows.join("\n")}\n`;
}

function exportLine(one: PackageExport, comparison: BaselineComparison): string {
  const entry = one.subpath === "." ? one.package : `${one.package}${one.subpath.slice(1)}`;
  const since = one.born === null ? "not released yet" : `since ${one.born}`;
  const state = one.overdue ? ", overdue: consume or revert" : "";
  const known = one.class === "nobody" && !comparison.violations.includes(one) ? ", in the baseline" : "";
  return `${one.path}:${one.line}  ${one.name} (${one.kind}, ${entry}, ${since}${state}${known})`;
}

function whyText(report: PackagesReport, name: string): string {
  const found = report.exports.filter((one) => one.name === name);
  if (found.length === 0) return `No package exports ${name}.\n`;
  return found
    .map((one) => {
      const mentions = one.mentions.map((mention) => `  ${plain(mentionLine(mention))}`);
      return `${one.name} of ${one.package} (${one.subpath}), ${one.path}:${one.line}: ${MEANING[one.class]}\n${mentions.join("\n")}${mentions.length > 0 ? "\n" : ""}`;
    })
    .join("");
}

function mentionLine({ path, line, how, of }: Mention): string {
  return `${path}:${line}  ${how}${of === null ? "" : ` of ${of}`}`;
}

function verdict(report: PackagesReport, comparison: BaselineComparison): string {
  const { length } = comparison.violations;
  const all = `${report.exports.length} exports of ${report.packages.length} packages`;
  return length === 0 ? `${all}: each has a user.` : `${all}: ${length} without a user.`;
}

/** Who uses the exports of packages, for programs. */
export function packagesJson(report: PackagesReport, comparison: BaselineComparison): string {
  const name = ({ package: of, subpath, name }: PackageExport): object => ({ package: of, subpath, name });
  const { violations, stale } = comparison;
  return `${JSON.stringify({ format: "hms-packages-1", ...report, violations: violations.map(name), stale }, null, 2)}\n`;
}

/** The exports without a user as SARIF 2.1.0. */
export function packagesSarif(comparison: BaselineComparison): string {
  const results = comparison.violations.map((one) => ({
    ruleId: "export-without-user",
    level: "error",
    message: {
      text: `${one.name} of ${one.package} is exported, and ${MEANING[one.class]}. Use it, or do not export it.`,
    },
    locations: [
      {
        physicalLocation: { artifactLocation: { uri: one.path }, region: { startLine: one.line } },
      },
    ],
  }));
  const rules = [{ id: "export-without-user", shortDescription: { text: "An export that nobody uses." } }];
  return `${JSON.stringify({ $schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [{ tool: { driver: { name: "hms lint exports", rules } }, results }] }, null, 2)}\n`;
}
