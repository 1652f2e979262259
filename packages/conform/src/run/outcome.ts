import type { StepPlace } from "../format/case.ts";

/** How a case ended. */
export type Outcome =
  | { readonly result: "passed" }
  | {
      readonly result: "failed";
      /** Label of the step that failed; null when the case could not be read, started or closed. */
      readonly step: string | null;
      readonly line: number | null;
      /** What was done and what is wrong with it, one sentence. */
      readonly message: string;
      readonly expected: string | null;
      readonly actual: string | null;
    }
  | { readonly result: "skipped"; readonly missing: readonly string[] };

/** A case that was run, or could not be. */
export interface CaseReport {
  readonly name: string;
  readonly file: string;
  readonly outcome: Outcome;
}

/** Ends the running of a case: a step did not do what the case says. */
export class StepFailure extends Error {
  readonly place: StepPlace;
  readonly what: string;
  readonly expected: string | null;
  readonly actual: string | null;

  constructor(
    place: StepPlace,
    what: string,
    values?: { readonly expected: string; readonly actual: string },
  ) {
    super(values === undefined ? what : `${what}: expected ${values.expected}, got ${values.actual}`);
    this.name = "StepFailure";
    this.place = place;
    this.what = what;
    this.expected = values?.expected ?? null;
    this.actual = values?.actual ?? null;
  }
}
