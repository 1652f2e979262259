import { readFileSync } from "node:fs";
import { HmsError } from "@hms/topology";
import type { ForeignCase, TestCase } from "../format/case.ts";
import { readCase } from "../format/read.ts";
import type { CaseHost } from "../host.ts";
import { caseFiles } from "./files.ts";
import type { CaseReport, Outcome } from "./outcome.ts";
import { runCase } from "./runner.ts";

/** What a run of case files came to. */
export interface SuiteReport {
  readonly host: string;
  readonly cases: readonly CaseReport[];
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What a run tells while it goes on. */
export interface SuiteListener {
  /** A case has ended. */
  onCase?(report: CaseReport): void;
  /** A step of a case begins. */
  onStep?(progress: {
    readonly name: string;
    readonly step: string;
    readonly done: number;
    readonly cases: number;
  }): void;
}

/**
 * Runs the case files that paths name on a host. A file that cannot be read as a case counts as failed.
 *
 * @throws HmsError INPUT_NOT_FOUND (ENOENT) when a path does not exist or holds no case.
 */
export async function runSuite(
  paths: readonly string[],
  host: CaseHost,
  listener: SuiteListener = {},
): Promise<SuiteReport> {
  const files = caseFiles(paths);
  const cases: CaseReport[] = [];
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    const { name, run } = load(file);
    const progress = { name, done: cases.length, cases: files.length };
    const outcome = await run(host, (step) => listener.onStep?.({ ...progress, step }));
    const report = { name, file, outcome };
    count[outcome.result]++;
    cases.push(report);
    listener.onCase?.(report);
  }
  return { host: host.name, cases, ...count };
}

interface Loaded {
  readonly name: string;
  run(host: CaseHost, onStep: (label: string) => void): Promise<Outcome>;
}

function load(file: string): Loaded {
  let test: TestCase | ForeignCase;
  try {
    test = readCase(file, readFileSync(file, "utf8"));
  } catch (error) {
    const message = HmsError.is(error) ? error.message : `${file}: cannot be read: ${String(error)}`;
    const line = /:(\d+): /.exec(message)?.[1];
    const outcome: Outcome = {
      result: "failed",
      step: null,
      line: line === undefined ? null : Number(line),
      message,
      expected: null,
      actual: null,
    };
    return { name: file, run: async () => outcome };
  }
  if ("foreign" in test) {
    const outcome: Outcome = { result: "skipped", missing: test.foreign };
    return { name: test.name, run: async () => outcome };
  }
  const readable = test;
  return { name: test.name, run: (host, onStep) => runCase(readable, host, onStep) };
}
