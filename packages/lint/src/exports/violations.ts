import type { ExportClass } from "./classes.ts";
import type { ExportedSymbol } from "./report.ts";

/** The rules, by the name that reports give them. */
export const RULES = {
  "no-consumer": "every export has a consumer in the tree",
  "not-by-a-module": "every export has a consumer that can be built as a module; a built-in user needs none",
  "same-module": "what only its own module uses needs no export",
  overdue: "a new export is consumed in the release that brings it, or within the window after it",
  freeze: "while an export is overdue, no new one",
  "kind-changed": "an export's kind (GPL or not, namespace) does not change after its first release",
  "no-motivation": "a new export says why it exists and names its consumer",
} as const;

export type Rule = keyof typeof RULES;

export interface Violation {
  readonly rule: Rule;
  readonly symbol: string;
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

const BROKEN: Readonly<Record<ExportClass, Rule | null>> = {
  module: null,
  tests: null,
  undetermined: null,
  nobody: "no-consumer",
  headers: "no-consumer",
  "built-in": "not-by-a-module",
  "same-module": "same-module",
};

/** The rule that a class breaks, or null. Tests count as consumers; what is undetermined is not held against anyone. */
export function brokenBy(found: ExportClass): Rule | null {
  return BROKEN[found];
}

/** What the symbols of one tree break. */
export function violationsOf(symbols: readonly ExportedSymbol[]): Violation[] {
  return symbols.flatMap(({ symbol, file, line, class: found, why }) => {
    const rule = BROKEN[found];
    return rule === null ? [] : [{ rule, symbol, file, line, message: `${symbol}: ${why}` }];
  });
}
