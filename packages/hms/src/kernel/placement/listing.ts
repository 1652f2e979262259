import type { PageCount, PageIndex } from "@hms/hmm";
import type { CoreRegistry, Later, Output, TypeValue } from "@hms/uabi";
import type { Kernel } from "../kernel.ts";
import type { Range, SpaceEntry } from "../objects.ts";
import { CarryOut } from "./carry-out.ts";
import type { Policy } from "./policy.ts";
import { reportValue } from "./report-value.ts";

type Listed = Later<Output<CoreRegistry, "space", "placement">>;
type PlacementValue = TypeValue<CoreRegistry, "placement">;

/** Says which policies a range is under, and where its pages are; without a range, the space's default. */
export function* placements(
  kernel: Kernel,
  entry: SpaceEntry,
  range: Range | null,
  limit: number,
  later: Listed,
): Generator<boolean, void> {
  try {
    if (range === null) {
      const { default: policy } = entry.policies;
      later.answer({ placements: policy === null ? [] : [said(policy)] });
      return;
    }
    const found: PlacementValue[] = [];
    const end = range.first + range.count;
    for (let page = range.first; page < end; ) {
      const count = entry.policies.runLength(page, end - page);
      const policy = entry.policies.at(page);
      if (policy !== null && found.length === limit) {
        later.answer({ placements: found, next: page });
        return;
      }
      if (policy !== null) found.push(yield* placement(kernel, entry, policy, page, count));
      page += count;
    }
    later.answer({ placements: found });
  } catch (error) {
    later.fail(error);
  }
}

function said({ origin, mode, targets, when }: Policy): PlacementValue {
  return {
    origin,
    mode,
    choices: targets.slice(0, 1024).map(({ place, weight, why }) => ({
      target: place.name.slice(0, 64),
      weight,
      why: why.slice(0, 256),
    })),
    when,
  };
}

function* placement(
  kernel: Kernel,
  entry: SpaceEntry,
  policy: Policy,
  first: PageIndex,
  count: PageCount,
): Generator<boolean, PlacementValue> {
  const carry = new CarryOut(kernel, entry, policy);
  const { table } = entry.linux.space;
  const end = first + count;
  for (let page = first; page < end; ) {
    page = Math.max(page, carry.inFile ? page : (table.next(page, end)?.first ?? end));
    if (page >= end) break;
    page += carry.step(page, end, "look");
    yield true;
  }
  const { kernel: held, differs } = kernel.placements.nodes.held(policy, first, count);
  return {
    ...said(policy),
    range: { first, count },
    kernel: held ?? undefined,
    differs: differs ?? undefined,
    report: reportValue(carry.report()),
  };
}
