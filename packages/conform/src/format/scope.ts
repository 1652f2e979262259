import type { DeviceStep, MapStep, Part, Step, TestCase } from "./case.ts";
import { suggestion } from "./nearest.ts";

/** A part with its numbers resolved against its region. */
export interface ResolvedPart {
  readonly first: number;
  readonly pages: number;
}

/** Resolves a part against the number of pages of its region, or says why it does not fit. */
export function resolvePart(part: Part, regionPages: number): ResolvedPart | { readonly misfit: string } {
  const pages = part.pages ?? regionPages - part.first;
  if (part.first >= regionPages || part.first + pages > regionPages) {
    const asked =
      part.pages === null ? `page ${part.first}` : `pages ${part.first} to ${part.first + pages - 1}`;
    return {
      misfit: `${asked} of region ${part.region}, which has ${regionPages} pages (0 to ${regionPages - 1})`,
    };
  }
  return { first: part.first, pages };
}

/** The pages that a `map` step makes: those of the part it maps over, when it does not say. */
export function pagesOfMap(
  step: MapStep,
  regions: ReadonlyMap<string, number>,
): number | { readonly misfit: string } {
  if (step.at === null) return step.pages ?? 0;
  const under = regions.get(step.at.region);
  if (under === undefined) return { misfit: `region ${step.at.region}, which is not mapped yet` };
  const part = resolvePart({ ...step.at, pages: step.pages }, under);
  return "misfit" in part ? part : part.pages;
}

type Complain = (line: number, message: string) => never;

/** Checks that every region, part and device that the steps name exists by then. */
export function checkScope(test: TestCase, complain: Complain): void {
  walk(test.steps, new Map(), test, complain);
}

function walk(
  steps: readonly Step[],
  regions: Map<string, number>,
  test: TestCase,
  complain: Complain,
): void {
  for (const step of steps) {
    if (step.step === "repeat") {
      for (const round of step.rounds) walk(round, regions, test, complain);
    } else if (step.step === "fork") {
      walk(step.child, new Map(regions), test, complain);
      walk(step.parent, regions, test, complain);
    } else if (step.step === "race") {
      walk(step.rival, regions, test, complain);
      walk(step.steps, regions, test, complain);
    } else {
      checkStep(step, regions, test, complain);
    }
  }
}

function checkStep(
  step: Exclude<Step, { step: "repeat" } | { step: "fork" } | { step: "race" }>,
  regions: Map<string, number>,
  test: TestCase,
  complain: Complain,
): void {
  const need = (part: Part): ResolvedPart => {
    const pages = regions.get(part.region);
    if (pages === undefined) {
      const known = [...regions.keys()];
      const hint = known.length === 0 ? "nothing is mapped yet" : suggestion(part.region, known);
      complain(step.line, `unknown region "${part.region}" in step ${step.label}: ${hint}`);
    }
    const resolved = resolvePart(part, pages);
    if ("misfit" in resolved) complain(step.line, `step ${step.label} names ${resolved.misfit}`);
    return resolved;
  };
  const needDevice = (name: string): void => {
    if (!test.devices.has(name)) {
      const known = [...test.devices.keys()];
      const hint = known.length === 0 ? "add it to the case's devices" : suggestion(name, known);
      complain(step.line, `unknown device "${name}" in step ${step.label}: ${hint}`);
    }
  };
  switch (step.step) {
    case "map": {
      if (step.backing.kind === "device") needDevice(step.backing.device);
      if (step.at !== null) need({ ...step.at, pages: step.pages });
      if (step.reflink !== null) need({ region: step.reflink, first: 0, pages: null });
      const pages = pagesOfMap(step, regions);
      if (typeof pages === "number") regions.set(step.as, pages);
      return;
    }
    case "remap":
      regions.set(step.to, need(step.part).pages);
      return;
    case "device":
      needDevice(step.on);
      if (step.part !== null) checkCodes(step, need(step.part), complain);
      return;
    case "notifications":
      needDevice(step.on);
      for (const { part, owner } of step.are) {
        if (part !== null) need(part);
        if (owner !== null) needDevice(owner);
      }
      return;
    case "inject":
      if (step.on !== null) needDevice(step.on);
      return;
    case "reclaim":
      return;
    case "migrate":
      need(step.part);
      if (step.to !== "system") needDevice(step.to);
      return;
    case "explain":
      need(step.part);
      for (const place of [step.where, step.from]) {
        if (place !== null && !PLACES.includes(place)) needDevice(place);
      }
      if (step.by !== null) needDevice(step.by);
      return;
    default:
      need(step.part);
  }
}

/** Where a page can be, beside the devices of the case. */
const PLACES: readonly string[] = ["system", "file", "swap", "lost", "nowhere"];

function checkCodes(step: DeviceStep, part: ResolvedPart, complain: Complain): void {
  if (step.codes === null || step.codesAll || step.codes.length === part.pages) return;
  complain(
    step.line,
    `step ${step.label} gives ${step.codes.length} codes for ${part.pages} pages; give one a page, or a single one with codes-all: true`,
  );
}
