import type { Step, TestCase } from "../format/case.ts";
import { printCase } from "../format/print.ts";
import type { CaseHost } from "../host.ts";
import type { Outcome } from "../run/outcome.ts";
import { runCase } from "../run/runner.ts";
import type { Shrunk } from "./shrink.ts";
import { toCase } from "./to-case.ts";
import type { World } from "./world.ts";

/** How often a case is run to make it shorter. */
const TRIES_MAX = 400;

/** A failure as a case file, or why it cannot be one. */
export type CaseText = { readonly text: string } | { readonly problem: string };

/**
 * Says a shrunk failure as a case file that fails on a host, and leaves out every step that is not needed for that.
 * `name` and the comment name the seed.
 */
export async function smallCase(
  { program, failure }: Shrunk,
  options: { readonly name: string; readonly comment: readonly string[]; readonly host: CaseHost },
  prepare?: (world: World) => void,
): Promise<CaseText> {
  const made = toCase(program, failure.profile, options.name, prepare);
  if (typeof made === "string") return { problem: made };
  let best: TestCase = made;
  const kind = kindOf(await runCase(best, options.host));
  if (kind === null)
    return { problem: "as a case it passes: it takes a machine this small, or these very addresses" };
  // Only looks are left out: without a step that changes something, what the others see would not be known.
  let tries = 0;
  for (let size = best.steps.length >> 1; size >= 1; size = size === 1 ? 0 : Math.max(1, size >> 1)) {
    for (let at = best.steps.length - size; at >= 0 && tries < TRIES_MAX; at -= size) {
      const without = best.steps.filter((step, i) => i < at || i >= at + size || !isLook(step));
      if (without.length === best.steps.length) continue;
      tries++;
      if (kindOf(await runCase({ ...best, steps: without }, options.host)) === kind)
        best = { ...best, steps: without };
    }
  }
  best = { ...best, needs: best.needs.filter((need) => isUsed(need, best.steps)) };
  return { text: printCase(best, options.comment) };
}

/** Whether a step only looks at what a page holds. */
function isLook(step: Step): boolean {
  return step.step === "check" || (step.step === "device" && step.command === "read" && step.reads !== null);
}

/** What is wrong, numbers aside; null when nothing is. */
function kindOf(outcome: Outcome): string | null {
  return outcome.result === "failed" ? outcome.message.replace(/-?\d+/g, "N") : null;
}

const EXTENSION_STEPS: Readonly<Record<string, string>> = {
  inject: "faults",
  reclaim: "swap",
  migrate: "placement",
  explain: "placement",
};

function isUsed(need: string, steps: readonly Step[]): boolean {
  return steps.some((step) => {
    if (EXTENSION_STEPS[step.step] === need) return true;
    if (step.step === "fork") return isUsed(need, step.child) || isUsed(need, step.parent);
    if (need === "swap") return step.step === "advise" && step.advice === "pageout";
    if (need === "dax") return step.step === "map" && step.backing.kind === "dax";
    if (need === "signals") return "error" in step && step.error !== null;
    return need === "alternatives" && step.step === "device" && step.expect.orErrors.length > 0;
  });
}
