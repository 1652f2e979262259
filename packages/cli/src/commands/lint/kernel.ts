import { readFileSync } from "node:fs";
import type { ExportedSymbol, ExportReport, KernelTree, Violation } from "@hms/lint";
import { type Console, EXIT_DONE, EXIT_FAILED, Failure, type Options, UsageError } from "../../command.ts";
import { writeWhole } from "../../output.ts";
import { printable } from "../../printable.ts";
import { version } from "../../version.ts";

const FORMATS = ["text", "json", "sarif", "html"] as const;
/** Milliseconds between two looks of the progress line. */
const PROGRESS_MS = 100;
const BAR_COLUMNS = 24;
const WINDOW_MAX = 999;
/** Warnings that are told; a tree can have one for every file. */
const WARNINGS_TOLD = 8;

/** `hms lint exports` on a kernel tree. */
export async function runKernel(options: Options, tree: string, console: Console): Promise<number> {
  const format = FORMATS.find((one) => one === (options.get("format") ?? "text"));
  if (format === undefined)
    throw new UsageError(
      `Option --format takes ${FORMATS.join(", ")} for a kernel, but got ${JSON.stringify(options.get("format"))}`,
    );
  const window = windowOf(options);
  const lint = await import("@hms/lint");
  const repository = options.get("git") ?? null;
  const progress = progressOn(console);
  const fresh = options.has("fresh");
  const opened = lint.openKernel(tree, repository);
  const report = await lint.examineKernel(opened, fresh, progress);
  console.progress("");
  for (const warning of report.warnings.slice(0, WARNINGS_TOLD)) console.note(printable(`hms: ${warning}`));
  if (report.warnings.length > WARNINGS_TOLD)
    console.note(`hms: ${report.warnings.length - WARNINGS_TOLD} more warnings; --format json lists them`);
  const maintainers = await lint.maintainersOf(opened);
  const chosen = options.get("subsystem");
  const belongs = chosen === undefined ? null : lint.subsystemFilter(chosen, opened, maintainers);
  const symbols = belongs === null ? report.symbols : report.symbols.filter((one) => belongs(one.file));
  const style = { colour: console.colour, width: console.width };

  const why = options.get("why");
  if (why !== undefined) return await explain(why, report, opened, console);
  if (options.has("plan")) {
    console.write(lint.planLetters(symbols, lint.indexMaintainers(maintainers), report.release));
    return EXIT_DONE;
  }
  let violations = lint.violationsOf(symbols);
  const all = options.has("all");
  const from = options.get("from");
  if (from !== undefined) {
    const older = lint.openKernel(from, repository);
    const before = await lint.examineKernel(older, fresh, progress);
    console.progress("");
    const comparison = lint.compareExports(
      { ...before, symbols: before.symbols.filter((one) => belongs?.(one.file) ?? true) },
      { ...report, symbols },
      { window, freeze: options.get("freeze") === "tree" ? "tree" : "subsystem" },
    );
    const texts = lint.motivations(
      comparison.born,
      repository,
      repository === null ? null : from,
      repository === null ? null : tree,
    );
    violations = [...comparison.violations, ...lint.unmotivated(texts, comparison.born)];
    const counted = await counting(options, violations, console);
    if (format === "json") console.write(lint.comparisonJson({ ...comparison, violations }, texts));
    else if (format === "sarif") console.write(lint.exportsSarif(violations, counted.known, version()));
    else if (format === "html") throw new UsageError("Option --format html shows one tree; leave out --from");
    else console.write(lint.comparisonText(comparison, texts, all, style));
    return counted.fresh > 0 ? EXIT_FAILED : EXIT_DONE;
  }
  const counted = await counting(options, violations, console);
  const index = options.has("maintainers") ? lint.indexMaintainers(maintainers) : null;
  if (format === "json")
    console.write(
      lint.exportsJson(
        report,
        symbols,
        violations,
        index === null ? null : (file) => index.of(file)?.title ?? null,
      ),
    );
  else if (format === "sarif") console.write(lint.exportsSarif(violations, counted.known, version()));
  else if (format === "html") console.write(lint.exportsHtml(report, symbols, index));
  else console.write(lint.exportsText(report, symbols, violations, index, all, style));
  return counted.fresh > 0 ? EXIT_FAILED : EXIT_DONE;
}

async function explain(
  symbol: string,
  report: ExportReport,
  opened: KernelTree,
  console: Console,
): Promise<number> {
  const lint = await import("@hms/lint");
  const found = report.symbols.filter(
    (one: ExportedSymbol) => one.symbol === symbol || one.symbol === `__tracepoint_${symbol}`,
  );
  const [first] = found;
  if (first === undefined)
    throw new Failure(
      `Explain ${symbol}: ${report.tree} does not export it; --format json lists what it exports.`,
    );
  const mentions = await lint.explainSymbol(opened, first.symbol, progressOn(console));
  console.progress("");
  console.write(lint.whyText(found, mentions, { colour: console.colour, width: console.width }));
  return EXIT_DONE;
}

/** Writes the baseline if asked to, and counts what is not in the one that was given. */
async function counting(
  options: Options,
  violations: readonly Violation[],
  console: Console,
): Promise<{ readonly fresh: number; readonly known: ReadonlySet<Violation> }> {
  const lint = await import("@hms/lint");
  const written = options.get("write-baseline");
  if (written !== undefined) {
    writeWhole(written, `${JSON.stringify(lint.exportBaseline(violations), null, 1)}\n`);
    console.note(`hms: ${written} holds ${violations.length} violations`);
    return { fresh: 0, known: new Set(violations) };
  }
  const path = options.get("baseline");
  if (path === undefined) return { fresh: violations.length, known: new Set() };
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Failure(`Read the baseline ${path}: it failed with ${code}; write one with --write-baseline.`);
  }
  const { fresh, gone } = lint.againstBaseline(violations, lint.readExportBaseline(text, path));
  const isFresh = new Set(fresh);
  console.note(
    `hms: ${fresh.length} violations are new, ${violations.length - fresh.length} are in the baseline, ${gone.length} of the baseline are gone`,
  );
  for (const one of fresh.slice(0, WARNINGS_TOLD))
    console.note(printable(`hms: new: ${one.file}:${one.line}: ${one.rule}: ${one.message}`));
  return { fresh: fresh.length, known: new Set(violations.filter((one) => !isFresh.has(one))) };
}

function progressOn(console: Console): (what: string, done: number, total: number) => void {
  let shownAt = 0;
  return (what, done, total) => {
    const now = performance.now();
    if (now - shownAt < PROGRESS_MS && done < total) return;
    shownAt = now;
    const part = total === 0 ? 0 : Math.min(1, done / total);
    const filled = Math.round(part * BAR_COLUMNS);
    const bar =
      total <= 1 ? "" : ` [${"█".repeat(filled)}${"·".repeat(BAR_COLUMNS - filled)}] ${done} of ${total}`;
    console.progress(printable(`${what}${bar}`).slice(0, console.width));
  };
}

function windowOf(options: Options): number {
  const text = options.get("window");
  if (text === undefined) return 1;
  const value = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= WINDOW_MAX) return value;
  throw new UsageError(
    `Option --window takes a number of releases from 0 to ${WINDOW_MAX}, but got ${JSON.stringify(text)}`,
  );
}
