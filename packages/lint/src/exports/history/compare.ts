import type { ExportClass } from "../classes.ts";
import type { ExportedSymbol, ExportReport } from "../report.ts";
import { brokenBy, type Violation } from "../violations.ts";

export interface CompareOptions {
  /** Releases after the one that brings an export in which its consumer may come; 1: the next one. */
  readonly window: number;
  /** What an overdue export freezes: the part of the tree that it lies in, or all of it. */
  readonly freeze: "subsystem" | "tree";
}

/** What became of an exported symbol between two trees. */
export interface Change {
  readonly symbol: string;
  readonly before: ExportedSymbol | null;
  readonly after: ExportedSymbol | null;
}

export interface KindChange extends Change {
  /** What changed: "GPL only → any module", "namespace A → B". */
  readonly what: readonly string[];
}

export interface Comparison {
  readonly from: string;
  readonly to: string;
  /** Releases from one to the other by their Makefiles, or null when that cannot be told. */
  readonly releases: number | null;
  readonly born: readonly Change[];
  readonly removed: readonly Change[];
  /** Had no consumer, has one now. */
  readonly consumed: readonly Change[];
  /** Had a consumer, has none now. */
  readonly abandoned: readonly Change[];
  /** Had none, and has none though the window is over. */
  readonly overdue: readonly Change[];
  readonly changed: readonly KindChange[];
  /** Born without a consumer: the window decides when they are overdue. */
  readonly pending: readonly Change[];
  readonly violations: readonly Violation[];
}

const ORDER: readonly ExportClass[] = [
  "module",
  "tests",
  "same-module",
  "built-in",
  "undetermined",
  "headers",
  "nobody",
];

/** Of several exports of a name (one an architecture) the best used one. */
function bySymbol(report: ExportReport): Map<string, ExportedSymbol> {
  const best = new Map<string, ExportedSymbol>();
  for (const one of report.symbols) {
    const other = best.get(one.symbol);
    if (other === undefined || ORDER.indexOf(one.class) < ORDER.indexOf(other.class))
      best.set(one.symbol, one);
  }
  return best;
}

function hasNone(one: ExportedSymbol): boolean {
  return brokenBy(one.class) === "no-consumer";
}

/** Compares the exports of two trees, the older one first. */
export function compareExports(from: ExportReport, to: ExportReport, options: CompareOptions): Comparison {
  const before = bySymbol(from);
  const after = bySymbol(to);
  const releases = releasesBetween(from.release, to.release);
  const born: Change[] = [];
  const removed: Change[] = [];
  const consumed: Change[] = [];
  const abandoned: Change[] = [];
  const overdue: Change[] = [];
  const pending: Change[] = [];
  const changed: KindChange[] = [];
  for (const [symbol, now] of after) {
    const then = before.get(symbol) ?? null;
    const change = { symbol, before: then, after: now };
    if (then === null) {
      born.push(change);
      if (hasNone(now)) pending.push(change);
      continue;
    }
    const what = kindChanges(then, now);
    if (what.length > 0) changed.push({ ...change, what });
    if (hasNone(then) && !hasNone(now)) consumed.push(change);
    else if (!hasNone(then) && hasNone(now)) abandoned.push(change);
    else if (hasNone(now) && (releases ?? 1) >= options.window) overdue.push(change);
  }
  for (const [symbol, then] of before)
    if (!after.has(symbol)) removed.push({ symbol, before: then, after: null });
  const parts = { born, removed, consumed, abandoned, overdue, pending, changed };
  return { from: from.tree, to: to.tree, releases, ...parts, violations: broken(parts, options) };
}

function broken(
  { born, overdue, changed }: Pick<Comparison, "born" | "overdue" | "changed">,
  options: CompareOptions,
): Violation[] {
  const violations: Violation[] = [];
  const add = (rule: Violation["rule"], one: ExportedSymbol | null, message: string): void => {
    if (one !== null) violations.push({ rule, symbol: one.symbol, file: one.file, line: one.line, message });
  };
  for (const { symbol, after } of overdue)
    add(
      "overdue",
      after,
      `${symbol}: had no consumer then and has none now; consume it or revert the export`,
    );
  for (const { symbol, after, what } of changed) add("kind-changed", after, `${symbol}: ${what.join(", ")}`);
  const frozen = new Map<string, string>();
  for (const { symbol, after } of overdue) {
    const part = options.freeze === "tree" ? "" : subsystemOf(after?.file ?? "");
    if (!frozen.has(part)) frozen.set(part, symbol);
  }
  for (const { symbol, after } of born) {
    const part = options.freeze === "tree" ? "" : subsystemOf(after?.file ?? "");
    const because = frozen.get(part);
    if (because !== undefined)
      add(
        "freeze",
        after,
        `${symbol}: new, while ${because} of ${part === "" ? "the tree" : part} is overdue`,
      );
  }
  return violations;
}

function kindChanges(then: ExportedSymbol, now: ExportedSymbol): string[] {
  const what: string[] = [];
  const gpl = (one: ExportedSymbol): string => (one.gpl ? "GPL only" : "any module");
  if (then.gpl !== now.gpl) what.push(`${gpl(then)} → ${gpl(now)}`);
  if (then.namespace !== now.namespace)
    what.push(`namespace ${then.namespace ?? "none"} → ${now.namespace ?? "none"}`);
  if (then.modules !== now.modules)
    what.push(`for modules ${then.modules ?? "all"} → ${now.modules ?? "all"}`);
  return what;
}

/** The part of the tree that a file belongs to, as people speak of it: mm, fs/ext4, drivers/gpu. */
export function subsystemOf(path: string): string {
  const [top = "", next = ""] = path.split("/");
  const deep = /^(drivers|fs|net|sound|arch|include|lib)$/.test(top) && path.split("/").length > 2;
  return deep ? `${top}/${next}` : top;
}

/** From "6.1.192" to "6.12.117" there are 11 releases; between major numbers it cannot be told. */
function releasesBetween(from: string | null, to: string | null): number | null {
  const one = /^(\d+)\.(\d+)/.exec(from ?? "");
  const other = /^(\d+)\.(\d+)/.exec(to ?? "");
  if (one === null || other === null || one[1] !== other[1]) return null;
  return Math.max(0, Number(other[2]) - Number(one[2]));
}
