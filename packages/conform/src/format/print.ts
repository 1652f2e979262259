import type {
  DeviceStep,
  ExplainStep,
  InjectStep,
  MapStep,
  MigrateStep,
  NotificationsStep,
  Part,
  ReclaimStep,
  Step,
  TestCase,
} from "./case.ts";
import { printCode } from "./codes.ts";
import { printWords } from "./words.ts";

/**
 * The text of a case file that reads as this case; labels and lines aside. What has its default is left out. A repeat
 * is written out round by round.
 */
export function printCase(test: TestCase, comment: readonly string[] = []): string {
  const lines = comment.map((line) => `# ${line}`);
  lines.push(`name: ${JSON.stringify(test.name)}`);
  if (test.needs.length > 0) lines.push(`needs: [${test.needs.join(", ")}]`);
  if (test.devices.size > 0) {
    lines.push(`devices: {${[...test.devices].map(([name, kind]) => `${name}: ${kind}`).join(", ")}}`);
  }
  if (test.steps.length === 0) lines.push("steps: []");
  else lines.push("steps:", ...printSteps(test.steps, "  "));
  return `${lines.join("\n")}\n`;
}

function printSteps(steps: readonly Step[], indent: string): string[] {
  return steps.flatMap((step) => {
    switch (step.step) {
      case "repeat":
        return step.rounds.flatMap((round) => printSteps(round, indent));
      case "fork":
        return [
          `${indent}- fork:`,
          `${indent}    ends: ${step.ends}`,
          ...printBlock("child", step.child, `${indent}    `),
          ...(step.parent.length === 0 ? [] : printBlock("parent", step.parent, `${indent}    `)),
        ];
      case "race":
        return [
          `${indent}- race:`,
          `${indent}    times: ${step.times}`,
          ...printBlock("rival", step.rival, `${indent}    `),
          ...printBlock("steps", step.steps, `${indent}    `),
        ];
      case "notifications":
      case "inject":
      case "reclaim":
      case "migrate":
      case "explain":
        return [`${indent}- ${step.step}: {${extendedFields(step).join(", ")}}`];
      default:
        return [`${indent}- ${step.step}: {${fieldsOf(step).join(", ")}}`];
    }
  });
}

function printBlock(title: string, steps: readonly Step[], indent: string): string[] {
  return steps.length === 0
    ? [`${indent}${title}: []`]
    : [`${indent}${title}:`, ...printSteps(steps, `${indent}  `)];
}

type ExtendedStep = NotificationsStep | InjectStep | ReclaimStep | MigrateStep | ExplainStep;
type PlainStep = Exclude<Step, { step: "repeat" } | { step: "fork" } | { step: "race" } | ExtendedStep>;

function extendedFields(step: ExtendedStep): string[] {
  const expect =
    "expectPages" in step && step.expectPages !== null ? [`expect: {pages: ${step.expectPages}}`] : [];
  switch (step.step) {
    case "notifications": {
      const are = step.are.map(({ event, part, owner }) => {
        const fields = [`event: ${event}`, ...(part === null ? [] : partFields(part))];
        return `{${[...fields, ...named({ owner })].join(", ")}}`;
      });
      return [`on: ${step.on}`, `are: [${are.join(", ")}]`];
    }
    case "inject":
      return [
        `fault: ${step.fault}`,
        ...named({ on: step.on }),
        ...(COUNTED.has(step.fault) ? [`times: ${step.times}`] : []),
      ];
    case "reclaim":
      return [`pages: ${step.pages}`, ...(step.nonBlocking ? ["non-blocking: true"] : []), ...expect];
    case "migrate":
      return [
        ...partFields(step.part),
        `to: ${step.to}`,
        ...(step.duplicate ? ["duplicate: true"] : []),
        ...expect,
      ];
    case "explain": {
      const { where, from, cause, override, by } = step;
      return [...partFields(step.part), ...named({ where, from, cause, override, by })];
    }
  }
}

/** Faults that are counted. */
const COUNTED: ReadonlySet<string> = new Set(["copy-fails", "no-memory"]);

/** The fields that are not null. */
function named(fields: Readonly<Record<string, string | null>>): string[] {
  return Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
}

function fieldsOf(step: PlainStep): string[] {
  if (step.step === "map") return mapFields(step);
  if (step.step === "device") return deviceFields(step);
  const fields = partFields(step.part);
  if (step.step === "protect") fields.push(`protection: ${step.protection}`);
  if (step.step === "remap") {
    fields.push(`to: {as: ${step.to}}`);
    if (step.keepOld) fields.push("keep-old: true");
  }
  if (step.step === "advise") fields.push(`advice: ${step.advice}`);
  if ("words" in step) fields.push(`words: ${printWords(step.words)}`);
  if (step.step === "increment") fields.push(`from: ${printWords(step.from)}`);
  if (step.step === "pin") {
    fields.push(`kind: ${step.kind}`);
    if (step.write) fields.push("write: true");
  }
  if ("error" in step && step.error !== null) fields.push(`expect: {error: ${step.error}}`);
  return fields;
}

function partFields({ region, first, pages }: Part): string[] {
  const fields = [`region: ${region}`];
  if (first !== 0) fields.push(`first: ${first}`);
  if (pages !== null) fields.push(`pages: ${pages}`);
  return fields;
}

function mapFields(step: MapStep): string[] {
  const fields = [`as: ${step.as}`];
  if (step.pages !== null) fields.push(`pages: ${step.pages}`);
  if (step.protection !== "rw") fields.push(`protection: ${step.protection}`);
  if (step.share !== "private") fields.push(`share: ${step.share}`);
  if (step.backing.kind === "device") fields.push(`backing: "device:${step.backing.device}"`);
  else if (step.backing.kind !== "anonymous") fields.push(`backing: ${step.backing.kind}`);
  if (step.huge) fields.push("huge: true");
  if (step.fileWords !== null) fields.push(`file-words: ${printWords(step.fileWords)}`);
  if (step.at !== null) fields.push(`at: {${partFields({ ...step.at, pages: null }).join(", ")}}`);
  if (step.reflink !== null) fields.push(`reflink: ${step.reflink}`);
  return fields;
}

function deviceFields(step: DeviceStep): string[] {
  const fields = [`on: ${step.on}`, `do: ${step.command}`];
  if (step.part !== null) fields.push(...partFields(step.part));
  if (step.writes !== null) fields.push(`writes: ${printWords(step.writes)}`);
  const { pages, faults, error, orErrors } = step.expect;
  const expect: string[] = [];
  if (pages !== null) expect.push(`pages: ${pages}`);
  if (faults !== null) expect.push(`faults: ${faults}`);
  if (error !== null) expect.push(`error: ${error}`);
  if (orErrors.length > 0) expect.push(`or-errors: [${orErrors.join(", ")}]`);
  if (expect.length > 0) fields.push(`expect: {${expect.join(", ")}}`);
  if (step.reads !== null) fields.push(`reads: ${printWords(step.reads)}`);
  if (step.codes !== null) fields.push(`codes: [${step.codes.map(printCode).join(", ")}]`);
  if (step.codesAll) fields.push("codes-all: true");
  return fields;
}
