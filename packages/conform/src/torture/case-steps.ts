import type {
  Command,
  DeviceStep,
  ErrorName,
  FaultName,
  MapStep,
  Part,
  Step,
  StepPlace,
} from "../format/case.ts";
import type { Words } from "../format/words.ts";
import { REFUSE } from "./program.ts";

// The steps of a case that torture makes, with everything that it does not say at its default.

export const PLACE: StepPlace = { label: "", line: 1 };

/** What a device command may answer when something else may be in the way. */
export const ANY_ERROR = ["EINVAL", "ENOENT", "EBUSY", "EFAULT", "EPERM", "EIO", "ENOMEM", "ENOSPC"] as const;

/** The value that stands for all words of an operation: values of later ones are greater. */
export function canonical(value: number): number {
  return value === 0 ? 0 : (value & ~2047) | 1;
}

export function constant(value: number): Words {
  return { scale: 0, base: value >>> 0 };
}

export function mapStep(as: string, pages: number | null): MapStep {
  return {
    ...PLACE,
    step: "map",
    as,
    pages,
    protection: "rw",
    share: "private",
    backing: { kind: "anonymous" },
    huge: false,
    fileWords: null,
    at: null,
    reflink: null,
  };
}

/** What of a device command differs from one to the next. */
export interface Commanded {
  readonly writes?: number;
  readonly reads?: number;
  readonly orErrors?: DeviceStep["expect"]["orErrors"];
}

export function deviceStep(on: string, command: Command, part: Part | null, more: Commanded): DeviceStep {
  const { writes, reads, orErrors = [] } = more;
  return {
    ...PLACE,
    step: "device",
    on,
    command,
    part,
    writes: writes === undefined ? null : constant(writes),
    expect: { pages: null, faults: null, error: null, orErrors },
    reads: reads === undefined ? null : constant(reads),
    codes: null,
    codesAll: false,
  };
}

export function fillStep(
  part: Part,
  value: number,
  error: ErrorName | null,
): Extract<Step, { step: "fill" }> {
  return { ...PLACE, step: "fill", part, words: constant(value), error };
}

export function checkStep(part: Part, value: number): Step {
  return { ...PLACE, step: "check", part, words: constant(value), error: null };
}

export function injectStep(fault: FaultName, on: string | null, times: number): Step {
  return { ...PLACE, step: "inject", fault, on, times };
}

/** Whether a step only looks at what a page holds. */
export function isLook(step: Step): boolean {
  return step.step === "check" || (step.step === "device" && step.command === "read" && step.reads !== null);
}

/** Whether a step changes neither what a page holds nor who may use it, only where it is. */
export function isPlacement(step: Step): boolean {
  if (step.step === "device") return step.command !== "write" && step.command !== "fail-next-allocation";
  return (
    step.step === "migrate" ||
    step.step === "reclaim" ||
    step.step === "touch" ||
    step.step === "pin" ||
    (step.step === "advise" && step.advice !== "dontneed")
  );
}

export const PROTECTIONS = ["none", "none", "r", "rw"] as const;

/** Adds a part to the last one, if it goes on where that ends. */
export function joinPart(parts: Part[], part: Part): Part[] {
  const last = parts.at(-1);
  const pages = last?.pages ?? 0;
  if (last === undefined || last.region !== part.region || last.first + pages !== part.first)
    return [...parts, part];
  return [...parts.slice(0, -1), { ...last, pages: pages + (part.pages ?? 0) }];
}

export function refusals(on: string, what: number): readonly Step[] {
  const steps = [injectStep("none", on, 0)];
  if ((what & REFUSE.nonBlocking) !== 0) steps.push(injectStep("refuse-invalidation", on, 0));
  if ((what & REFUSE.in) !== 0) steps.push(injectStep("refuse-moves-in", on, 0));
  else if ((what & REFUSE.redirect) !== 0) steps.push(injectStep("redirect-moves-in", on, 0));
  else if ((what & REFUSE.out) !== 0) steps.push(injectStep("refuse-moves-out", on, 0));
  return steps;
}
